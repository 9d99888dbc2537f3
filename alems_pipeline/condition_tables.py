"""The tables of run conditions: schema rcdb, and a schema rcdb_<name> for each further store, by the same SQL files."""

from dataclasses import replace
from typing import Final

import duckdb

from alems_pipeline.sql_files import SqlFile, quoted
from alems_pipeline.store_schemas import StoreKind, distinct_columns
from collectors.contract import REJECTS, RUN_CONDITIONS
from collectors.contract_conditions import CONDITION_DATASETS, VALUE_COLUMNS

_OF_A_STORE: Final = [
    dataset for dataset in CONDITION_DATASETS if "schema_name" in dataset.column_names and dataset not in REJECTS
]


def with_columns(con: duckdb.DuckDBPyConnection, file: SqlFile) -> SqlFile:
    """v_run_conditions with a column for each condition type, in the order of their ids."""
    types = con.execute(
        f"SELECT name, id, value_type, coalesce(description, '') FROM {file.schema}.condition_types ORDER BY id"
    ).fetchall()
    columns = distinct_columns((name for name, *_ in types), taken=file.column_docs)
    names = [f"wide.c{place} AS {quoted(column)}" for place, column in enumerate(columns)]
    values = [
        f"any_value({VALUE_COLUMNS[value_type]}) FILTER (condition_type_id = {id_}) AS c{place}"
        for place, (_, id_, value_type, _) in enumerate(types)
    ]
    meanings = {
        column: f"{name}, {value_type}" + (f": {description}" if description else "")
        for column, (name, _, value_type, description) in zip(columns, types, strict=True)
    }
    text = file.text.replace("{condition names}", ",\n    ".join(names))
    text = text.replace("{condition values}", ",\n        ".join(values))
    return replace(file, text=text, column_docs={**file.column_docs, **meanings})


CONDITIONS: Final = StoreKind(
    schema="rcdb",
    stores=" UNION ".join(f"SELECT schema_name FROM stage.{dataset.name}" for dataset in _OF_A_STORE),
    datasets=tuple(dataset.name for dataset in (*CONDITION_DATASETS, RUN_CONDITIONS)),
    runs=True,
    complete={"v_run_conditions": with_columns},
    wide=frozenset({"v_run_conditions"}),
)
