"""Serving benchmarks for tests: artifacts as CI writes them, and a warehouse of nothing but what is made of them."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from alems_pipeline import build, sql_files
from alems_pipeline.sql_files import SqlFile
from alems_pipeline.warehouse import Warehouse
from tests.warehouses import build_landed_days

ARTIFACTS = Path(__file__).parent / "data" / "inferencex"
REAL = sorted(ARTIFACTS.glob("*_real.json"))
Row = dict[str, Any]


def real_row(**changes: Any) -> Row:
    """A real row of fixed lengths, with changes; None takes a field away."""
    row = json.loads((ARTIFACTS / "agg_fixed_seq_real.json").read_text())["rows"][0]["data"] | changes
    return {name: value for name, value in row.items() if name not in changes or value is not None}


def zip_of(members: Mapping[str, bytes | str | Mapping[str, Any] | Sequence[Any]]) -> bytes:
    """A ZIP; what is neither text nor bytes is written as JSON."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name, value if isinstance(value, bytes | str) else json.dumps(value))
    return content.getvalue()


@cache
def inference_files() -> tuple[SqlFile, ...]:
    """The files of schema inference and all that they read."""
    files = {file.qualified_name: file for layer in build.TABLE_LAYERS for file in sql_files.layer_files(layer)}
    needed: set[str] = set()
    pending = [name for name in files if name.startswith("inference.") or name.startswith("main.dim_")]
    pending = [name for name in pending if files[name].group in (None, "inference")] + ["main.key_names"]
    while pending:
        name = pending.pop()
        if name in files and name not in needed:
            needed.add(name)
            pending += [sql_files.qualified(read) for read in files[name].depends]
    return tuple(file for file in files.values() if file.qualified_name in needed)


def build_inference(home: Path) -> None:
    """Bring what landed into the build file: what `alems materialize` does, for these tables alone."""
    warehouse = Warehouse(home)
    build_landed_days(warehouse)
    with warehouse.write() as con:
        build.build_tables(con, warehouse, inference_files())
        checks = [c for c in sql_files.layer_files("checks") if c.name in ("inference_keys", "keys_unmapped")]
        build.run_checks(con, checks)


def rows_of(home: Path, query: str, *parameters: Any) -> list[Row]:
    """Rows of a query on the build file."""
    with duckdb.connect(Warehouse(home).build_path) as con:
        con.execute("SET TimeZone = 'UTC'")
        cursor = con.execute(query, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
