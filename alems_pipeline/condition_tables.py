"""The tables of run conditions: schema rcdb, and a schema rcdb_<name> for each further store, by the same SQL files.

They are made anew only when something of them has landed: a store may hold millions of conditions.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import duckdb

from alems_pipeline import sql_files
from alems_pipeline.sql_files import SqlFile, quoted, sql_text
from collectors.contract import REJECTS, RUN_CONDITIONS
from collectors.contract_conditions import CONDITION_DATASETS, VALUE_COLUMNS

SCHEMA: Final = "rcdb"
_OF_A_STORE: Final = [
    dataset for dataset in CONDITION_DATASETS if "schema_name" in dataset.column_names and dataset not in REJECTS
]
_IN_SCHEMA: Final = re.compile(rf"\b{SCHEMA}\.")
_NAMES, _VALUES = "{condition names}", "{condition values}"


def build(con: duckdb.DuckDBPyConnection, file: SqlFile, code: str) -> None:
    """Make a table or view in every schema where what it is made from has changed. `code`: the version of the code."""
    landed = _fingerprint(con)
    for one in in_every_schema(con, file):
        # What it reads may have been made of older rows, where somebody had only a part of the tables made.
        made_from = sql_files.digest(code, *landed, *sql_files.made_of(con, one, SCHEMA))
        made = con.execute(
            "SELECT code_hash FROM ops.kept_tables WHERE table_name = ?", [one.qualified_name]
        ).fetchall()
        if made == [(made_from,)]:
            continue
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {one.schema}")
        con.execute(f"SET VARIABLE condition_schema = {sql_text(one.schema)}")
        columns = _wide_columns(con, one.schema) if _NAMES in one.text else []
        con.execute(_with_columns(one.text, columns))
        sql_files.comment(
            con, [replace(one, column_docs={**one.column_docs, **{name: doc for name, _, doc in columns}})]
        )
        con.execute("INSERT OR REPLACE INTO ops.kept_tables VALUES (?, ?)", [one.qualified_name, made_from])


def in_every_schema(con: duckdb.DuckDBPyConnection, file: SqlFile) -> Iterator[SqlFile]:
    """The file as it is, and, where it speaks of run conditions, as it reads for each further store."""
    if not _IN_SCHEMA.search(file.text):
        yield file
        return
    stores = con.execute(
        " UNION ".join(f"SELECT schema_name FROM stage.{dataset.name}" for dataset in _OF_A_STORE) + " ORDER BY ALL"
    ).fetchall()
    for schema in dict.fromkeys([SCHEMA, *(name for (name,) in stores)]):
        yield in_schema(file, schema)


def in_schema(file: SqlFile, schema: str) -> SqlFile:
    """The file as it reads for a store in another schema."""
    return replace(file, schema=schema, text=_IN_SCHEMA.sub(f"{schema}.", file.text))


def has_made_columns(file: SqlFile) -> bool:
    """Whether the columns of a view depend on what has landed."""
    return _NAMES in file.text


def _fingerprint(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """What has landed of conditions, and which runs there are: stage rows are a function of these."""
    datasets = [dataset.name for dataset in (*CONDITION_DATASETS, RUN_CONDITIONS)]
    [landed] = con.execute(
        "SELECT count(*), bit_xor(hash(path, bytes, n_rows, created_at)) FROM ops.landing_files "
        "WHERE status = 'accepted' AND list_contains(?, dataset)",
        [datasets],
    ).fetchall()
    [measured] = con.execute(
        "SELECT count(*), bit_xor(hash(run_id, start_time_ns, end_time_ns)) FROM stage.runs"
    ).fetchall()
    return str(landed), str(measured)


def _wide_columns(con: duckdb.DuckDBPyConnection, schema: str) -> list[tuple[str, str, str]]:
    """Column name, aggregate and meaning of each condition type, in the order of their ids.

    DuckDB's names are blind to case: the second of two that differ only in it would silently be the first.
    """
    taken = {"run_number", "started", "finished"}
    columns = []
    types = con.execute(
        f"SELECT id, name, value_type, coalesce(description, '') FROM {schema}.condition_types ORDER BY id"
    ).fetchall()
    for id_, name, value_type, description in types:
        column, n = name, 1
        while column.casefold() in taken:
            n += 1
            column = f"{name}_{n}"
        taken.add(column.casefold())
        value = f"any_value({VALUE_COLUMNS[value_type]}) FILTER (condition_type_id = {id_})"
        meaning = f"{name}, {value_type}" + (f": {description}" if description else "")
        columns.append((column, value, meaning))
    return columns


def _with_columns(text: str, columns: list[tuple[str, str, str]]) -> str:
    """The text with a column for each condition in the place of {condition names} and {condition values}."""
    names = [f"wide.c{place} AS {quoted(name)}" for place, (name, _, _) in enumerate(columns)]
    values = [f"{value} AS c{place}" for place, (_, value, _) in enumerate(columns)]
    return text.replace(_NAMES, ",\n    ".join(names)).replace(_VALUES, ",\n        ".join(values))
