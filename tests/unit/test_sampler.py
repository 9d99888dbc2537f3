"""The sampler: deadlines, bounds, failures; time is faked but for one test of the thread."""

import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.clock import NS, Clock
from collectors.contract import ENERGY_SAMPLES, THERMAL_SAMPLES, Dataset
from collectors.sampler import MAX_REASONS, OTHER_REASON, Sampler
from collectors.sensors import Row

START = 100 * NS
PERIOD = NS // 100


class FakeTime:
    """A monotonic clock that moves when told; UTC is 1,000 s ahead."""

    def __init__(self) -> None:
        self.now = START

    def monotonic_ns(self) -> int:
        return self.now

    def clock(self) -> Clock:
        return Clock(self.monotonic_ns, lambda: self.now + 1_000 * NS)


class FakeSensor:
    """Counts up; each reading takes what `takes_ns` says, or raises what it gives."""

    name = "fake"
    period_s = 0.01

    def __init__(
        self,
        time: FakeTime,
        takes_ns: Sequence[int | Exception] = (),
        dataset: Dataset = ENERGY_SAMPLES,
        columns: tuple[str, ...] = ("package_index", "pkg_energy_uj", "core_energy_uj"),
        rows: Callable[[int], Sequence[Row]] = lambda n: [(0, 10 * n, None)],
    ) -> None:
        self.dataset = dataset
        self.columns = columns
        self.warnings: list[str] = []
        self.reads = 0
        self.opened = 0
        self._time = time
        self._takes = list(takes_ns)
        self._rows = rows

    def available(self) -> str | None:
        return None

    def open(self) -> None:
        self.opened += 1

    def read(self) -> Sequence[Row]:
        takes = self._takes.pop(0) if self._takes else 0
        if isinstance(takes, Exception):
            raise takes
        self._time.now += takes
        self.reads += 1
        return self._rows(self.reads)

    def close(self) -> None:
        self.opened -= 1


def run(sampler: Sampler, time: FakeTime, ticks: int, late_ns: Sequence[int] = ()) -> None:
    """The thread's loop, with waits that end on time, or as late as given, until it is stopped after `ticks`."""
    delays = list(late_ns)
    left = ticks

    def wait(seconds: float) -> None:
        nonlocal left
        assert seconds > 0
        left -= 1
        sampler._stopping = left < 0
        time.now += round(seconds * NS) + (delays.pop(0) if delays else 0)

    sampler._loop(START, wait)


def stamps(sampler: Sampler) -> list[int]:
    return [t - 1_000 * NS - START for t in sampler.drain()["timestamp_ns"].to_pylist()]


def test_deadlines_are_absolute_so_that_late_wakeups_do_not_add_up() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time), time.clock())
    run(sampler, time, 1000, late_ns=[100_000, 900_000] * 500)
    times = stamps(sampler)
    assert len(times) == 1000
    assert times[-1] == 1000 * PERIOD + 900_000
    assert sampler.stats.skipped_ticks == 0


def test_missed_ticks_are_skipped_and_never_bunched() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time), time.clock())
    run(sampler, time, 4, late_ns=[0, 35_000_000, 0, 0])
    # The second reading, due at 20 ms, comes at 55 ms: 30, 40 and 50 ms are gone, 60 ms is next.
    assert stamps(sampler) == [10_000_000, 55_000_000, 60_000_000, 70_000_000]
    assert sampler.stats.skipped_ticks == 3


def test_a_slow_reading_is_stamped_in_its_middle_and_skips_what_it_covered() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time, takes_ns=[0, 24_000_000, 0]), time.clock())
    run(sampler, time, 3)
    assert stamps(sampler) == [10_000_000, 32_000_000, 50_000_000]
    assert sampler.stats.skipped_ticks == 2


@given(st.lists(st.integers(0, 60_000_000), min_size=1, max_size=60))
def test_readings_stand_on_or_after_their_own_grid_point_and_every_tick_is_accounted_for(late: list[int]) -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time), time.clock())
    run(sampler, time, len(late), late_ns=late)
    times = stamps(sampler)
    slots = [t // PERIOD for t in times]
    assert len(set(slots)) == len(slots) == len(late)
    # each reading and each skipped tick is one grid point; the last reading may stand past its own
    assert len(times) + sampler.stats.skipped_ticks in (slots[-1], slots[-1] + 1)


def test_a_failing_read_is_a_missing_sample_counted_by_its_reason() -> None:
    time = FakeTime()
    io_error = OSError(5, "Input/output error", "/sys/x")
    takes: list[int | Exception] = [0, io_error, io_error, ValueError(), 0]
    sampler = Sampler(FakeSensor(time, takes), time.clock())
    run(sampler, time, 5)
    assert stamps(sampler) == [10_000_000, 50_000_000]
    assert sampler.stats.readings == 2
    assert sampler.stats.failed == {"[Errno 5] Input/output error: '/sys/x'": 2, "ValueError": 1}


def test_reasons_are_bounded_too() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time, [OSError(f"reason {n}") for n in range(100)]), time.clock())
    run(sampler, time, 100)
    failed = sampler.stats.failed
    assert len(failed) == MAX_REASONS + 1
    assert failed[OTHER_REASON] == 100 - MAX_REASONS


