"""Landed records: the tables `stage.<dataset>` made from the contract, and what a day's rows become before they enter.

Rows are sifted first: repeats dropped, bad rows set aside with a reason, of several records of one key the newest kept.
A day's rows in a table are replaced as a whole. What remains depends on the set of landed rows, not on their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from alems_pipeline.condition_rules import condition_rules
from alems_pipeline.inference_rules import inference_rules
from alems_pipeline.insert import insert
from alems_pipeline.rules import (
    NOT_WHOLE,
    REASON,
    UNKNOWN_RUN,
    Rule,
    Sifted,
    contract_rules,
    day_start_ns,
    key_first,
    normalised,
    run_rules,
    same_as_previous,
    set_aside_contradictions,
    split,
    within_run_rules,
)
from alems_pipeline.tracking_rules import tracking_rules
from alems_pipeline.usage_rules import usage_rules
from collectors.contract import RECORD_DATASETS, REJECTS, REPORTED_TAX, RUNS, Dataset
from collectors.dataset import Column
from collectors.ids import run_key, time_ordered_id

STAGED: Final = [dataset for dataset in RECORD_DATASETS if dataset not in REJECTS]
"""The record datasets that have a stage table: what was rejected is only ever quarantined."""

LANDING_DATE: Final = Column("landing_date", pa.date32(), "Day of the landing folder that it came from")
RUN_ID: Final = Column("run_id", pa.int64(), "The run's id: its start in seconds, then 22 bits of its run_key")
_LINEAR: Final = Column("linear_run_id", pa.int64(), "The linear run's id; NULL where that run started on another day")
_AGENTIC: Final = Column("agentic_run_id", pa.int64(), "The agentic run's id; NULL as above")

_SQL_TYPES: Final = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.list_(pa.string()): "VARCHAR[]",
}


@dataclass(frozen=True, slots=True)
class StageTable:
    """A table of schema `stage`."""

    name: str
    doc: str
    columns: tuple[Column, ...]


def _table_of(dataset: Dataset) -> StageTable:
    ids = [RUN_ID] if dataset.has_run else [_LINEAR, _AGENTIC] if dataset is REPORTED_TAX else []
    return StageTable(dataset.name, dataset.doc, (*ids, *dataset.columns, LANDING_DATE))


ENERGY_SAMPLING: Final = StageTable(
    "energy_sampling",
    "How the energy counters of a run were sampled.",
    (
        RUN_ID,
        Column("n_samples", pa.int64(), "Samples that were read; a failed read is a row of the lake, not counted here"),
        Column("n_packages", pa.int64(), "CPU packages summed"),
        Column("first_ns", pa.int64(), "First sample that was read, ns UTC"),
        Column("last_ns", pa.int64(), "Last sample that was read, ns UTC"),
        Column("median_interval_ns", pa.int64(), "Median interval between samples; NULL for a single one"),
        Column("max_interval_ns", pa.int64(), "Longest interval between samples that is no gap; NULL where all are"),
        Column("gap_threshold_ns", pa.int64(), "A longer interval is a gap: 3 medians, at least the planned interval"),
        Column("n_gaps", pa.int64(), "Gaps: intervals that are longer, hold a reset or may hide a wrap"),
        Column("gap_ns", pa.int64(), "Their length together"),
        Column("n_wraps", pa.int64(), "Times that a counter wrapped, all counters and packages together"),
        Column("n_resets", pa.int64(), "Intervals in which a counter was reset: its increment there is taken as 0"),
        Column("n_hidden_wrap_gaps", pa.int64(), "Gaps so long that a wrap may be hidden: the energy is a lower bound"),
        Column("domains", pa.list_(pa.string()), "Counters read: pkg, core, uncore, dram, psys, model"),
        LANDING_DATE,
    ),
)
ENERGY_GAPS: Final = StageTable(
    "energy_gaps",
    "A stretch of a run over which its energy counters do not tell how the energy was spent: no sample for longer than "
    "the gap threshold, or a counter was reset, or may have wrapped unseen.",
    (
        RUN_ID,
        Column("from_ns", pa.int64(), "Last sample before it, ns UTC"),
        Column("to_ns", pa.int64(), "First sample after it, ns UTC"),
        Column("is_reset", pa.bool_(), "A counter was reset in it: what it had counted is lost"),
        LANDING_DATE,
    ),
)
LANDING_SUBJECTS: Final = StageTable(
    "landing_subjects",
    "What a landing file is about: the runs, experiments, hosts or datasets of which it holds rows.",
    (
        Column("path", pa.string(), "Landing file, relative to the landing folder"),
        Column("dataset", pa.string(), "Landing dataset"),
        Column("subject", pa.string(), "run_key, exp_key, …: the columns of alems_pipeline/subjects.py, by chr(31)"),
        LANDING_DATE,
    ),
)
TABLES: Final = (*(_table_of(dataset) for dataset in STAGED), ENERGY_SAMPLING, ENERGY_GAPS, LANDING_SUBJECTS)


# ---- tables ----------------------------------------------------------------------------------------------------------


def ensure_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the stage tables that are missing; one whose columns are not today's is made anew, empty.

    Its days are to be built again then: the caller knows them by the hash of the code that built them.
    """
    present: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = 'stage' ORDER BY table_name, column_index"
    ).fetchall():
        present.setdefault(table, []).append((column, type_))
    for table in TABLES:
        columns = [(column.name, _SQL_TYPES[column.type]) for column in table.columns]
        if present.get(table.name) != columns:
            listed = ", ".join(f"{name} {type_}" for name, type_ in columns)
            con.execute(f"CREATE OR REPLACE TABLE stage.{table.name} ({listed})")


