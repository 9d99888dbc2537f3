"""CPU telemetry of the host: utilisation, frequencies, idle states, package temperature, instructions per cycle."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collectors.contract import CPU_SAMPLES
from collectors.sensors import Row
from collectors.sensors.cpu_time import CpuTime, open_stat, parse_stat
from collectors.sensors.files import KernelFile, numbered, read_text
from collectors.sensors.idle_states import IdleTimes, mean_seconds, read_idle_times
from collectors.sensors.perf import HostIpc
from collectors.sensors.temperatures import PackageTemperature

CORE_STATES: Final = (1, 2, 3, 6, 7)
SLOW_EVERY: Final = 10
"""Readings between two of what costs a file per CPU and state: once a second."""


class CpuSensor:
    """One row of CPU telemetry; what is a rate covers the time since the previous row.

    The kernel counts CPU time in ticks of 10 ms, so a reading sooner than half a period after the last row gives none.
    Core residencies come once a second, over that second; the rows between leave them NULL. Package residencies stay
    NULL: cpuidle knows what cores asked for, not what the package did.
    """

    name = "cpu"
    dataset = CPU_SAMPLES
    period_s = 0.1
    columns = (
        "cpu_util_percent",
        "cpu_busy_mhz",
        "cpu_avg_mhz",
        *(f"c{state}_residency" for state in CORE_STATES),
        "package_temp",
        "ipc",
    )

    def __init__(
        self,
        sys: Path = Path("/sys"),
        proc: Path = Path("/proc"),
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.warnings: list[str] = []
        self._sys = sys
        self._proc = proc
        self._stat: KernelFile | None = None
        self._temperature: PackageTemperature | None = None
        self._frequencies: Frequencies | None = None
        self._ipc: HostIpc | None = None
        self._residencies = _Residencies(sys)
        self._monotonic_ns = monotonic_ns
        self._last: tuple[CpuTime, dict[int, CpuTime]] | None = None
        self._last_ns = 0

    def available(self) -> str | None:
        try:
            parse_stat((self._proc / "stat").read_bytes())
        except (OSError, ValueError) as error:
            return f"no CPU times in {self._proc / 'stat'}: {error}; mount /proc"
        return None

    def open(self) -> None:
        self.close()
        if reason := self.available():
            raise OSError(reason)
        self.warnings = []
        self._stat = open_stat(self._proc)
        _, cpus = parse_stat(self._stat.read())
        self._frequencies = Frequencies(self._sys, self._proc)
        self._temperature = PackageTemperature(self._sys)
        self._residencies.reset()
        self._last, self._last_ns = None, 0
        try:
            self._ipc = HostIpc(cpus, self._proc)
        except OSError as error:
            self.warnings.append(f"cpu: {error}")

    def read(self) -> list[Row]:
        if self._stat is None or self._frequencies is None or self._temperature is None:
            raise OSError("cpu: read() before open()")
        now_ns = self._monotonic_ns()
        if now_ns - self._last_ns < self.period_s / 2 * 1e9:
            return []
        total, cpus = parse_stat(self._stat.read())
        last_total, last_cpus = self._last or (total, {})
        self._last, self._last_ns = (total, cpus), now_ns
        utilisation = total.since(last_total).utilisation
        passed = {cpu: cpus[cpu].since(last_cpus[cpu]) for cpu in cpus.keys() & last_cpus.keys()}
        row = (
            None if utilisation is None else 100 * utilisation,
            *self._frequencies.read(passed),
            *self._residencies.read(now_ns),
            self._temperature.read(),
            None if self._ipc is None else self._ipc.read(),
        )
        return [row] if any(value is not None for value in row) else []

    def close(self) -> None:
        for opened in (self._stat, self._frequencies, self._temperature, self._ipc):
            if opened is not None:
                opened.close()
        self._stat = self._frequencies = self._temperature = self._ipc = None


class Frequencies:
    """CPU frequencies by cpufreq policy, or from /proc/cpuinfo where the kernel has no cpufreq."""

    def __init__(self, sys: Path, proc: Path) -> None:
        self._cpuinfo = proc / "cpuinfo"
        self._readings = 0
        self._listed: dict[int, float] = {}
        self._policies = [
            (KernelFile(policy / "scaling_cur_freq"), [int(cpu) for cpu in cpus.split()])
            for policy in numbered(sys / "devices/system/cpu/cpufreq", "policy")
            if (cpus := read_text(policy / "affected_cpus")) and read_text(policy / "scaling_cur_freq")
        ]

    def read(self, passed: dict[int, CpuTime]) -> tuple[float | None, float | None]:
        """(MHz while busy, MHz over busy and idle time), each CPU weighted by its own time; None where unknown.

        The second only where cpufreq exists: the kernel's list of CPUs may show nominal frequencies.
        """
        mhz = self._current() if self._policies else self._from_list()
        known = [(mhz[cpu], time.busy, time.busy + time.idle) for cpu, time in passed.items() if cpu in mhz]
        cycles = sum(frequency * busy for frequency, busy, _ in known)
        busy = sum(busy for _, busy, _ in known)
        total = sum(total for _, _, total in known)
        return (
            cycles / busy if busy else None,
            cycles / total if total and self._policies else None,
        )

    def close(self) -> None:
        for file, _ in self._policies:
            file.close()
        self._policies = []

    def _current(self) -> dict[int, float]:
        mhz = {}
        for file, cpus in self._policies:
            try:
                frequency = file.read_int() / 1000
            except (OSError, ValueError):
                continue  # the policy's CPUs are offline
            mhz.update(dict.fromkeys(cpus, frequency))
        return mhz

    def _from_list(self) -> dict[int, float]:
        if self._readings % SLOW_EVERY == 0:
            self._listed = parse_cpuinfo_mhz(read_text(self._cpuinfo) or "")
        self._readings += 1
        return self._listed


class _Residencies:
    """Core C-state residencies in percent, once in SLOW_EVERY readings."""

    def __init__(self, sys: Path) -> None:
        self._sys = sys
        self.reset()

    def reset(self) -> None:
        self._readings = 0
        self._last: tuple[int, IdleTimes] | None = None

    def read(self, now_ns: int) -> tuple[float | None, ...]:
        due = self._readings % SLOW_EVERY == 0
        self._readings += 1
        if not due:
            return (None,) * len(CORE_STATES)
        now = (now_ns, read_idle_times(self._sys))
        last, self._last = self._last, now
        if last is None:
            return (None,) * len(CORE_STATES)
        seconds = mean_seconds(last[1], now[1])
        elapsed = (now[0] - last[0]) / 1e9
        return tuple(min(100.0, 100 * seconds[s] / elapsed) if s in seconds else None for s in CORE_STATES)


def parse_cpuinfo_mhz(cpuinfo: str) -> dict[int, float]:
    """CPU number → MHz as /proc/cpuinfo lists it; empty where it does not (not x86)."""
    mhz: dict[int, float] = {}
    cpu = -1
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.startswith("processor"):
            cpu = int(value)
        elif key.startswith("cpu MHz"):
            mhz[cpu] = float(value)
    return mhz
