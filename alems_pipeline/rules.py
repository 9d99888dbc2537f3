"""What makes a landed row bad: the rules of the contract as Polars expressions, each with the reason that is shown.

A bad row is quarantined with the reason of the first rule that it breaks. A reason says what is wrong, by which rule,
and what to do; it names no value of the row, so that equal faults are counted together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl
import pyarrow as pa

from collectors.contract import ENERGY_DOMAINS, Dataset
from collectors.contract_inference import KINDS
from collectors.ids import TIME_ORIGIN_S

REASON: Final = "quarantine_reason"
OUTSIDE_RUN_NS: Final = 60_000_000_000
"""How far a sample or event may lie outside its run."""

FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(2262, 1, 1, tzinfo=UTC)
GREATEST_RANGE_UJ: Final = 2**62  # so that adding a range to a counter never overflows
GREATEST_PACKAGE: Final = 255

ALLOWED: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("experiments", "workflow_type"): ("linear", "agentic", "comparison"),
    ("experiments", "status"): ("pending", "running", "completed", "partial", "failed"),
    ("runs", "workflow_type"): ("linear", "agentic"),
    ("runs", "status"): ("completed", "partial", "failed"),
    ("orchestration_events", "phase"): ("planning", "execution", "waiting", "synthesis"),
    ("run_conditions", "value_type"): ("string", "int", "float", "bool"),
    ("query_attempt", "status"): ("success", "failure", "retry"),
    ("inference_artifacts", "kind"): KINDS,
}

BELOW_ZERO: Final = ("_temp", "temp_c", "sample_time_s")
"""Endings of the sample columns that may be below 0."""

UNKNOWN_RUN: Final = "its run has not landed yet or is unknown; when the run's record lands, the day is built again"
NOT_WHOLE: Final = "its owner's record, dropped after it, has not landed: the import was stopped; run it again"
OTHER_VALUE: Final = "another row has the same key and other values; the smaller row is kept: drop each key once"
KEY_MISMATCH: Final = "run_key is not the stable id of source_system, host, source_run_id, start_time_ns; mend the id"


class Rule(NamedTuple):
    """A reason, and which rows it is true of."""

    reason: str
    broken: pl.Expr


@dataclass(frozen=True, slots=True)
class Sifted:
    """Landed rows told apart: good ones; bad ones, with the column REASON; and those that only repeat another."""

    good: pl.DataFrame
    bad: pl.DataFrame
    n_landed: int
    n_duplicate: int


def split(frame: pl.DataFrame, rules: Sequence[Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that keep all rules; and those that break one, with its reason in the column REASON."""
    if not rules or not frame.select(pl.any_horizontal(rule.broken for rule in rules).any()).item():
        return frame, frame.clear().with_columns(pl.lit(None, pl.String).alias(REASON))
    reasons = [pl.when(rule.broken).then(pl.lit(rule.reason)) for rule in rules]
    judged = frame.with_columns(pl.coalesce(reasons).alias(REASON))
    return judged.filter(pl.col(REASON).is_null()).drop(REASON), judged.filter(pl.col(REASON).is_not_null())


