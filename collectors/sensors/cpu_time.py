"""CPU time from /proc/stat: what the CPU sensor, the CPU-time energy model and the run readings share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.sensors.files import KernelFile

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
STAT_BYTES: Final = 16_384  # a first guess; KernelFile grows it


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Cumulative ticks of one CPU or of all.

    Busy is user, nice, system, irq and softirq (guest time is part of user); idle is idle and iowait. Time stolen by
    the hypervisor is neither: this machine's CPU did not exist in it.
    """

    busy: int
    idle: int

    def since(self, earlier: "CpuTime") -> "CpuTime":
        """The ticks in between, never below 0: the kernel lets iowait fall now and then."""
        return CpuTime(max(0, self.busy - earlier.busy), max(0, self.idle - earlier.idle))

    @property
    def utilisation(self) -> float | None:
        """Busy share, 0..1; None where no time has passed."""
        total = self.busy + self.idle
        return self.busy / total if total else None


def parse_stat(stat: bytes) -> tuple[CpuTime, dict[int, CpuTime]]:
    """All CPUs together, and each online CPU by number. ValueError when this is not a /proc/stat."""
    lines = stat[: stat.find(b"\nintr")].splitlines() if b"\nintr" in stat else stat.splitlines()
    if not lines or not lines[0].startswith(b"cpu "):
        raise ValueError(f"/proc/stat begins with {stat[:20]!r}, not with the line 'cpu '")
    cpus = {int(line[3 : line.index(b" ")]): _parse_line(line) for line in lines[1:] if line.startswith(b"cpu")}
    return _parse_line(lines[0]), cpus


def parse_total(stat: bytes) -> CpuTime:
    """All CPUs together, offline ones included. ValueError when this is not a /proc/stat."""
    first = stat[: stat.find(b"\n")]
    if not first.startswith(b"cpu "):
        raise ValueError(f"/proc/stat begins with {stat[:20]!r}, not with the line 'cpu '")
    return _parse_line(first)


def open_stat(proc: Path) -> KernelFile:
    """/proc/stat, kept open."""
    return KernelFile(proc / "stat", STAT_BYTES)


def _parse_line(line: bytes) -> CpuTime:
    fields = [int(field) for field in line.split()[1:8]]
    user, nice, system, idle, iowait, irq, softirq = fields + [0] * (7 - len(fields))
    return CpuTime(busy=user + nice + system + irq + softirq, idle=idle + iowait)
