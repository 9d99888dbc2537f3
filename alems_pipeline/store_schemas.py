"""Tables of stores that are imported whole: a schema for the first store of a kind, and one for each further store.

The files of `sql/` name the first store's schema; for another store they are run again with its schema in that place.
`{store}` is the text by which the rows of the store are known in `stage`. A store may hold millions of rows: tables are
made anew only when something that they are made from has landed or changed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import duckdb

from alems_pipeline import sql_files
from alems_pipeline.sql_files import SqlFile, sql_text


@dataclass(frozen=True, eq=False)
class StoreKind:
    """Stores of one kind, such as those of MLflow."""

    schema: str
    """Of the first store; those of further ones begin with it."""
    stores: str
    """Query: the schemas of the stores that have landed."""
    datasets: tuple[str, ...]
    """What its tables are made from, as it landed."""
    runs: bool = False
    """Whether they are also made from which runs there are."""
    complete: Mapping[str, Callable[[duckdb.DuckDBPyConnection, SqlFile], SqlFile]] = field(default_factory=dict)
    """Table or view -> what puts into its file the columns that depend on what has landed."""
    fill: Mapping[str, Callable[[duckdb.DuckDBPyConnection, SqlFile], None]] = field(default_factory=dict)
    """Table -> what gives its rows, where Python computes them."""
    wide: frozenset[str] = frozenset()
    """Tables and views whose columns depend on what has landed."""


def build(con: duckdb.DuckDBPyConnection, kind: StoreKind, file: SqlFile, code: str) -> None:
    """Make a table or view for every store, unless nothing has changed. `code`: the version of the code."""
    landed = _landed(con, kind)
    for one in in_every_schema(con, file, kind):
        # What it reads may have been made of older rows, where somebody had only a part of the tables made.
        made_from = sql_files.digest(code, *landed, *sql_files.made_of(con, one, kind.schema))
        if sql_files.made_from(con, one.qualified_name) == made_from:
            continue
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {one.schema}")
        whole = kind.complete[one.name](con, one) if one.name in kind.complete else one
        sql_files.run(con, whole)
        if one.name in kind.fill:
            kind.fill[one.name](con, one)
        sql_files.comment(con, [whole])
        sql_files.note_made_from(con, one.qualified_name, made_from)


def in_every_schema(con: duckdb.DuckDBPyConnection, file: SqlFile, kind: StoreKind) -> list[SqlFile]:
    """The file as it is, or, where it names tables of such stores, as it reads for each of them."""
    if not _tables(kind.schema).search(file.text):
        return [file]
    stores = con.execute(f"SELECT * FROM ({kind.stores}) ORDER BY ALL").fetchall()
    return [in_schema(file, kind, schema) for schema in dict.fromkeys([kind.schema, *(name for (name,) in stores)])]


def in_schema(file: SqlFile, kind: StoreKind, schema: str) -> SqlFile:
    """The file as it reads for the store in that schema."""
    text = _tables(kind.schema).sub(f"{schema}.", file.text).replace("{store}", sql_text(schema))
    return replace(file, schema=schema, text=text)


def distinct_columns(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """The names as they are; but one that is taken, or was there before, ends in _2, _3, …

    DuckDB's names are blind to case: the second of two that differ only in it would silently be the first.
    """
    known = {name.casefold() for name in taken}
    columns = []
    for name in names:
        column, n = name, 1
        while column.casefold() in known:
            n += 1
            column = f"{name}_{n}"
        known.add(column.casefold())
        columns.append(column)
    return columns


@cache
def _tables(schema: str) -> re.Pattern[str]:
    """The schema, where the name of one of its tables follows: others, as in 'mlflow.parentRunId', mean no table."""
    files = (file for layer in sql_files.LAYERS for file in sql_files.layer_files(layer))
    names = "|".join(sorted({file.name for file in files if file.schema == schema}))
    return re.compile(rf"\b{schema}\.(?=(?:{names})\b)")


def _landed(con: duckdb.DuckDBPyConnection, kind: StoreKind) -> list[str]:
    """What has landed of such stores, and which runs there are: stage rows are a function of these."""
    found = con.execute(
        "SELECT count(*), bit_xor(hash(path, bytes, n_rows, created_at)) FROM ops.landing_files "
        "WHERE status = 'accepted' AND list_contains(?, dataset)",
        [kind.datasets],
    ).fetchall()
    if kind.runs:
        found += con.execute(
            "SELECT count(*), bit_xor(hash(run_id, start_time_ns, end_time_ns)) FROM stage.runs"
        ).fetchall()
    return [str(row) for row in found]
