"""Counters of the kernel's perf events: of a process tree, and the instructions per cycle of the whole host."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.sensors.files import read_int

SYSCALL_NUMBERS: Final = {"x86_64": 298, "aarch64": 241}
FLAG_CLOEXEC: Final = 8

# perf_event_attr, first published version (64 bytes): type, size, config, sample_period, sample_type, read_format,
# flags, wakeup_events, bp_type, config1
ATTR: Final = struct.Struct("=IIQQQQQIIQ")
HARDWARE: Final = 0
SOFTWARE: Final = 1
DISABLED: Final = 1 << 0
INHERIT: Final = 1 << 1
EXCLUDE_KERNEL: Final = 1 << 5
ENABLE_ON_EXEC: Final = 1 << 12
FORMAT_TIMES: Final = 0b0011  # time enabled, time running
FORMAT_GROUP: Final = 0b1000

TREE_READING: Final = struct.Struct("=QQQ")  # value, time enabled, time running
GROUP_READING: Final = struct.Struct("=QQQQQ")  # 2, time enabled, time running, cycles, instructions


@dataclass(frozen=True, slots=True)
class Event:
    """One perf event: its type and config of perf_event_open(2)."""

    type: int
    config: int


CYCLES: Final = Event(HARDWARE, 0)
INSTRUCTIONS: Final = Event(HARDWARE, 1)
TREE_EVENTS: Final = {
    "instructions": INSTRUCTIONS,
    "cycles": CYCLES,
    "cache_references": Event(HARDWARE, 2),
    "cache_misses": Event(HARDWARE, 3),
    "thread_migrations": Event(SOFTWARE, 4),
}
"""Contract column (collectors.contract.RUN_READINGS) → event. Context switches come with the program's rusage."""


class PerfCounters:
    """Counts what a program started by this thread does, from its exec to its end, with all its descendants.

    open() arms the counters on the calling thread: disabled there, inherited by what the thread starts, enabled by the
    exec. So open(), start the program from the same thread, wait for it, read(), close(); start nothing else meanwhile.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.warnings: list[str] = []
        self._proc = proc
        self._descriptors: dict[str, int] = {}

    def available(self) -> str | None:
        """None when everything can be counted, else one line: what cannot, why, and how to enable it."""
        self.open()
        self.close()
        return "; ".join(self.warnings) or None

    def open(self) -> None:
        """Arm every counter that the kernel grants; `warnings` says which it does not and why. Never fails."""
        self.close()
        self.warnings = []
        reasons: dict[str, list[str]] = {}
        for column, event in TREE_EVENTS.items():
            try:
                self._descriptors[column] = self._arm(column, event, reasons)
            except OSError as error:
                reasons.setdefault(f"not counted: {refusal(error, self._proc, 1)}", []).append(column)
        self.warnings = [f"perf: {', '.join(columns)} {reason}" for reason, columns in reasons.items()]

    def read(self) -> dict[str, int | None]:
        """The counts so far by contract column; None for what is not counted."""
        return {column: self._count(column) for column in TREE_EVENTS}

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors = {}

    def _arm(self, column: str, event: Event, reasons: dict[str, list[str]]) -> int:
        flags = DISABLED | INHERIT | ENABLE_ON_EXEC
        try:
            return open_event(event, pid=0, cpu=-1, flags=flags, read_format=FORMAT_TIMES)
        except PermissionError:
            # Software events happen in the kernel: without it they would count 0.
            if event.type == SOFTWARE:
                raise
        descriptor = open_event(event, pid=0, cpu=-1, flags=flags | EXCLUDE_KERNEL, read_format=FORMAT_TIMES)
        reason = "counted in user mode only: sudo sysctl kernel.perf_event_paranoid=1"
        reasons.setdefault(reason, []).append(column)
        return descriptor

    def _count(self, column: str) -> int | None:
        if column not in self._descriptors:
            return None
        value, enabled, running = TREE_READING.unpack(os.read(self._descriptors[column], TREE_READING.size))
        if running == 0:
            return None  # never ran, or never got a hardware counter
        return int(value) if running == enabled else round(value * enabled / running)  # shared with other events


class HostIpc:
    """Instructions per cycle of the whole host between two readings, from counters on every CPU."""

    def __init__(self, cpus: Iterable[int], proc: Path = Path("/proc")) -> None:
        """OSError, with the remedy, where the kernel does not let these be counted."""
        self._leaders: list[int] = []
        self._members: list[int] = []
        self._last: dict[int, tuple[int, int]] = {}
        try:
            for cpu in cpus:
                self._open_on(cpu)
        except OSError as error:
            self.close()
            raise OSError(f"ipc not measured: {refusal(error, proc, 0)}") from error

    def read(self) -> float | None:
        """IPC since the previous reading; None at the first one and where no cycle was counted."""
        cycles = instructions = 0
        for leader in self._leaders:
            _, _, _, *now = GROUP_READING.unpack(os.read(leader, GROUP_READING.size))
            before = self._last.get(leader)
            self._last[leader] = (now[0], now[1])
            if before is not None:
                cycles += now[0] - before[0]
                instructions += now[1] - before[1]
        return instructions / cycles if cycles > 0 else None

    def close(self) -> None:
        for descriptor in (*self._members, *self._leaders):
            os.close(descriptor)
        self._leaders, self._members = [], []

    def _open_on(self, cpu: int) -> None:
        read_format = FORMAT_TIMES | FORMAT_GROUP
        leader = open_event(CYCLES, pid=-1, cpu=cpu, flags=0, read_format=read_format)
        self._leaders.append(leader)
        self._members.append(open_event(INSTRUCTIONS, pid=-1, cpu=cpu, flags=0, read_format=read_format, group=leader))


def open_event(event: Event, *, pid: int, cpu: int, flags: int, read_format: int, group: int = -1) -> int:
    """perf_event_open(2): the descriptor of a counter. OSError with the kernel's errno."""
    number = SYSCALL_NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    attr = ATTR.pack(event.type, ATTR.size, event.config, 0, 0, read_format, flags, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(
        ctypes.c_long(number),
        attr,
        ctypes.c_int(pid),
        ctypes.c_int(cpu),
        ctypes.c_int(group),
        ctypes.c_ulong(FLAG_CLOEXEC),
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(descriptor)


def refusal(error: OSError, proc: Path, needed_paranoid: int) -> str:
    """Why the kernel refused a counter, and the remedy, in one line."""
    if error.errno in (errno.EACCES, errno.EPERM):
        paranoid = read_int(proc / "sys/kernel/perf_event_paranoid")
        return (
            f"kernel.perf_event_paranoid is {'unknown' if paranoid is None else paranoid}: "
            f"sudo sysctl kernel.perf_event_paranoid={needed_paranoid}"
        )
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return "this CPU or virtual machine has no such counter; nothing enables it here"
    if error.errno == errno.ENOSYS:
        return f"no perf events in this kernel or for {platform.machine()}; nothing enables them here"
    return str(error)
