"""Time that the CPUs spent in idle states (C-states), from cpuidle."""

import re
from pathlib import Path
from typing import Final

from collectors.sensors.files import numbered, read_int, read_text

C_STATE: Final = re.compile(r"C(\d+)")
DEEPEST: Final = 7

IdleTimes = dict[int, dict[int, int]]
"""CPU number → core C-state → µs since boot."""


def read_idle_times(sys: Path) -> IdleTimes:
    """Per CPU, µs since boot in each core C-state that the kernel names; empty where it names none."""
    times: IdleTimes = {}
    for cpu in numbered(sys / "devices/system/cpu", "cpu"):
        for state in numbered(cpu / "cpuidle", "state"):
            level = core_state(read_text(state / "name") or "")
            time_us = read_int(state / "time")
            if level is not None and time_us is not None:
                of_cpu = times.setdefault(int(cpu.name[3:]), {})
                of_cpu[level] = of_cpu.get(level, 0) + time_us
    return times


def core_state(name: str) -> int | None:
    """The core C-state of a cpuidle state's name: C1E is C1, C7s is C7; None for polling and states of other names.

    What lies below C7 is a request to the package; the core itself is in C7.
    """
    found = C_STATE.match(name)
    level = int(found[1]) if found else 0
    return min(level, DEEPEST) if level > 0 else None


def mean_seconds(start: IdleTimes, end: IdleTimes) -> dict[int, float]:
    """Seconds in each C-state between two readings, mean over the CPUs that are in both."""
    seconds: dict[int, float] = {}
    cpus = start.keys() & end.keys()
    for cpu in cpus:
        for level, time_us in end[cpu].items():
            passed = max(0, time_us - start[cpu].get(level, time_us))
            seconds[level] = seconds.get(level, 0.0) + passed / 1e6 / len(cpus)
    return seconds
