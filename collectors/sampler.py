"""The sampler: a thread that reads one sensor at its period into preallocated columns, until they are drained."""

import threading
from array import array
from collections import Counter
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.clock import NS, Clock
from collectors.contract import Column
from collectors.sensors import Row, Sensor

MAX_ROWS: Final = 16_384  # 80 s of a two-socket host at 100 Hz: far more than the few seconds between two drains
MAX_REASONS: Final = 20
OTHER_REASON: Final = "other reasons"
JOIN_TIMEOUT_S: Final = 5.0
JITTER_BINS_PER_PERIOD: Final = 500
JITTER_BINS: Final = 10 * JITTER_BINS_PER_PERIOD

MISSING_INT: Final = -(2**63)
MISSING_FLOAT: Final = float("nan")


@dataclass(frozen=True, slots=True)
class SamplerStats:
    """What a sampler did since its start."""

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
    """

    def __init__(self, sensor: Sensor, clock: Clock, *, max_rows: int = MAX_ROWS) -> None:
        self.sensor = sensor
        self._clock = clock
        self._period_ns = round(sensor.period_s * NS)
        self._lock = threading.Lock()
        self._buffer = _Buffer([_contract_column(sensor, name) for name in sensor.columns], max_rows)
        self._readings = 0
        self._failed: Counter[str] = Counter()
        self._skipped = 0
        self._intervals = _Intervals(self._period_ns)
        self._stopped = threading.Lock()  # held while running; released to wake the thread: cheaper than an Event
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the sensor, take the first sample, begin the rest. Raises what the sensor's open() raises."""
        self.sensor.open()
        started = self._clock.monotonic_ns()
        self._sample()
        self._stopped.acquire()
        self._thread = threading.Thread(
            target=self._loop, args=(started, self._wait), name=f"sampler-{self.sensor.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample and close the sensor; does nothing when not running."""
        if self._thread is None:
            return
        self._stopped.release()
        self._thread.join(JOIN_TIMEOUT_S)
        if self._thread.is_alive():  # a driver that hangs must not hang the session
            self._count_failure(f"read() has not returned for {JOIN_TIMEOUT_S:.0f} s")
        else:
            self._sample()
            self.sensor.close()
        self._thread = None

    def drain(self) -> dict[str, pa.Array]:
        """Hand over the buffered rows as columns: timestamp_ns (UTC) and the sensor's; all empty when there is none."""
        with self._lock:
            times, columns = self._buffer.take()
        to_utc_ns = self._clock.to_utc_ns
        return {"timestamp_ns": pa.array([to_utc_ns(time) for time in times], pa.int64()), **columns}

    @property
    def stats(self) -> SamplerStats:
        with self._lock:
            return SamplerStats(
                readings=self._readings,
                failed=dict(self._failed),
                skipped_ticks=self._skipped,
                lost_rows=self._buffer.lost,
                interval_p50_ms=self._intervals.quantile_ms(0.5),
                interval_p99_ms=self._intervals.quantile_ms(0.99),
                interval_max_ms=self._intervals.max_ms,
            )

    def _loop(self, started_ns: int, wait: Callable[[float], bool]) -> None:
        """Sample at every deadline until wait(seconds) says that the sampler was stopped."""
        now_ns = self._clock.monotonic_ns
        deadline = started_ns + self._period_ns
        previous = started_ns
        while not wait((deadline - now_ns()) / NS):
            tick = now_ns()
            self._intervals.add(tick - previous)
            previous = tick
            self._sample()
            late = max(0, now_ns() - deadline) // self._period_ns
            self._skipped += late
            deadline += (late + 1) * self._period_ns

    def _wait(self, seconds: float) -> bool:
        if self._stopped.acquire(timeout=max(0.0, seconds)):
            self._stopped.release()
            return True
        return False

    def _sample(self) -> None:
        before = self._clock.monotonic_ns()
        try:
            rows = self.sensor.read()
            middle = (before + self._clock.monotonic_ns()) // 2
            with self._lock:
                self._buffer.add(middle, rows)
                self._readings += 1
        except Exception as error:  # whatever a driver raises: the sample is missing, the session goes on
            self._count_failure(str(error) or type(error).__name__)

    def _count_failure(self, reason: str) -> None:
        with self._lock:
            known = reason in self._failed or len(self._failed) < MAX_REASONS
            self._failed[reason if known else OTHER_REASON] += 1


class _Buffer:
    """Rows as columns of a fixed size; missing values are marked in place and become NULL when taken."""

    def __init__(self, columns: Sequence[Column], max_rows: int) -> None:
        self.lost = 0
        self._max_rows = max_rows
        self._rows = 0
        self._times = array("q", bytes(8 * max_rows))
        self._columns = columns
        self._stores = [_store(column, max_rows) for column in columns]
        self._missing = [_missing(column) for column in columns]

    def add(self, time: int, rows: Sequence[Row]) -> None:
        for row in rows:
            if self._rows == self._max_rows:
                self.lost += 1
                continue
            at = self._rows
            self._times[at] = time
            for store, missing, value in zip(self._stores, self._missing, row, strict=True):
                store[at] = missing if value is None else value
            self._rows = at + 1

    def take(self) -> tuple["array[int]", dict[str, pa.Array]]:
        rows, self._rows = self._rows, 0
        columns = {
            column.name: _to_arrow(column, store[:rows])
            for column, store in zip(self._columns, self._stores, strict=True)
        }
        return self._times[:rows], columns


class _Intervals:
    """A histogram of the time between readings: exact to 1/500 of the period, of fixed size however long it runs."""

    def __init__(self, period_ns: int) -> None:
        self._bin_ns = max(1, period_ns // JITTER_BINS_PER_PERIOD)
        self._bins = array("q", bytes(8 * (JITTER_BINS + 1)))
        self._count = 0
        self._max_ns = 0

    def add(self, interval_ns: int) -> None:
        self._bins[min(interval_ns // self._bin_ns, JITTER_BINS)] += 1
        self._count += 1
        self._max_ns = max(self._max_ns, interval_ns)

    @property
    def max_ms(self) -> float | None:
        return self._max_ns / 1e6 if self._count else None

    def quantile_ms(self, q: float) -> float | None:
        """The middle of the bin that holds the quantile; the maximum where that is beyond ten periods."""
        seen = 0
        for index, count in enumerate(self._bins):
            seen += count
            if seen and seen >= q * self._count:
                return self.max_ms if index == JITTER_BINS else (index + 0.5) * self._bin_ns / 1e6
        return None


def _contract_column(sensor: Sensor, name: str) -> Column:
    for column in sensor.dataset.columns:
        if column.name == name:
            return column
    raise ValueError(f"sensor {sensor.name}: {sensor.dataset.name} has no column {name!r}; see collectors/contract.py")


def _store(column: Column, max_rows: int) -> MutableSequence[Any]:
    if pa.types.is_integer(column.type):
        return array("q", bytes(8 * max_rows))
    if pa.types.is_floating(column.type):
        return array("d", bytes(8 * max_rows))
    return [None] * max_rows


def _missing(column: Column) -> int | float | None:
    if pa.types.is_integer(column.type):
        return MISSING_INT
    return MISSING_FLOAT if pa.types.is_floating(column.type) else None


def _to_arrow(column: Column, values: MutableSequence[Any]) -> pa.Array:
    if isinstance(values, list):
        return pa.array(values, column.type)
    plain = pa.Array.from_buffers(column.type, len(values), [None, pa.py_buffer(values)])
    missing = pc.is_nan(plain) if pa.types.is_floating(column.type) else pc.equal(plain, MISSING_INT)
    return pc.if_else(missing, pa.scalar(None, column.type), plain)
