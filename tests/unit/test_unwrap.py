"""Unwrapping counters, against a simulated counter whose true energy is known."""

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alems_pipeline.unwrap import KERNEL_RANGE_UJ, Unwrapped, unwrap

SECOND = 1_000_000_000
STEP = 10_000_000


def unwrapped(
    values: list[int],
    times: list[int] | None = None,
    *,
    range_uj: int | None = KERNEL_RANGE_UJ,
    ceiling_w: float = 1000,
) -> Unwrapped:
    """One series, 10 ms between readings unless `times` says otherwise."""
    times = times or [position * STEP for position in range(len(values))]
    readings = pl.DataFrame({"series": 0, "timestamp_ns": times, "value": values})
    return unwrap(readings, pl.Series([range_uj], dtype=pl.Int64), ceiling_w)


def flags(result: Unwrapped) -> list[tuple[int, str]]:
    """Positions with what was special there."""
    names = ("is_wrap", "is_reset", "may_hide_wraps")
    return [(row["position"], name) for row in result.flagged.iter_rows(named=True) for name in names if row[name]]


def test_a_rising_counter_counts_from_zero() -> None:
    result = unwrapped([1_000, 1_250, 1_250, 2_000])
    assert result.energy_uj.to_list() == [0, 250, 250, 1_000]
    assert flags(result) == []


def test_a_plausible_fall_is_a_wrap() -> None:
    # The example store host_a.db, run 3, between its samples 1610 and 1611.
    result = unwrapped([262_143_321_112, 81_768], [1_769_000_136_076_919_093, 1_769_000_136_086_585_040])
    assert result.energy_uj.to_list() == [0, 89_506]
    assert flags(result) == [(1, "is_wrap")]


@pytest.mark.parametrize(("energy_uj", "flag"), [(10_000_000, "is_wrap"), (10_000_001, "is_reset")])
def test_the_ceiling_parts_wraps_from_resets(energy_uj: int, flag: str) -> None:
    # 1000 W over 10 ms are 10 J.
    before = KERNEL_RANGE_UJ - 5_000_000
    result = unwrapped([before, before + energy_uj - KERNEL_RANGE_UJ])
    assert flags(result) == [(1, flag)]
    assert result.energy_uj.to_list() == [0, energy_uj if flag == "is_wrap" else 0]


def test_a_reset_adds_nothing_and_the_counter_goes_on() -> None:
    result = unwrapped([5_000_000, 5_000_900, 40, 100])
    assert result.energy_uj.to_list() == [0, 900, 900, 960]
    assert flags(result) == [(2, "is_reset")]


def test_reads_closer_than_the_counters_update_may_be_one_update_apart() -> None:
    # 0.5 J in 50 µs would be 10 kW; RAPL counts once per ms, so it is 500 W.
    result = unwrapped([KERNEL_RANGE_UJ - 100_000, 400_000], [0, 50_000])
    assert flags(result) == [(1, "is_wrap")]


def test_a_gap_longer_than_a_turn_is_a_lower_bound() -> None:
    # At 1000 W the counter goes round in 262.14 s.
    rising = unwrapped([10, 60], [0, 263 * SECOND])
    assert (rising.energy_uj.to_list(), flags(rising)) == ([0, 50], [(1, "may_hide_wraps")])
    falling = unwrapped([60, 10], [0, 263 * SECOND])
    assert falling.energy_uj.to_list() == [0, KERNEL_RANGE_UJ - 50]
    assert flags(falling) == [(1, "is_wrap"), (1, "may_hide_wraps")]
    assert flags(unwrapped([10, 60], [0, 262 * SECOND])) == []


def test_a_smaller_range_and_ceiling_change_the_turn() -> None:
    assert flags(unwrapped([10, 60], [0, 66 * SECOND], range_uj=65_532_610_987)) == [(1, "may_hide_wraps")]
    assert flags(unwrapped([10, 60], [0, 66 * SECOND], range_uj=65_532_610_987, ceiling_w=500)) == []


def test_a_counter_without_range_never_wraps() -> None:
    result = unwrapped([10, 20, 5, 9], [0, STEP, 2 * STEP, 10_000 * SECOND], range_uj=None)
    assert result.energy_uj.to_list() == [0, 10, 10, 14]
    assert flags(result) == [(2, "is_reset")]


