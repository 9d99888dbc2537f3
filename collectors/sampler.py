"""The sampler: a thread that reads one sensor at its period and keeps the rows until they are drained."""

import threading
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from collectors.clock import NS, Clock
from collectors.sensors import Row, Sensor

MAX_ROWS: Final = 16_384  # 80 s of a two-socket host at 100 Hz: far more than the few seconds between two drains
MAX_REASONS: Final = 20
OTHER_REASON: Final = "other reasons"
UNFIT: Final = (pa.ArrowException, TypeError, ValueError, OverflowError)  # what Arrow raises for a wrong value
SHORT_WAIT_S: Final = 0.05
JOIN_TIMEOUT_S: Final = 5.0
BINS_PER_PERIOD: Final = 500
BINS: Final = 10 * BINS_PER_PERIOD


@dataclass(frozen=True, slots=True)
class SamplerStats:
    """What a sampler did since it was made."""

    readings: int
    """Readings that succeeded."""
    failed: dict[str, int]
    """Readings that failed, by reason; each is a missing sample."""
    skipped_ticks: int
    """Ticks whose time had passed when their turn came."""
    lost_rows: int
    """Rows for which the buffer had no room, because nobody drained it."""
    interval_p50_ms: float | None
    """Actual time between two readings; None before the second one."""
    interval_p99_ms: float | None
    interval_max_ms: float | None


