"""The tables of experiment tracking: schema mlflow, and mlflow_<name> for each further store, by the same SQL files.

Two of them have columns that the stores give: a column for each parameter and each metric.
"""

from dataclasses import replace
from typing import Final

import duckdb
import polars as pl

from alems_pipeline.insert import insert
from alems_pipeline.sql_files import SqlFile, quoted, sql_text
from alems_pipeline.store_schemas import StoreKind, distinct_columns
from collectors.contract_tracking import TRACKING_DATASETS

MAX_WIDE: Final = 1_000
"""Columns of each kind that mlflow.runs_wide has at most; keys that fewer runs have are left out first."""


def fill_wide_columns(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """The rows of wide_columns: `params.<key>` and `metrics.<key>`, as MLflow names them.

    Of names that differ in case only, that of most runs stays.
    """
    rows: list[tuple[str, str, str | None, int]] = []
    for kind, table in (("params", "params"), ("metrics", "latest_metrics")):
        keys = con.execute(
            f"SELECT key, count(*) FROM {file.schema}.{table} GROUP BY key ORDER BY count(*) DESC, key"
        ).fetchall()
        columns = distinct_columns((f"{kind}.{key}" for key, _ in keys[:MAX_WIDE]), taken=["run_uuid"])
        columns_or_none = [*columns, *[None] * (len(keys) - len(columns))]
        rows += [(kind, key, column, n) for (key, n), column in zip(keys, columns_or_none, strict=True)]
    names = {"kind": pl.String, "key": pl.String, "column_name": pl.String, "n_runs": pl.Int64}
    insert(con, file.qualified_name, pl.DataFrame(rows, schema=names, orient="row"))


def with_columns(con: duckdb.DuckDBPyConnection, file: SqlFile) -> SqlFile:
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


TRACKING: Final = StoreKind(
    schema="mlflow",
    stores="SELECT DISTINCT store FROM stage.mlflow_alembic_version",
    datasets=tuple(dataset.name for dataset in TRACKING_DATASETS),
    complete={"runs_wide": with_columns},
    fill={"wide_columns": fill_wide_columns},
    wide=frozenset({"runs_wide", "v_runs_wide"}),
)
