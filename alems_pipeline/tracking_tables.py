"""The tables of experiment tracking: schema mlflow, and mlflow_<name> for each further store, by the same files.

They are made anew only when something of a store has landed: a store may hold millions of metrics. Two of them have
columns that the stores give: a column for each parameter and each metric.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import duckdb
import polars as pl

from alems_pipeline import sql_files
from alems_pipeline.sql_files import SqlFile, quoted, sql_text
from collectors.contract_tracking import TRACKING_DATASETS

SCHEMA: Final = "mlflow"
WIDE_TABLES: Final = ("runs_wide", "v_runs_wide")
MAX_WIDE: Final = 1_000
"""Columns of each kind that mlflow.runs_wide has at most; keys that fewer runs have are left out first."""

# A name in text, as 'mlflow.parentRunId', is none of a table.
_IN_SCHEMA: Final = re.compile(rf"(?<!['\w]){SCHEMA}\.")


def build(con: duckdb.DuckDBPyConnection, file: SqlFile, code: str) -> None:
    """Make a table or view for every store, unless nothing has changed. `code`: the version of the code."""
    landed = _landed(con)
    for one in in_every_schema(con, file):
        # What it reads may have been made of older rows, where somebody had only a part of the tables made.
        made_from = sql_files.digest(code, *landed, *sql_files.made_of(con, one, SCHEMA))
        name = one.qualified_name
        made = con.execute("SELECT code_hash FROM ops.kept_tables WHERE table_name = ?", [name]).fetchall()
        if made == [(made_from,)]:
            continue
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {one.schema}")
        sql_files.run(con, _with_columns(con, one) if one.name == "runs_wide" else one)
        if one.name == "wide_columns":
            con.register("computed_rows", _wide_columns(con, one.schema).to_arrow())
            con.execute(f"INSERT INTO {name} BY NAME SELECT * FROM computed_rows")
            con.unregister("computed_rows")
        sql_files.comment(con, [one])
        con.execute("INSERT OR REPLACE INTO ops.kept_tables VALUES (?, ?)", [name, made_from])


def in_every_schema(con: duckdb.DuckDBPyConnection, file: SqlFile) -> Iterator[SqlFile]:
    """The file as it is, and, where it speaks of tracking, as it reads for each further store."""
    yield file
    if not _IN_SCHEMA.search(file.text):
        return
    rows = con.execute("SELECT DISTINCT store FROM stage.mlflow_alembic_version ORDER BY store").fetchall()
    for (schema,) in rows:
        if schema != SCHEMA:
            text = _IN_SCHEMA.sub(f"{schema}.", file.text).replace(sql_text(SCHEMA), sql_text(schema))
            yield replace(file, schema=schema, text=text)


def _landed(con: duckdb.DuckDBPyConnection) -> list[str]:
    """What has landed of tracking: the stage tables are a function of it."""
    datasets = [dataset.name for dataset in TRACKING_DATASETS]
    return [
        str(row)
        for row in con.execute(
            "SELECT count(*), bit_xor(hash(path, bytes, n_rows, created_at)) FROM ops.landing_files "
            "WHERE status = 'accepted' AND list_contains(?, dataset)",
            [datasets],
        ).fetchall()
    ]


# ---- a column for each parameter and metric --------------------------------------------------------------------------


def _wide_columns(con: duckdb.DuckDBPyConnection, schema: str) -> pl.DataFrame:
    """The rows of wide_columns: `params.<key>` and `metrics.<key>`, as MLflow names them.

    DuckDB's names are blind to case: of names that differ in it only, that of most runs stays, others end in _2, _3, …
    """
    taken = {"run_uuid"}
    rows: list[tuple[str, str, str | None, int]] = []
    for kind, table in (("params", "params"), ("metrics", "latest_metrics")):
        keys = con.execute(
            f"SELECT key, count(*) FROM {schema}.{table} GROUP BY key ORDER BY count(*) DESC, key"
        ).fetchall()
        for key, n_runs in keys[:MAX_WIDE]:
            wanted = column = f"{kind}.{key}"
            n = 1
            while column.lower() in taken:
                n += 1
                column = f"{wanted}_{n}"
            taken.add(column.lower())
            rows.append((kind, key, column, n_runs))
        rows += [(kind, key, None, n_runs) for key, n_runs in keys[MAX_WIDE:]]
    names = {"kind": pl.String, "key": pl.String, "column_name": pl.String, "n_runs": pl.Int64}
    return pl.DataFrame(rows, schema=names, orient="row")


def _with_columns(con: duckdb.DuckDBPyConnection, file: SqlFile) -> SqlFile:
    """runs_wide with the keys to pivot, in the place of {params} and {metrics}."""
    text = file.text
    for kind in ("params", "metrics"):
        columns = con.execute(
            f"SELECT key, column_name FROM {file.schema}.wide_columns "
            "WHERE kind = ? AND column_name IS NOT NULL ORDER BY column_name",
            [kind],
        ).fetchall()
        listed = "".join(f", {sql_text(key)} AS {quoted(column)}" for key, column in columns)
        text = text.replace(f"{{{kind}}}", listed)
    return replace(file, text=text)
