"""The clock: UTC by anchors, spaced by the monotonic clock, never reordered by the wall clock."""

import itertools
import time as system_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.clock import NS, SLEW_PPM, STEP_NS, Clock

UTC_NS = 1_769_000_000 * NS
MINUTE = 60 * NS


class FakeTime:
    """Two clocks that stand still until moved; the wall clock can be set."""

    def __init__(self) -> None:
        self.monotonic = 5_000 * NS
        self.offset = UTC_NS - self.monotonic

    def monotonic_ns(self) -> int:
        return self.monotonic

    def wall_ns(self) -> int:
        return self.monotonic + self.offset

    def clock(self) -> Clock:
        return Clock(self.monotonic_ns, self.wall_ns)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def test_is_utc_at_its_start_and_as_the_monotonic_clock_moves(time: FakeTime) -> None:
    clock = time.clock()
    assert clock.now_ns() == UTC_NS
    time.monotonic += 12_345_678_901
    assert clock.now_ns() == UTC_NS + 12_345_678_901


def test_a_wall_clock_set_back_an_hour_reorders_nothing_and_keeps_the_spacing(time: FakeTime) -> None:
    clock = time.clock()
    stamps = []
    for second in range(300):
        if second == 100:
            time.offset -= 3600 * NS
        stamps.append(clock.now_ns())
        time.monotonic += NS
    steps = [after - before for before, after in itertools.pairwise(stamps)]
    assert min(steps) >= NS * (1 - SLEW_PPM / 1e6) - 1
    assert max(steps) <= NS


def test_a_small_step_is_absorbed_after_the_next_anchor(time: FakeTime) -> None:
    clock = time.clock()
    time.offset += 400_000_000  # the largest step that systemd-timesyncd leaves to slewing
    time.monotonic += MINUTE
    assert clock.now_ns() == UTC_NS + MINUTE  # the anchor was taken just now: nothing is absorbed yet
    time.monotonic += 400 * NS
    assert clock.now_ns() == UTC_NS + MINUTE + 400 * NS + 200_000_000  # 500 ppm of 400 s
    time.monotonic += 600 * NS
    assert clock.now_ns() == time.wall_ns()


def test_noise_of_reading_two_clocks_is_not_followed(time: FakeTime) -> None:
    clock = time.clock()
    time.offset += STEP_NS // 2
    time.monotonic += 10 * MINUTE
    clock.now_ns()
    time.monotonic += 10 * MINUTE
    assert clock.now_ns() == UTC_NS + 20 * MINUTE


def test_a_past_moment_keeps_its_answer_after_later_anchors(time: FakeTime) -> None:
    clock = time.clock()
    time.monotonic += 30 * NS
    past = time.monotonic
    answer = clock.to_utc_ns(past)
    for _ in range(5):
        time.offset += 2 * NS
        time.monotonic += MINUTE
        clock.now_ns()
    assert clock.to_utc_ns(past) == answer


@given(
    moves=st.lists(st.tuples(st.integers(1, 90 * NS), st.integers(-4_000 * NS, 4_000 * NS)), min_size=1, max_size=40)
)
def test_time_never_runs_backwards_whatever_is_done_to_the_wall_clock(moves: list[tuple[int, int]]) -> None:
    time = FakeTime()
    clock = time.clock()
    moments, stamps = [time.monotonic], [clock.now_ns()]
    for passed, step in moves:
        time.monotonic += passed
        time.offset += step
        moments.append(time.monotonic)
        stamps.append(clock.now_ns())
    for (m0, m1), (s0, s1) in zip(itertools.pairwise(moments), itertools.pairwise(stamps), strict=True):
        assert abs((s1 - s0) - (m1 - m0)) <= (m1 - m0) * SLEW_PPM / 1e6 + 1
    assert [clock.to_utc_ns(moment) for moment in moments] == stamps


def test_the_real_clock_agrees_with_the_system() -> None:
    clock = Clock()
    assert system_time.time_ns() <= clock.now_ns() + STEP_NS
    assert clock.now_ns() <= system_time.time_ns() + STEP_NS
