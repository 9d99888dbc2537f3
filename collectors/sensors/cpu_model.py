"""The CPU-time energy model: an estimated counter for hosts whose energy nothing measures."""

from pathlib import Path
from typing import Final

from collectors.contract import ENERGY_SAMPLES
from collectors.sensors import Row
from collectors.sensors.cpu_time import TICKS_PER_SECOND, CpuTime, open_stat, parse_total
from collectors.sensors.files import KernelFile

BUSY_WATTS: Final = 12.0
IDLE_WATTS: Final = 1.0


class CpuModelSensor:
    """Energy estimated as watts × CPU seconds over all logical CPUs: `busy_watts` while busy, `idle_watts` while idle.

    A cumulative counter in model_energy_uj on package 0, from 0 at open(); it never falls. To be used only where RAPL
    is not available: the two are never mixed.
    """

    name = "cpu_model"
    dataset = ENERGY_SAMPLES
    period_s = 0.1
    columns = ("package_index", "model_energy_uj")

    def __init__(
        self, proc: Path = Path("/proc"), *, busy_watts: float = BUSY_WATTS, idle_watts: float = IDLE_WATTS
    ) -> None:
        self.warnings: list[str] = []
        self._proc = proc
        self._busy_uj = busy_watts * 1e6 / TICKS_PER_SECOND
        self._idle_uj = idle_watts * 1e6 / TICKS_PER_SECOND
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
