"""The CPU-time energy model: an estimated counter for hosts whose energy nothing measures."""

from dataclasses import dataclass
from pathlib import Path

from collectors.contract import ENERGY_SAMPLES
from collectors.sensors import Row
from collectors.sensors.cpu_time import TICKS_PER_SECOND, CpuTime, open_stat, parse_total
from collectors.sensors.files import KernelFile


@dataclass(frozen=True, slots=True)
class ModelWatts:
    """Power of one logical CPU. Of hardware that is known better, say so: estimates of one host keep to one model."""

    busy: float = 12.0
    idle: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.idle <= self.busy <= 1000:
            raise ValueError(f"{self.busy:g} W busy, {self.idle:g} W idle: need 0 ≤ idle ≤ busy ≤ 1000 W per CPU")


class CpuModelSensor:
    """Energy estimated as watts × CPU seconds over all logical CPUs, busy and idle ones apart.

    A cumulative counter in model_energy_uj on package 0, from 0 at open(); it never falls. To be used only where RAPL
    is not available: the two are never mixed.
    """

    name = "cpu_model"
    dataset = ENERGY_SAMPLES
    period_s = 0.1
    columns = ("package_index", "model_energy_uj")

    def __init__(self, proc: Path = Path("/proc"), watts: ModelWatts | None = None) -> None:
        watts = watts or ModelWatts()
        self.warnings: list[str] = []
        self._proc = proc
        self._busy_uj = watts.busy * 1e6 / TICKS_PER_SECOND
        self._idle_uj = watts.idle * 1e6 / TICKS_PER_SECOND
        self._stat: KernelFile | None = None
        self._last = CpuTime(0, 0)
        self._busy_ticks = 0
        self._idle_ticks = 0

    def available(self) -> str | None:
        try:
            parse_total((self._proc / "stat").read_bytes())
        except (OSError, ValueError) as error:
            return f"no CPU times in {self._proc / 'stat'}: {error}; mount /proc"
        return None

    def open(self) -> None:
        self.close()
        if reason := self.available():
            raise OSError(reason)
        self._stat = open_stat(self._proc)
        self._last = parse_total(self._stat.read())
        self._busy_ticks = self._idle_ticks = 0

    def read(self) -> list[Row]:
        if self._stat is None:
            raise OSError("cpu_model: read() before open()")
        now = parse_total(self._stat.read())
        passed = now.since(self._last)
        self._last = now
        self._busy_ticks += passed.busy
        self._idle_ticks += passed.idle
        return [(0, round(self._busy_ticks * self._busy_uj + self._idle_ticks * self._idle_uj))]

    def close(self) -> None:
        if self._stat is not None:
            self._stat.close()
            self._stat = None
