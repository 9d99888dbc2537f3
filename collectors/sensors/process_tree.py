"""Readings of one run: the measured process tree, and the state of the host at its start and end.

Columns that mean the run are filled from the tree alone. What the kernel does not count by process stays NULL: bytes
sent and received, retransmits and DNS latency (the host's counters are nobody's run; the program may say them with its
LLM calls), and the wake-up latency.
"""

import os
import resource
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from collectors.sensors import Value
from collectors.sensors.cpu_time import TICKS_PER_SECOND, CpuTime, parse_total
from collectors.sensors.files import numbered, read_int, read_text
from collectors.sensors.idle_states import IdleTimes, mean_seconds, read_idle_times
from collectors.sensors.temperatures import PackageTemperature, find_temperatures, is_tripped, throttle_counts

FIRST_WAIT_S: Final = 0.01
LAST_WAIT_S: Final = 0.5
LEAST_TICKS: Final = 50
KIB_PER_MIB: Final = 1024
TIMED_STATES: Final = (2, 3, 6, 7)


@dataclass(frozen=True, slots=True)
class RunStart:
    """The host when a run begins: columns that are final then, and counters to compare with at its end."""

    columns: dict[str, Value]
    cpu: CpuTime | None
    idle: IdleTimes


@dataclass(frozen=True, slots=True)
class TreeLoad:
    """What TreeWatch saw: peaks of the tree's memory, and means of the host: runnable tasks, ring bus frequency."""

    rss_mb: float | None
    vms_mb: float | None
    run_queue_length: float | None
    ring_bus_mhz: float | None


@dataclass(frozen=True, slots=True)
class _Memory:
    """Memory of one process, KiB: now, and its peaks since its exec."""

    rss: int
    vms: int
    peak_rss: int
    peak_vms: int