def set_aside_contradictions(rows: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first row of each key; and the others, with the column REASON. `rows` are sorted by key, then all columns."""
    contradicts = same_as_previous(key)
    others = rows.filter(contradicts).with_columns(pl.lit(OTHER_VALUE).alias(REASON))
    return rows.filter(~contradicts), others


def key_first(dataset: Dataset) -> list[str]:
    """All columns of a dataset, its key first: sorted by them, only equal rows are equal."""
    return [*dataset.key, *(name for name in dataset.column_names if name not in dataset.key)]


def same_as_previous(columns: Sequence[str]) -> pl.Expr:
    """Whether a row equals the row before it in all of `columns`; NULL equals NULL."""
    equal = [pl.col(name).eq_missing(pl.col(name).shift()) for name in columns]
    return pl.all_horizontal(*equal, pl.int_range(pl.len()) > 0)


def normalised(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with −0.0 written as 0.0: the two are equal, so which one stays must not depend on the order of rows."""
    floats = [pl.col(name) for name, type_ in rows.schema.items() if type_ == pl.Float64]
    return rows.with_columns(pl.when(value == 0).then(0.0).otherwise(value).name.keep() for value in floats)


def contract_rules(dataset: Dataset) -> list[Rule]:
    """Rules that follow from the contract alone: no NULL where required, finite numbers, times and words in bounds."""
    rules = [
        Rule(f"{c.name} is NULL, the contract requires it; mend the collector and drop again", pl.col(c.name).is_null())
        for c in dataset.columns
        if c.required
    ]
    for column in dataset.columns:
        name, value = column.name, pl.col(column.name)
        if pa.types.is_floating(column.type):
            rules.append(Rule(f"{name} is no finite number; leave it out where it was not read", ~value.is_finite()))
        if pa.types.is_timestamp(column.type):
            outside = ~value.is_between(FIRST_TIME, LAST_TIME)
            rules.append(Rule(f"{name} is outside 1970 … 2262; set the host's clock right", outside))
        if words := ALLOWED.get((dataset.name, name)):
            rules.append(Rule(f"{name} is none of {', '.join(words)}; use one of these", ~value.is_in(words)))
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if dataset.kind == "sample" and numeric and name != "run_key" and not name.endswith(BELOW_ZERO):
            rules.append(Rule(f"{name} is below 0; mend the collector", value < 0))
    if dataset.name == "energy_samples":
        rules += counter_rules()
    return rules


def counter_rules() -> list[Rule]:
    """A counter runs from 0 to its range."""
    rules = []
    for domain in ENERGY_DOMAINS:
        counter, range_ = pl.col(f"{domain}_energy_uj"), pl.col(f"{domain}_range_uj")
        bounds = ~range_.is_between(1, GREATEST_RANGE_UJ)
        rules.append(Rule(f"{domain}_range_uj is outside 1 … 2^62 µJ; mend the collector", bounds))
        above = counter > range_
        rules.append(Rule(f"{domain}_energy_uj is above its range, {domain}_range_uj; mend the collector", above))
    above = pl.col("model_energy_uj") > GREATEST_RANGE_UJ
    rules.append(Rule("model_energy_uj is above 2^62 µJ; mend the collector", above))
    many = pl.col("package_index") > GREATEST_PACKAGE
    return [*rules, Rule(f"package_index is above {GREATEST_PACKAGE}; number the packages from 0", many)]


def run_rules(day: date) -> list[Rule]:
    """Rules of a run's record, in the landing folder of `day`; needs the column `expected_key`."""
    start, end = pl.col("start_time_ns"), pl.col("end_time_ns")
    first_ns, next_ns = day_start_ns(day), day_start_ns(day + timedelta(days=1))
    return [
        Rule("start_time_ns is before 2020, where run ids begin; set the host's clock right", start < _ORIGIN_NS),
        Rule(
            "start_time_ns is not in its landing date; drop a run in the folder of the UTC date of its start",
            ~start.is_between(first_ns, next_ns, closed="left"),
        ),
        Rule("end_time_ns is before start_time_ns; mend the collector's clock", end < start),
        Rule(KEY_MISMATCH, pl.col("run_key") != pl.col("expected_key")),
    ]


def within_run_rules(dataset: Dataset) -> list[Rule]:
    """Rules of rows that belong to a run; need the run's columns run_id, run_start_ns and run_end_ns."""
    rules = [Rule(UNKNOWN_RUN, pl.col("run_id").is_null())]
    first, last = pl.col("run_start_ns") - OUTSIDE_RUN_NS, pl.col("run_end_ns") + OUTSIDE_RUN_NS
    if "timestamp_ns" in dataset.column_names:
        outside = (pl.col("timestamp_ns") < first) | (pl.col("timestamp_ns") > last)
        rules.append(Rule("timestamp_ns is farther than 60 s outside its run; mend the collector's clock", outside))
    if "start_time_ns" in dataset.column_names:
        start, end = pl.col("start_time_ns"), pl.col("end_time_ns")
        rules.append(Rule("end_time_ns is before start_time_ns; mend the collector's clock", end < start))
        outside = (start < first) | (end > last)
        rules.append(Rule("the event is farther than 60 s outside its run; mend the collector's clock", outside))
    return rules


_ORIGIN_NS: Final = TIME_ORIGIN_S * 1_000_000_000


def day_start_ns(day: date) -> int:
    """Midnight UTC, ns since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