def test_undrained_rows_beyond_the_cap_are_counted_as_lost_and_draining_makes_room() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time, rows=lambda n: [(0, n, None), (1, n, None)]), time.clock(), max_rows=5)
    run(sampler, time, 4)
    assert sampler.stats.lost_rows == 3
    first = sampler.drain()
    assert first["package_index"].to_pylist() == [0, 1, 0, 1, 0]
    sampler._sample()
    assert sampler.drain()["pkg_energy_uj"].to_pylist() == [5, 5]
    assert sampler.stats.lost_rows == 3


def test_drained_columns_have_the_contract_types_and_missing_is_null() -> None:
    time = FakeTime()
    sensor = FakeSensor(
        time,
        dataset=THERMAL_SAMPLES,
        columns=("cpu_temp", "throttle_event", "all_zones_json"),
        rows=lambda n: [(None, None, None)] if n == 1 else [(51.5, 0, '{"a": 1}')],
    )
    sampler = Sampler(sensor, time.clock())
    empty = sampler.drain()
    assert {name: len(column) for name, column in empty.items()} == dict.fromkeys(("timestamp_ns", *sensor.columns), 0)
    run(sampler, time, 2)
    full = sampler.drain()
    for columns in (empty, full):
        for name, column in columns.items():
            assert column.type == THERMAL_SAMPLES.schema.field(name).type
    assert full["cpu_temp"].to_pylist() == [None, 51.5]
    assert full["throttle_event"].to_pylist() == [None, 0]
    assert full["all_zones_json"].to_pylist() == [None, '{"a": 1}']


@pytest.mark.parametrize("nonsense", [(0, 2**64, None), (0, "12", None), (0, 5)])
def test_a_row_that_the_contract_cannot_hold_is_a_failed_reading_and_spoils_no_other(nonsense: Row) -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time, rows=lambda n: [nonsense if n == 2 else (0, n, None)]), time.clock())
    run(sampler, time, 3)
    assert sampler.drain()["pkg_energy_uj"].to_pylist() == [1, 3]
    (reason,) = sampler.stats.failed
    assert reason.startswith(f"{nonsense} does not fit energy_samples: ")


def test_no_rows_is_a_reading_without_a_sample() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time, rows=lambda n: []), time.clock())
    run(sampler, time, 3)
    assert stamps(sampler) == []
    assert (sampler.stats.readings, sampler.stats.failed) == (3, {})


def test_a_column_that_the_contract_does_not_have_is_refused_at_once() -> None:
    time = FakeTime()
    with pytest.raises(ValueError, match="fake: energy_samples has no column 'joules'"):
        Sampler(FakeSensor(time, columns=("joules",)), time.clock())


def test_jitter_is_of_the_whole_run() -> None:
    time = FakeTime()
    sampler = Sampler(FakeSensor(time), time.clock())
    assert sampler.stats.interval_p50_ms is None
    run(sampler, time, 1000, late_ns=[*[0] * 979, *[3_000_000, 0] * 10, 250_000_000])
    stats = sampler.stats
    assert stats.interval_p50_ms == pytest.approx(10.0, abs=0.02)
    assert stats.interval_p99_ms == pytest.approx(13.0, abs=0.02)
    assert stats.interval_max_ms == pytest.approx(260.0)


def test_the_first_sample_stands_at_start_and_the_last_at_stop() -> None:
    clock = Clock()
    time = FakeTime()
    sensor = FakeSensor(time)
    sensor.period_s = 3600.0  # the thread itself never gets to read
    sampler = Sampler(sensor, clock)
    before = clock.now_ns()
    sampler.start()
    assert sensor.reads == 1
    between = clock.now_ns()
    sampler.stop()
    after = clock.now_ns()
    first, last = sampler.drain()["timestamp_ns"].to_pylist()
    assert before <= first <= between <= last <= after
    assert sensor.opened == 0
    sampler.stop()  # does nothing
    assert sensor.reads == 2


def test_a_sampler_can_be_started_again() -> None:
    time = FakeTime()
    sensor = FakeSensor(time)
    sensor.period_s = 3600.0
    sampler = Sampler(sensor, Clock())
    for _ in range(2):
        sampler.start()
        sampler.stop()
    assert len(sampler.drain()["timestamp_ns"]) == 4


def test_the_thread_samples_by_itself() -> None:
    enough = threading.Event()
    sensor = FakeSensor(FakeTime())
    sensor.period_s = 0.001

    def rows(reading: int) -> list[Row]:
        if reading == 5:
            enough.set()
        return [(0, reading, None)]

    sensor._rows = rows
    sampler = Sampler(sensor, Clock())
    sampler.start()
    assert enough.wait(10)
    sampler.stop()
    columns = sampler.drain()
    assert columns["pkg_energy_uj"].to_pylist() == list(range(1, sensor.reads + 1))
    times = columns["timestamp_ns"].to_pylist()
    assert times == sorted(set(times))
