"""DuckDB files with run conditions, for tests: from Python values, or copied from a store of the real rcdb package."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

DDL = Path(__file__).parents[1] / "sql/ddl/rcdb.sql"
COLUMNS = {
    "string": "text_value",
    "json": "text_value",
    "blob": "text_value",
    "int": "int_value",
    "float": "float_value",
    "bool": "bool_value",
    "time": "time_value",
}
SQL_TYPES = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "time": "TIMESTAMPTZ"} | dict.fromkeys(
    ("string", "json", "blob"), "VARCHAR"
)
CREATED = datetime(2024, 1, 1, tzinfo=UTC)


def write_store(
    path: Path,
    types: Mapping[str, str],
    runs: Mapping[int, Mapping[str, Any]],
    aliases: Mapping[str, str] | None = None,
    schema: str = "rcdb",
) -> Path:
    """A file with these condition types, runs with their values, and aliases."""
    con = duckdb.connect(str(path), config={"storage_compatibility_version": "v1.5.0"})
    con.execute("SET TimeZone = 'UTC'")
    con.execute(DDL.read_text().replace("rcdb.", f"{schema}.").replace("EXISTS rcdb;", f"EXISTS {schema};"))
    ids = {name: number for number, name in enumerate(types, start=1)}
    con.execute("BEGIN")
    for name, value_type in types.items():
        con.execute(
            f"INSERT INTO {schema}.condition_types (id, name, value_type, created) VALUES (?, ?, ?, ?)",
            [ids[name], name, value_type, CREATED],
        )
    con.execute(f"INSERT INTO {schema}.runs (number) SELECT unnest($numbers::BIGINT[])", {"numbers": list(runs)})
    for name, value_type in types.items():
        # In the order of type and run, as the import writes them.
        found = [(number, runs[number][name]) for number in sorted(runs) if name in runs[number]]
        con.execute(
            f"""
            INSERT INTO {schema}.conditions (id, run_number, condition_type_id, {COLUMNS[value_type]}, created)
            SELECT number * 1000 + $type, number, $type, value, $created
            FROM (SELECT unnest($numbers::BIGINT[]) AS number, unnest($values::{SQL_TYPES[value_type]}[]) AS value)
            """,
            {
                "type": ids[name],
                "created": CREATED,
                "numbers": [number for number, _ in found],
                "values": [value for _, value in found],
            },
        )
    for number, (name, code) in enumerate((aliases or {}).items()):
        con.execute(f"INSERT INTO {schema}.aliases (id, name, code) VALUES (?, ?, ?)", [number, name, code])
    con.execute("COMMIT")
    con.close()
    return path


def copy_rcdb_store(store: Path, path: Path, aliases: Mapping[str, str]) -> Path:
    """The types, runs and conditions of an SQLite store, with the meaning that the import gives them.

    The value is that of the type's column, whatever the others hold; of two rows of a run and type the newest counts; a
    time without a zone is UTC.
    """
    lite = sqlite3.connect(store)
    types = dict(lite.execute("SELECT name, value_type FROM condition_types ORDER BY id"))
    runs: dict[int, dict[str, Any]] = {number: {} for (number,) in lite.execute("SELECT number FROM runs")}
    for name, value_type in types.items():
        rows = lite.execute(
            f"""
            SELECT c.run_number, c.{COLUMNS[value_type]}
            FROM conditions AS c JOIN condition_types AS t ON t.id = c.condition_type_id
            WHERE t.name = ?
            ORDER BY c.created, c.id
            """,
            [name],
        )
        for number, value in rows:
            runs[number][name] = _typed(value_type, value)
    lite.close()
    return write_store(path, types, runs, aliases)


def _typed(value_type: str, value: Any) -> Any:
    if value_type == "bool":
        return bool(value)
    if value_type == "time" and value is not None:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value
