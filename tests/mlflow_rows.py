"""What a store of MLflow holds, as schema mlflow has to say it."""

import math
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from collectors.contract_tracking import TABLES

Query = Callable[[str], list[tuple[Any, ...]]]
"""Asks the store."""

MADE_HERE = ("store", "recorded_at", "extra_json")


def query(store: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement on a store that is an SQLite file."""
    with closing(sqlite3.connect(store)) as con, con:
        return con.execute(sql, parameters).fetchall()


def in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def table_of_store(query: Query, table: str, columns: Iterable[str]) -> tuple[str, list[tuple[Any, ...]]]:
    """The columns of a table that the store and the contract both have, as SQL, and the rows that are expected."""
    present = set(columns)
    names = [name for name in TABLES[table].column_names if name in present and name not in MADE_HERE]
    listed = ", ".join(f'"{name}"' for name in names)
    return listed, [_as_published(names, row) for row in query(f"SELECT {listed} FROM {table}")]


def _as_published(names: list[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Truth values as such, NaN as NULL, infinity as such."""
    values = dict(zip(names, row, strict=True))
    if "is_nan" in values:
        values["is_nan"] = bool(values["is_nan"])
        if abs(values["value"]) == sys.float_info.max:
            values["value"] = math.copysign(math.inf, values["value"])
        if values["is_nan"]:
            values["value"] = None
    return tuple(values.values())
