"""An MLflow store that MLflow itself made, imported: row for row, and again when it has changed."""

import math
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from alems_pipeline.warehouse import connect_published
from collectors.contract_tracking import TABLES
from collectors.sources.mlflow_store import ImportSummary, import_store
from tests.warehouses import materialize

GREATEST = sys.float_info.max
IMPORTED = list(TABLES)


@pytest.fixture
def store(mlflow_db: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(mlflow_db, tmp_path / "mlflow.db"))


@pytest.fixture(scope="module")
def published(mlflow_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    home = tmp_path_factory.mktemp("mlflow-warehouse")
    import_store(f"sqlite:///{mlflow_db}", home / "landing")
    materialize(home)
    with connect_published(home / "alems.duckdb") as con:
        yield con


def query(store: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as con, con:
        return con.execute(sql, parameters).fetchall()


def run(store: Path, tmp_path: Path, name: str | None = None) -> ImportSummary:
    return import_store(f"sqlite:///{store}", tmp_path / "landing", name=name)


def in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def columns_in(store: Path, table: str) -> list[str]:
    present = {row[1] for row in query(store, f"PRAGMA table_info({table})")}
    made_here = ("store", "recorded_at", "extra_json")
    return [c for c in TABLES[table].column_names if c in present and c not in made_here]


def as_stored(table: str, columns: list[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the tables say for a row of the store: its truth values as such, NaN as NULL, infinity as such."""
    values = dict(zip(columns, row, strict=True))
    if "is_nan" in values:
        values["is_nan"] = bool(values["is_nan"])
        infinite = abs(values["value"]) == GREATEST
        values["value"] = math.copysign(math.inf, values["value"]) if infinite else values["value"]
        values["value"] = None if values["is_nan"] else values["value"]
    return tuple(values.values())


@pytest.mark.parametrize("table", IMPORTED)
def test_every_table_is_the_stores_row_for_row(table: str, mlflow_db: Path, published: Any) -> None:
    columns = columns_in(mlflow_db, table)
    listed = ", ".join(f'"{name}"' for name in columns)
    expected = [as_stored(table, columns, row) for row in query(mlflow_db, f"SELECT {listed} FROM {table}")]
    assert expected, "the store that MLflow made has rows in every table"
    assert in_order(published.execute(f"SELECT {listed} FROM mlflow.{table}").fetchall()) == in_order(expected)