class Sampler:
    """Reads one sensor at its period against absolute deadlines.

    The first sample is taken by start(), the last by stop(), both in the caller's thread: a run between the two lies
    inside its samples. A tick that comes too late is skipped, so readings never bunch. Memory is bounded: beyond
    `max_rows` undrained rows, new ones are counted as lost.

    Each wake-up finds cold caches, so a tick touches as little as it can: rows are kept as the tuples that the sensor
    returned (measured: an eighth cheaper than writing them into columns) and transposed when drained.
    """

    def __init__(self, sensor: Sensor, clock: Clock, *, max_rows: int = MAX_ROWS) -> None:
        self.sensor = sensor
        self._clock = clock
        self._period_ns = round(sensor.period_s * NS)
        self._types = [_contract_type(sensor, name) for name in sensor.columns]
        self._max_rows = max_rows
        self._rows: deque[tuple[int, Row]] = deque()  # append and popleft are atomic: no lock between the threads
        self._readings = 0
        self._failed: Counter[str] = Counter()
        self._skipped = 0
        self._lost = 0
        self._intervals = _Intervals(self._period_ns)
        self._stopping = False
        self._running = threading.Lock()  # held while running; its release wakes a thread that waits long
        self._thread: threading.Thread | None = None
        self.drain()  # Arrow's first conversion imports a quarter second's worth of modules: not during a measurement

    def start(self) -> None:
        """Open the sensor, take the first sample, begin the rest. Raises what the sensor's open() raises."""
        self.sensor.open()
        self._stopping = False
        self._running.acquire()
        started, _ = self._sample()
        # A sleep costs a quarter less than a lock with a timeout, but nobody can end it: only for short periods.
        wait = time.sleep if self.sensor.period_s <= SHORT_WAIT_S else self._wait_for_stop
        self._thread = threading.Thread(
            target=self._loop, args=(started, wait), name=f"sampler-{self.sensor.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample and close the sensor; does nothing when not running."""
        if self._thread is None:
            return
        self._stopping = True
        self._running.release()
        self._thread.join(JOIN_TIMEOUT_S)
        if self._thread.is_alive():  # a driver that hangs must not hang the session
            self._count_failure(f"read() has not returned for {JOIN_TIMEOUT_S:.0f} s")
        else:
            self._sample()
            self.sensor.close()
        self._thread = None

    def drain(self) -> dict[str, pa.Array]:
        """Hand over the buffered rows as columns: timestamp_ns (UTC) and the sensor's; empty ones when nothing is."""
        taken = [self._rows.popleft() for _ in range(len(self._rows))]
        try:
            return self._columns(taken)
        except UNFIT:
            return self._columns([sample for sample in taken if self._fits(sample)])

    @property
    def stats(self) -> SamplerStats:
        return SamplerStats(
            readings=self._readings,
            failed=dict(self._failed),
            skipped_ticks=self._skipped,
            lost_rows=self._lost,
            interval_p50_ms=self._intervals.quantile_ms(0.5),
            interval_p99_ms=self._intervals.quantile_ms(0.99),
            interval_max_ms=self._intervals.max_ms,
        )

    def _loop(self, started_ns: int, wait: Callable[[float], object]) -> None:
        """Sample at every deadline until stopped; wait(seconds) may return early then."""
        period = self._period_ns
        intervals = self._intervals
        deadline = previous = started_ns
        now = self._clock.monotonic_ns()
        while True:
            deadline += period
            if now >= deadline:
                missed = (now - deadline) // period + 1
                self._skipped += missed
                deadline += missed * period
            wait((deadline - now) / NS)
            if self._stopping:
                return
            tick, now = self._sample()
            intervals.add(tick - previous)
            previous = tick

    def _wait_for_stop(self, seconds: float) -> None:
        if self._running.acquire(timeout=seconds):
            self._running.release()

    def _sample(self) -> tuple[int, int]:
        """Read once; when that began and ended, monotonic ns. The sample is stamped with the middle."""
        before = self._clock.monotonic_ns()
        try:
            rows = self.sensor.read()
        except Exception as error:  # whatever a driver raises: the sample is missing, the session goes on
            self._count_failure(str(error) or type(error).__name__)
            return before, self._clock.monotonic_ns()
        after = self._clock.monotonic_ns()
        self._readings += 1
        for row in rows:
            if len(self._rows) < self._max_rows:
                self._rows.append(((before + after) // 2, row))
            else:
                self._lost += 1
        return before, after

    def _columns(self, samples: Sequence[tuple[int, Row]]) -> dict[str, pa.Array]:
        times = [self._clock.to_utc_ns(time) for time, _ in samples]
        columns = zip(*(row for _, row in samples), strict=True) if samples else [()] * len(self._types)
        arrays = [pa.array(column, type_) for column, type_ in zip(columns, self._types, strict=True)]
        return {"timestamp_ns": pa.array(times, pa.int64()), **dict(zip(self.sensor.columns, arrays, strict=True))}

    def _fits(self, sample: tuple[int, Row]) -> bool:
        """Whether the contract's types can hold a row; one that they cannot is a failed reading."""
        try:
            self._columns([sample])
        except UNFIT as error:
            self._count_failure(f"{sample[1]} does not fit {self.sensor.dataset.name}: {error}")
            return False
        return True

    def _count_failure(self, reason: str) -> None:
        known = reason in self._failed or len(self._failed) < MAX_REASONS
        self._failed[reason if known else OTHER_REASON] += 1


class _Intervals:
    """A histogram of the time between readings: exact to 1/500 of the period, of one size however long it runs."""

    def __init__(self, period_ns: int) -> None:
        self._bin_ns = max(1, period_ns // BINS_PER_PERIOD)
        self._bins = array("q", bytes(8 * (BINS + 1)))
        self._max_ns = 0

    def add(self, interval_ns: int) -> None:
        at = interval_ns // self._bin_ns
        self._bins[at if at < BINS else BINS] += 1
        if interval_ns > self._max_ns:
            self._max_ns = interval_ns

    @property
    def max_ms(self) -> float | None:
        return self._max_ns / 1e6 if self._max_ns else None

    def quantile_ms(self, q: float) -> float | None:
        """The middle of the bin that holds the quantile; the maximum where that is beyond ten periods."""
        total, seen = sum(self._bins), 0
        for index, count in enumerate(self._bins):
            seen += count
            if seen and seen >= q * total:
                return self.max_ms if index == BINS else (index + 0.5) * self._bin_ns / 1e6
        return None


def _contract_type(sensor: Sensor, name: str) -> pa.DataType:
    for column in sensor.dataset.columns:
        if column.name == name:
            return column.type
    raise ValueError(f"sensor {sensor.name}: {sensor.dataset.name} has no column {name!r}; see collectors/contract.py")
