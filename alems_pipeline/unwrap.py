"""From wrapping hardware counters to energy: cumulative µJ from 0 that never fall. Pure functions on Polars columns."""

from dataclasses import dataclass
from typing import Final

import polars as pl

CEILING_W: Final = 1000.0
"""Greatest power that one zone can draw: a fall of its counter that would mean more is a reset, not a wrap."""

KERNEL_RANGE_UJ: Final = 262_143_328_850
"""max_energy_range_uj of Linux (one LSB, 61 µJ, less than the exact modulus): the range where a source gives none."""

UPDATE_NS: Final = 1_000_000
"""RAPL counts in steps of 1 ms: two reads closer than that may still be 1 ms of energy apart."""


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """`energy_uj`: cumulative from 0 at each series' first reading.

    `flagged`: the few readings whose interval since the reading before was special: position (row), is_wrap, is_reset
    (increment taken as 0), may_hide_wraps (so long that the counter may have gone round more often: a lower bound).
    """

    energy_uj: pl.Series
    flagged: pl.DataFrame


def unwrap(readings: pl.DataFrame, ranges_uj: pl.Series, ceiling_w: float = CEILING_W) -> Unwrapped:
    """Unwrap one counter of many series (a CPU package in a run each).

    `readings`: columns series (0, 1, …), timestamp_ns, value; sorted by series and time, without NULLs or repeated
    times. `ranges_uj`: by series, the value at which the counter wraps; NULL for one that never does. With range M, a
    fall is a wrap, ΔE = current − previous + M, if ΔE / Δt is at most `ceiling_w`; else a reset. So is a rise that no
    zone can make: the counter was set to another value.
    """
    # µJ per ns is kW: a counter can go round in range / ceiling.
    turn_ns = (ranges_uj * (1000 / ceiling_w)).cast(pl.Int64)
    intervals = readings.select(
        "series",
        is_first=pl.col("series").ne_missing(pl.col("series").shift()),
        interval_ns=pl.col("timestamp_ns").diff(),
        step_uj=pl.col("value").diff(),
    ).with_columns(step_uj=pl.when("is_first").then(0).otherwise("step_uj"))
    steps = intervals["step_uj"]
    is_odd = (steps < 0) | (intervals["interval_ns"] > _least(turn_ns))
    if (steps > UPDATE_NS * ceiling_w / 1000).any():
        is_odd |= intervals.select(_leaps(ceiling_w)).to_series()
    flagged = _NO_FLAGS
    if is_odd.any():
        flagged = _judge(intervals.with_row_index("position").filter(is_odd), ranges_uj, turn_ns, ceiling_w)
        steps = steps.scatter(flagged["position"], flagged["step_uj"])
        flagged = flagged.filter(pl.any_horizontal("is_wrap", "is_reset", "may_hide_wraps")).drop("step_uj")
    total = steps.cum_sum()
    if ranges_uj.len() == 1:
        return Unwrapped(total.alias("energy_uj"), flagged)
    total_at_start = total.filter(intervals["is_first"]).gather(readings["series"])
    return Unwrapped((total - total_at_start).alias("energy_uj"), flagged)


_NO_FLAGS: Final = pl.DataFrame(
    schema={"position": pl.UInt32, "is_wrap": pl.Boolean, "is_reset": pl.Boolean, "may_hide_wraps": pl.Boolean}
)


def _least(turn_ns: pl.Series) -> int:
    least = turn_ns.min()
    return least if isinstance(least, int) else 2**63 - 1


def _leaps(ceiling_w: float) -> pl.Expr:
    """Whether a step is more energy than a zone can draw, one update of its counter included."""
    return pl.col("step_uj") > (pl.col("interval_ns") + UPDATE_NS) * (ceiling_w / 1000)


def _judge(intervals: pl.DataFrame, ranges_uj: pl.Series, turn_ns: pl.Series, ceiling_w: float) -> pl.DataFrame:
    """What each odd interval was, one with a fall or a leap or longer than the shortest turn; and its energy."""
    falls = pl.col("step_uj") < 0
    wrapped_uj = pl.col("step_uj") + pl.col("range_uj")
    most_uj = pl.max_horizontal("interval_ns", UPDATE_NS) * (ceiling_w / 1000)
    # A counter without a range is no register of one zone but a sum, as the CPU-time model is: no ceiling holds for it.
    leaps = _leaps(ceiling_w) & pl.col("range_uj").is_not_null() & ~pl.col("is_first")
    return (
        intervals.with_columns(
            range_uj=ranges_uj.gather(intervals["series"]), turn_ns=turn_ns.gather(intervals["series"])
        )
        .with_columns(is_wrap=falls & (wrapped_uj <= most_uj).fill_null(False))
        .with_columns(is_reset=(falls & ~pl.col("is_wrap")) | leaps)
        .select(
            "position",
            "is_wrap",
            "is_reset",
            may_hide_wraps=~pl.col("is_first") & ~pl.col("is_reset") & (pl.col("interval_ns") > pl.col("turn_ns")),
            step_uj=pl.when("is_wrap").then(wrapped_uj).when("is_reset").then(0).otherwise("step_uj"),
        )
        .with_columns(pl.col("may_hide_wraps").fill_null(False))
    )
