"""UTC for samples: spaced by CLOCK_MONOTONIC, placed by anchors to the wall clock, never reordered by it."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple

NS: Final = 1_000_000_000
ANCHOR_EVERY_NS: Final = 60 * NS
SLEW_PPM: Final = 500
STEP_NS: Final = 1_000_000  # NTP slews both clocks alike; what exceeds the noise of reading two clocks is a step
TRIES: Final = 5


class _Segment(NamedTuple):
    """From `since` (monotonic ns) on, UTC − monotonic goes from `offset` towards `target`."""

    since: int
    offset: int
    target: int


class Clock:
    """UTC ns derived from CLOCK_MONOTONIC; one per session, safe for threads.

    The first anchor, a (monotonic, wall clock) pair, is taken at once, further ones every minute as the clock is used.
    A wall clock that was stepped meanwhile is followed at no more than 500 ppm: time never runs backwards, and the
    spacing of two samples is right to 0.05 % at all times.
    """

    def __init__(
        self, monotonic_ns: Callable[[], int] = time.monotonic_ns, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._lock = threading.Lock()
        now, offset = self._measure()
        self._segments = [_Segment(now, offset, offset)]
        self._anchored = now

    def now_ns(self) -> int:
        """Now, ns UTC."""
        return self.to_utc_ns(self.monotonic_ns())

    def to_utc_ns(self, monotonic_ns: int) -> int:
        """UTC ns of a past moment of CLOCK_MONOTONIC; the same moment always gives the same answer."""
        with self._lock:
            if monotonic_ns - self._anchored >= ANCHOR_EVERY_NS:
                self._anchor()
            return monotonic_ns + self._offset(monotonic_ns)

    def _anchor(self) -> None:
        now, target = self._measure()
        self._anchored = now
        if abs(target - self._segments[-1].target) > STEP_NS:
            self._segments.append(_Segment(now, self._offset(now), target))

    def _offset(self, monotonic_ns: int) -> int:
        index = bisect_right(self._segments, monotonic_ns, key=lambda segment: segment.since) - 1
        since, offset, target = self._segments[max(index, 0)]
        reach = max(0, monotonic_ns - since) * SLEW_PPM // 1_000_000
        return offset + max(-reach, min(target - offset, reach))

    def _measure(self) -> tuple[int, int]:
        """(monotonic, wall − monotonic), by the try that was interrupted least."""
        tries = [(self.monotonic_ns(), self._wall_ns(), self.monotonic_ns()) for _ in range(TRIES)]
        before, wall, after = min(tries, key=lambda t: t[2] - t[0])
        middle = (before + after) // 2
        return tries[-1][2], wall - middle
