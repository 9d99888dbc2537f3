"""Interrupt rate of the host, from /proc/stat."""

import time
from collections.abc import Callable
from pathlib import Path

from collectors.contract import INTERRUPT_SAMPLES
from collectors.sensors import Row
from collectors.sensors.cpu_time import open_stat
from collectors.sensors.files import KernelFile


class InterruptsSensor:
    """Interrupts per second since the previous row; the first reading gives none, and so does one too soon after it."""

    name = "interrupts"
    dataset = INTERRUPT_SAMPLES
    period_s = 0.1
    columns = ("interrupts_per_sec",)

    def __init__(self, proc: Path = Path("/proc"), *, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.warnings: list[str] = []
        self._proc = proc
        self._monotonic_ns = monotonic_ns
        self._stat: KernelFile | None = None
        self._last: tuple[int, int] | None = None

    def available(self) -> str | None:
        try:
            parse_interrupts((self._proc / "stat").read_bytes())
        except (OSError, ValueError) as error:
            return f"no interrupt count: {error}; mount /proc"
        return None

    def open(self) -> None:
        self.close()
        if reason := self.available():
            raise OSError(reason)
        self._stat = open_stat(self._proc)
        self._last = None

    def read(self) -> list[Row]:
        if self._stat is None:
            raise OSError("interrupts: read() before open()")
        now = self._monotonic_ns()
        if self._last is not None and now - self._last[0] < self.period_s / 2 * 1e9:
            return []
        count = parse_interrupts(self._stat.read())
        last, self._last = self._last, (now, count)
        if last is None or count < last[1]:
            return []
        return [((count - last[1]) * 1e9 / (now - last[0]),)]

    def close(self) -> None:
        if self._stat is not None:
            self._stat.close()
            self._stat = None


def parse_interrupts(stat: bytes) -> int:
    """Interrupts since boot. ValueError when /proc/stat has no such line."""
    start = stat.find(b"\nintr ")
    if start < 0:
        raise ValueError("/proc/stat has no line 'intr'")
    return int(stat[start + 6 : start + 40].split(maxsplit=1)[0])