def contract_columns() -> list[tuple[str, str, str]]:
    """Table, column and type of all stage tables."""
    return [(table.name, column.name, _SQL_TYPES[column.type]) for table in TABLES for column in table.columns]


def docs() -> dict[str, tuple[str, dict[str, str]]]:
    """By stage table, its meaning and those of its columns."""
    return {
        f"stage.{table.name}": (table.doc, {column.name: column.doc for column in table.columns}) for table in TABLES
    }


def clear_day(con: duckdb.DuckDBPyConnection, day: date) -> None:
    """Take a day's rows out of all stage tables."""
    for table in TABLES:
        con.execute(f"DELETE FROM stage.{table.name} WHERE landing_date = ?", [day])


def store(con: duckdb.DuckDBPyConnection, name: str, day: date, rows: pl.DataFrame) -> None:
    """Insert a day's rows into a stage table, which may hold fewer columns than they have."""
    if rows.is_empty():
        return
    [table] = [table for table in TABLES if table.name == name]
    dated = rows.with_columns(pl.lit(day).alias(LANDING_DATE.name)).select(column.name for column in table.columns)
    insert(con, f"stage.{name}", dated)


def store_collisions(con: duckdb.DuckDBPyConnection, day: date, runs: pl.DataFrame) -> None:
    """Note the day's runs whose id was taken, in place of those noted before."""
    bounds = [time_ordered_id(0, day_start_ns(one) // 10**9) for one in (day, day + timedelta(days=1))]
    con.execute("DELETE FROM ops.id_collisions WHERE kind = 'run' AND base_id >= ? AND base_id < ?", bounds)
    moved = runs.filter(pl.col("run_id") != pl.col("base_id"))
    for *natural_key, base_id, given_id in moved.select(*_NATURAL_KEY, "base_id", "run_id").iter_rows():
        name = ", ".join(str(part) for part in natural_key)
        con.execute("INSERT INTO ops.id_collisions VALUES ('run', ?, ?, ?)", [name, base_id, given_id])


# ---- rows ------------------------------------------------------------------------------------------------------------

_OWNED_AT: Final = "owner_recorded_at"
_NATURAL_KEY: Final = ("source_system", "host", "source_run_id", "start_time_ns")


def sift(
    dataset: Dataset, rows: pl.DataFrame, day: date, runs: pl.DataFrame, owners: pl.DataFrame | None = None
) -> Sifted:
    """Tell a day's landed records apart. `runs`: the day's good runs (run_key, run_id, run_start_ns, run_end_ns);
    `owners`: the day's good records of the dataset's owner, if it has one.

    Good rows get the ids of their runs; good runs get theirs by `number_runs`.
    """
    landed = once = normalised(rows).sort(dataset.key, nulls_last=True)
    repeats = landed.select(same_as_previous(dataset.key).any()).item()
    if repeats:  # only then do the other columns tell which row comes first
        landed = landed.sort(key_first(dataset), nulls_last=True)
        once = landed.filter(~same_as_previous(dataset.column_names))
    good, bad = split(*_with_rules(dataset, once, day, runs, owners))
    if dataset in REJECTS:
        bad = pl.concat([bad, good.with_columns(pl.col("reason").alias(REASON))])
        good = good.clear()
    replaced = 0
    if owners is not None:  # older than its owner's record: read again since then, or gone
        whole = good.filter(pl.col("recorded_at") == pl.col(_OWNED_AT)).drop(_OWNED_AT)
        good, bad, replaced = whole, bad.drop(_OWNED_AT), good.height - whole.height
    if repeats and dataset.newest_wins:
        # Stable: of equally new records the greatest stays, by the order they are in already.
        by_age = good.sort(*dataset.key, "recorded_at", maintain_order=True)
        newest = by_age.unique(dataset.key, keep="last", maintain_order=True)
        good, replaced = newest, replaced + good.height - newest.height
    elif repeats:
        good, others = set_aside_contradictions(good, dataset.key)
        bad = pl.concat([bad, others])
    bad = bad.sort(*key_first(dataset), REASON, nulls_last=True)
    return Sifted(good, bad, landed.height, landed.height - once.height + replaced)


def _with_rules(
    dataset: Dataset, rows: pl.DataFrame, day: date, runs: pl.DataFrame, owners: pl.DataFrame | None
) -> tuple[pl.DataFrame, Sequence[Rule]]:
    """The rows with the columns that their rules need, and the rules."""
    rules = contract_rules(dataset)
    if dataset is RUNS:
        keys = [run_key(*natural_key) for natural_key in rows.select(_NATURAL_KEY).iter_rows()]
        expected = pl.Series("expected_key", keys, pl.Int64)
        return rows.with_columns(expected), [*rules, *run_rules(day)]
    if dataset.has_run:
        return rows.join(runs, on="run_key", how="left", maintain_order="left"), [*rules, *within_run_rules(dataset)]
    if dataset is REPORTED_TAX:
        for kind in ("linear", "agentic"):
            ids = runs.select(pl.col("run_key").alias(f"{kind}_run_key"), pl.col("run_id").alias(f"{kind}_run_id"))
            rows = rows.join(ids, on=f"{kind}_run_key", how="left", maintain_order="left")
        unknown = pl.col("linear_run_id").is_null() & pl.col("agentic_run_id").is_null()
        return rows, [*rules, Rule(UNKNOWN_RUN, unknown)]
    rules += [*usage_rules(dataset, day), *condition_rules(dataset), *tracking_rules(dataset)]
    rules += inference_rules(dataset)
    if dataset.owner is not None and owners is not None:
        owned_at = owners.select(*dataset.owner.key, pl.col("recorded_at").alias(_OWNED_AT))
        rows = rows.join(owned_at, on=dataset.owner.key, how="left", maintain_order="left")
        rules.append(Rule(NOT_WHOLE, pl.col(_OWNED_AT).is_null() | (pl.col("recorded_at") > pl.col(_OWNED_AT))))
    return rows, rules


def number_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """Good runs of a day with their run_id and, as base_id, the id that they would have alone.

    Runs that collide take the next free value in natural-key order: walking the rows in order, id = max(base, previous
    id + 1); in closed form, with n the row's position, id = n + the greatest (base - n) so far.
    """
    bases = [time_ordered_id(key, start // 10**9) for key, start in runs.select("run_key", "start_time_ns").iter_rows()]
    position = pl.int_range(pl.len(), dtype=pl.Int64)
    return (
        runs.with_columns(pl.Series("base_id", bases, pl.Int64))
        .sort("base_id", *_NATURAL_KEY)
        .with_columns(run_id=position + (pl.col("base_id") - position).cum_max())
    )