def read_start(sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> RunStart:
    """Read the host just before the measured program is started."""
    memory = read_meminfo(proc)
    throttled = throttle_counts(sys)
    columns: dict[str, Value] = {
        "swap_total_mb": memory.get("SwapTotal"),
        "swap_start_used_mb": _swap_used(memory),
        "swap_start_cached_mb": memory.get("SwapCached"),
        "governor": read_governor(sys),
        "turbo_enabled": read_turbo(sys),
        "process_count": len(pids(proc)) or None,
        "baseline_temp_celsius": _package_celsius(sys),
        "thermal_now_active": _is_tripped_now(sys),
        "thermal_since_boot": None if throttled is None else throttled > 0,
    }
    return RunStart(columns, _cpu_time(proc), read_idle_times(sys))


def read_end(
    start: RunStart,
    *,
    rusage: resource.struct_rusage,
    load: TreeLoad,
    counters: Mapping[str, int | None],
    sys: Path = Path("/sys"),
    proc: Path = Path("/proc"),
) -> dict[str, Value]:
    """All readings of a run by contract column (RUN_READINGS), start included; read just after the program ended.

    `rusage` is what wait4() gave for the program: it and every descendant that was waited for. `counters` is
    PerfCounters.read().
    """
    memory = read_meminfo(proc)
    return {
        **start.columns,
        **_tree_columns(rusage),
        **counters,
        **_idle_columns(start.idle, read_idle_times(sys)),
        "rss_memory_mb": load.rss_mb,
        "vms_memory_mb": load.vms_mb,
        "run_queue_length": load.run_queue_length,
        "ring_bus_freq_mhz": load.ring_bus_mhz,
        "background_cpu_percent": _background_percent(start.cpu, _cpu_time(proc), rusage),
        "swap_end_free_mb": memory.get("SwapFree"),
        "swap_end_used_mb": _swap_used(memory),
        "swap_end_cached_mb": memory.get("SwapCached"),
        "swap_end_percent": _swap_percent(memory),
    }


class TreeWatch:
    """Watches a process, its descendants and their host twice a second, more often in the first half second.

    A peak between two looks is caught per process (the kernel keeps each one's), not for the sum of several.
    """

    def __init__(self, pid: int, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._pid = pid
        self._proc = proc
        self._ring_bus = ring_bus_files(sys)
        self._ring_bus_mhz: list[float] = []
        self._rss_kib = 0
        self._vms_kib = 0
        self._runnable_sum = 0
        self._looks = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._loop, args=(self._stopped.wait,), name=f"tree-watch-{pid}", daemon=True
        )

    def start(self) -> None:
        """Begin watching; a watch is used once."""
        self._thread.start()

    def stop(self) -> TreeLoad:
        """End watching; what was seen."""
        self._stopped.set()
        self._thread.join()
        return self.load()

    def load(self) -> TreeLoad:
        """What was seen so far; None for what was never seen."""
        return TreeLoad(
            rss_mb=self._rss_kib / KIB_PER_MIB if self._rss_kib else None,
            vms_mb=self._vms_kib / KIB_PER_MIB if self._vms_kib else None,
            run_queue_length=self._runnable_sum / self._looks if self._looks else None,
            ring_bus_mhz=fmean(self._ring_bus_mhz) if self._ring_bus_mhz else None,
        )

    def look(self) -> None:
        """Look once."""
        found = [memory for pid in tree_pids(self._pid, self._proc) if (memory := _memory(self._proc / str(pid)))]
        if found:
            self._rss_kib = max(self._rss_kib, sum(m.rss for m in found), max(m.peak_rss for m in found))
            self._vms_kib = max(self._vms_kib, sum(m.vms for m in found), max(m.peak_vms for m in found))
        runnable = read_runnable(self._proc)
        if runnable is not None:
            self._runnable_sum += max(0, runnable - 1)  # the one that looks does not count
            self._looks += 1
        ring_bus_khz = [khz for path in self._ring_bus if (khz := read_int(path)) is not None]
        if ring_bus_khz:
            self._ring_bus_mhz.append(fmean(ring_bus_khz) / 1000)

    def _loop(self, wait: Callable[[float], bool]) -> None:
        pause = FIRST_WAIT_S
        self.look()
        while not wait(pause):
            self.look()
            pause = min(2 * pause, LAST_WAIT_S)


def tree_pids(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """A process and its living descendants; orphans, which now belong to init, are not among them."""
    # Most kernels list a thread's children; without that, every process of the host must be asked for its parent.
    by_parent = None if (proc / f"{pid}/task/{pid}/children").exists() else _by_parent(proc)
    found, to_visit = [], [pid]
    while to_visit:
        visited = to_visit.pop()
        found.append(visited)
        to_visit += _listed_children(visited, proc) if by_parent is None else by_parent.get(visited, [])
    return found


def pids(proc: Path = Path("/proc")) -> list[int]:
    """All processes of the host."""
    return [int(name) for name in os.listdir(proc) if name.isdecimal()]  # noqa: PTH208 - names only, and fast


def read_meminfo(proc: Path) -> dict[str, float]:
    """/proc/meminfo in MiB by name; empty where it cannot be read."""
    memory = {}
    for line in (read_text(proc / "meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            memory[name] = int(value.removesuffix(" kB")) / KIB_PER_MIB
    return memory


def read_runnable(proc: Path) -> int | None:
    """Tasks that run or wait for a CPU at this moment, the asking one included."""
    fields = (read_text(proc / "loadavg") or "").split()
    return int(fields[3].split("/")[0]) if len(fields) > 3 else None


def read_governor(sys: Path) -> str | None:
    """The CPU frequency governor, or governors where the policies differ; None without cpufreq."""
    policies = numbered(sys / "devices/system/cpu/cpufreq", "policy")
    governors = {governor for policy in policies if (governor := read_text(policy / "scaling_governor"))}
    return ",".join(sorted(governors)) or None


def ring_bus_files(sys: Path) -> list[Path]:
    """What gives the frequency of each package's ring bus (or mesh), in kHz; none where the kernel does not tell."""
    return sorted((sys / "devices/system/cpu/intel_uncore_frequency").glob("*/current_freq_khz"))


def read_turbo(sys: Path) -> bool | None:
    """Whether the CPU may run above its nominal frequency; None where the driver does not say."""
    no_turbo = read_int(sys / "devices/system/cpu/intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    boost = read_int(sys / "devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == 1


def _tree_columns(rusage: resource.struct_rusage) -> dict[str, Value]:
    return {
        "user_time_ms": rusage.ru_utime * 1000,
        "kernel_time_ms": rusage.ru_stime * 1000,
        "page_faults": rusage.ru_majflt + rusage.ru_minflt,
        "major_page_faults": rusage.ru_majflt,
        "minor_page_faults": rusage.ru_minflt,
        "context_switches_voluntary": rusage.ru_nvcsw,
        "context_switches_involuntary": rusage.ru_nivcsw,
    }


def _idle_columns(start: IdleTimes, end: IdleTimes) -> dict[str, Value]:
    seconds = mean_seconds(start, end)
    return {f"c{state}_time_seconds": seconds.get(state) for state in TIMED_STATES}


def _background_percent(start: CpuTime | None, end: CpuTime | None, rusage: resource.struct_rusage) -> float | None:
    """None also where so few ticks passed that one more or less, which says nothing, is more than 2 percent."""
    if start is None or end is None:
        return None
    passed = end.since(start)
    total = passed.busy + passed.idle
    tree = (rusage.ru_utime + rusage.ru_stime) * TICKS_PER_SECOND
    return 100 * max(0.0, passed.busy - tree) / total if total >= LEAST_TICKS else None


def _cpu_time(proc: Path) -> CpuTime | None:
    try:
        return parse_total((proc / "stat").read_bytes())
    except (OSError, ValueError):
        return None


def _swap_used(memory: dict[str, float]) -> float | None:
    if "SwapTotal" not in memory or "SwapFree" not in memory:
        return None
    return memory["SwapTotal"] - memory["SwapFree"]


def _swap_percent(memory: dict[str, float]) -> float | None:
    used = _swap_used(memory)
    return None if used is None or not memory["SwapTotal"] else 100 * used / memory["SwapTotal"]


def _package_celsius(sys: Path) -> float | None:
    temperature = PackageTemperature(sys)
    try:
        return temperature.read()
    finally:
        temperature.close()


def _is_tripped_now(sys: Path) -> bool | None:
    """Whether a zone is at its passive trip point; None on a host without such points."""
    with_trip = [t for t in find_temperatures(sys) if t.trip_celsius is not None]
    readings = [(t, millidegrees / 1000) for t in with_trip if (millidegrees := read_int(t.path)) is not None]
    return any(is_tripped(t, celsius) for t, celsius in readings) if readings else None


def _memory(process: Path) -> _Memory | None:
    """Memory of a process in KiB; None when it is gone or has none (a zombie, a kernel thread)."""
    fields = dict(line.split(":", 1) for line in (read_text(process / "status") or "").splitlines() if ":" in line)
    if "VmRSS" not in fields:
        return None
    rss, vms, peak_rss, peak_vms = (int(fields[name].split()[0]) for name in ("VmRSS", "VmSize", "VmHWM", "VmPeak"))
    return _Memory(rss, vms, peak_rss, peak_vms)


def _listed_children(pid: int, proc: Path) -> list[int]:
    threads = numbered(proc / f"{pid}/task", "")
    return [int(child) for thread in threads for child in (read_text(thread / "children") or "").split()]


def _by_parent(proc: Path) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid in pids(proc):
        after_name = (read_text(f"{proc}/{pid}/stat") or "").rpartition(")")[2].split(maxsplit=2)
        if len(after_name) > 1:  # else it has just ended
            children.setdefault(int(after_name[1]), []).append(pid)
    return children
