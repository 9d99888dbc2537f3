"""DuckDB files with run conditions, for tests, made of Python values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from alems_pipeline import sql_files
from alems_pipeline.condition_tables import CONDITIONS
from alems_pipeline.store_schemas import in_schema
from collectors.contract_conditions import VALUE_COLUMNS

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
    declare_tables(con, schema)
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
            INSERT INTO {schema}.conditions (id, run_number, condition_type_id, {VALUE_COLUMNS[value_type]}, created)
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


def declare_tables(con: duckdb.DuckDBPyConnection, schema: str = "rcdb") -> None:
    """The tables of run conditions, empty."""
    con.execute(f"CREATE SCHEMA {schema}")
    for file in sql_files.layer_files("core"):
        if file.schema == CONDITIONS.schema:
            sql_files.run_declaration(con, in_schema(file, CONDITIONS, schema))