def test_a_rise_that_no_zone_can_make_is_a_reset() -> None:
    """10 kJ within 10 ms would be a megawatt: the counter was set anew. The CPU-time model, a sum, may be steep."""
    readings = pl.DataFrame(
        {
            "series": [0] * 4,
            "timestamp_ns": [i * STEP for i in range(4)],
            "value": [0, 50_000, 10_000_050_000, 10_000_100_000],
        }
    )
    result = unwrap(readings, pl.Series([KERNEL_RANGE_UJ]))
    assert result.energy_uj.to_list() == [0, 50_000, 50_000, 100_000]
    assert flags(result) == [(2, "is_reset")]
    modelled = unwrap(readings, pl.Series([None], dtype=pl.Int64))
    assert modelled.energy_uj.to_list()[-1] == 10_000_100_000 and flags(modelled) == []


def test_series_are_apart() -> None:
    readings = pl.DataFrame(
        {"series": [0, 0, 1, 1, 2], "timestamp_ns": [0, STEP, 0, STEP, 0], "value": [900, 950, 10, 30, 5]}
    )
    result = unwrap(readings, pl.Series([KERNEL_RANGE_UJ, KERNEL_RANGE_UJ, None], dtype=pl.Int64))
    assert result.energy_uj.to_list() == [0, 50, 0, 20, 0]
    assert flags(result) == []


def test_no_readings() -> None:
    empty = pl.DataFrame(schema={"series": pl.Int64, "timestamp_ns": pl.Int64, "value": pl.Int64})
    assert unwrap(empty, pl.Series([], dtype=pl.Int64)).energy_uj.to_list() == []


@settings(deadline=None)  # a busy machine is no failure
@given(
    start=st.integers(0, KERNEL_RANGE_UJ - 1),
    watts=st.floats(0.1, 900),
    seed=st.integers(0, 2**32),
    small_range=st.booleans(),
    length=st.integers(1, 60),
)
def test_a_simulated_counter_gives_its_true_energy(
    start: int, watts: float, seed: int, small_range: bool, length: int
) -> None:
    """Wraps, jitter and gaps in which the counter goes round less than once leave the truth as it is."""
    chance = random.Random(seed)
    range_uj = 20_000_000 if small_range else KERNEL_RANGE_UJ
    turn_ns = range_uj  # at 1000 W, 1 µJ per ns
    times, true_uj = [0], [0]
    for _ in range(length):
        wait_ns = chance.choice([STEP, STEP + chance.randrange(-2_000_000, 2_000_000), chance.randrange(1, turn_ns)])
        times.append(times[-1] + wait_ns)
        true_uj.append(true_uj[-1] + int(wait_ns * watts / 1000 * chance.random()))
    result = unwrapped([(start + energy) % range_uj for energy in true_uj], times, range_uj=range_uj)
    assert result.energy_uj.to_list() == true_uj
    turns = (start % range_uj + true_uj[-1]) // range_uj
    assert [flag for _, flag in flags(result)] == ["is_wrap"] * turns


@settings(deadline=None)  # a busy machine is no failure
@given(
    steps=st.lists(st.tuples(st.integers(0, 9_000_000), st.booleans()), min_size=1, max_size=40),
    start=st.integers(0, 1_000_000_000),
)
def test_resets_are_flagged_and_all_else_counted(steps: list[tuple[int, bool]], start: int) -> None:
    """A counter far below its range that falls was reset: what the interval held is unknown and taken as 0."""
    values, true_uj, resets = [start + 1], [0], []
    for position, (step, is_reset) in enumerate(steps, 1):
        if is_reset:
            resets.append(position)
            values.append(0)
            true_uj.append(true_uj[-1])
        else:
            values.append(values[-1] + step)
            true_uj.append(true_uj[-1] + step)
    seen = [position for position in resets if values[position - 1] > 0]  # from 0 to 0 there is nothing to see
    result = unwrapped(values)
    assert result.energy_uj.to_list() == true_uj
    assert flags(result) == [(position, "is_reset") for position in seen]
