"""What makes a landed row of cloud usage bad: the rules of the usage datasets, beside those of any contract.

A figure that is not whole is worse than none: a window with one bad mode is set aside as a whole, so that no sum ever
holds a zero that looks measured.
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

from alems_pipeline.rules import Rule
from collectors.contract_usage import (
    CARBON_INTENSITY,
    CPU_MODES,
    CPU_USAGE,
    DIRECTORY_KINDS,
    USAGE_DIRECTORY,
    WORKSPACES,
)
from collectors.dataset import Dataset

BASE_WINDOW_S: Final = 3600
"""Length of the windows of fact_usage; finer ones are summed up to it."""

WHOLE_MODES: Final = ("user", "system", "idle")
"""Modes that every exporter tells apart; the others may be absent, and are 0 then."""

GREATEST_S: Final = 1e12  # in one window; anything above would overflow the exact sums
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
CAPACITY_TOLERANCE: Final = 1.2  # Prometheus extrapolates to the ends of a window
GREATEST_INTENSITY: Final = 5_000.0  # g/kWh
GREATEST_WATTS: Final = 100_000.0  # of one CPU

NO_NUMBER: Final = "a mode's CPU time is no number, so its window is not measured; mend the exporter and collect again"
NEGATIVE: Final = "CPU time is below 0: a counter fell without beginning anew; mend the exporter and collect again"
NOT_WHOLE: Final = "CPU time in mode user, system or idle is missing; mend the exporter and collect again"
OFF_GRID: Final = "its window does not lie in one hour, or does not divide it; collect with a step that divides 3600 s"
AHEAD: Final = "its window ends after it was recorded: the source's clock is ahead; set it right and collect again"
OTHER_DAY: Final = "window_start is not in its landing date; drop a window in the folder of the UTC date of its start"
TOO_MUCH: Final = "more CPU time than its CPUs have in the window; mend the exporter and collect again"


def usage_rules(dataset: Dataset, day: date) -> list[Rule]:
    """The rules of one usage dataset, in the landing folder of `day`; none for any other dataset."""
    if dataset is CPU_USAGE:
        return _cpu_usage_rules(day)
    if dataset is CARBON_INTENSITY:
        return _carbon_intensity_rules()
    if dataset is WORKSPACES:
        ends = pl.min_horizontal("acquired_at", "deleted_at")
        return [Rule("acquired or deleted before it was created; mend the source", ends < pl.col("created_at"))]
    if dataset is USAGE_DIRECTORY:
        return _directory_rules()
    return []


def _cpu_usage_rules(day: date) -> list[Rule]:
    start, window_s = pl.col("window_start"), pl.col("window_s")
    seconds = [pl.col(f"{mode}_s") for mode in CPU_MODES]
    capacity = CAPACITY_TOLERANCE * pl.col("n_cpus") * window_s + 1
    in_hour_us = start.dt.epoch("us") % (BASE_WINDOW_S * 1_000_000)
    divides = window_s.is_between(1, BASE_WINDOW_S) & (BASE_WINDOW_S % pl.max_horizontal(window_s, 1) == 0)
    on_grid = in_hour_us % (pl.max_horizontal(window_s, 1) * 1_000_000) == 0
    return [
        Rule(NO_NUMBER, pl.col("bad_values").is_not_null()),
        Rule(NOT_WHOLE, pl.any_horizontal(pl.col(f"{mode}_s").is_null() for mode in WHOLE_MODES)),
        Rule(NEGATIVE, pl.min_horizontal(seconds) < 0),
        Rule(OFF_GRID, ~(divides & on_grid)),
        Rule(OTHER_DAY, start.dt.date() != day),
        Rule(AHEAD, start + pl.duration(seconds=window_s) > pl.col("recorded_at") + CLOCK_TOLERANCE),
        Rule(TOO_MUCH, pl.sum_horizontal(seconds) > pl.min_horizontal(capacity, pl.lit(GREATEST_S))),
    ]


def _carbon_intensity_rules() -> list[Rule]:
    start, end = pl.col("window_start"), pl.col("window_end")
    rules = [
        Rule("window_end is not after window_start; mend the source", end <= start),
        Rule("its window is longer than a day; mend the source", end - start > timedelta(days=1)),
    ]
    for name in ("forecast_gco2eq_kwh", "actual_gco2eq_kwh"):
        outside = ~pl.col(name).is_between(0, GREATEST_INTENSITY)
        rules.append(Rule(f"{name} is outside 0 … {GREATEST_INTENSITY:g} g/kWh; mend the source", outside))
    return rules


def _directory_rules() -> list[Rule]:
    """A statement names all that its kind is about."""
    names = {
        "group": ("group_name",),
        "user": ("user_id",),
        "project": ("cloud_project_name",),
        "machine": ("machine_name",),
        "user_project": ("user_id", "cloud_project_name"),
        "project_machine": ("cloud_project_name", "machine_name"),
    }
    kind = pl.col("kind")
    rules = [Rule(f"kind is none of {', '.join(DIRECTORY_KINDS)}; use one of these", ~kind.is_in(DIRECTORY_KINDS))]
    for one, columns in names.items():
        absent = pl.any_horizontal(pl.col(name).is_null() for name in columns)
        rules.append(
            Rule(f"a statement about a {one} does not name it; give {', '.join(columns)}", (kind == one) & absent)
        )
    for name in ("busy_watts", "idle_watts"):
        outside = ~pl.col(name).is_between(0, GREATEST_WATTS)
        rules.append(Rule(f"{name} is outside 0 … {GREATEST_WATTS:,.0f} W; mend the source", outside))
    return rules
