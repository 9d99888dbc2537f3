"""The tables ml.samples_<name> of the dataset store: their columns are only known when a dataset has landed."""

import json
from collections.abc import Iterable
from typing import Any, Final

import duckdb
import polars as pl

from alems_pipeline.sql_files import digest, quoted, sql_text

MADE_BY: Final = "1"
"""To be raised when the same samples are to give another table."""

COLUMNS: Final = {
    "table_name": pl.String,
    "n_datasets": pl.Int64,
    "n_samples": pl.Int64,
    "n_features": pl.Int64,
    "made_from": pl.String,
}
_INTEGERS: Final = ("BIGINT", "UBIGINT", "HUGEINT")
_NUMBERS: Final = (*_INTEGERS, "DOUBLE")


def sample_tables(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Make the tables that have changed and drop those without a dataset; returns the rows of ml.sample_tables."""
    made = {row[0]: row for row in con.execute(f"SELECT {', '.join(COLUMNS)} FROM ml.sample_tables").fetchall()}
    con.execute("DELETE FROM ml.sample_tables")
    rows = []
    for table, collections in _wanted(con).items():
        made_from = digest(MADE_BY, *(str(part) for one in collections for part in one))
        if table not in made or made[table][-1] != made_from:
            made[table] = _make(con, table, collections, made_from)
        rows.append(made[table])
    for table in made.keys() - {row[0] for row in rows}:
        con.execute(f"DROP TABLE IF EXISTS ml.{quoted(table)}")
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


_Collection = tuple[int, Any, str]
"""A dataset, when it was collected, and its columns."""


def _wanted(con: duckdb.DuckDBPyConnection) -> dict[str, list[_Collection]]:
    wanted: dict[str, list[_Collection]] = {}
    rows = con.execute(
        "SELECT table_name, dataset_id, recorded_at, columns_json FROM ml.datasets ORDER BY table_name, dataset_id"
    ).fetchall()
    for table, *collection in rows:
        wanted.setdefault(table, []).append(tuple(collection))
    return wanted


def _make(
    con: duckdb.DuckDBPyConnection, table: str, collections: list[_Collection], made_from: str
) -> tuple[Any, ...]:
    """Make one table; returns its row of ml.sample_tables."""
    features_of = {dataset_id: _features(columns) for dataset_id, _, columns in collections}
    types = _common_types(features_of.values())
    spelled = {name.lower(): name for name in types}
    own = {"sample_id": "BIGINT", "dataset_id": "BIGINT", "sample_index": "BIGINT"}
    listed = ", ".join(f"{quoted(name)} {type_}" for name, type_ in (own | types).items())
    con.execute(f"CREATE OR REPLACE TABLE ml.{quoted(table)} ({listed})")
    for dataset_id, features in features_of.items():
        fields = ", ".join(f"features[{sql_text(name)}] AS {quoted(spelled[name.lower()])}" for name in features)
        con.execute(
            f"INSERT INTO ml.{quoted(table)} BY NAME "
            "WITH parsed AS ("
            "SELECT samples.dataset_id, samples.sample_index, "
            f"from_json(samples.features_json, {sql_text(json.dumps(features))}) AS features "
            "FROM stage.ml_samples AS samples "
            "JOIN ml.datasets AS datasets ON datasets.dataset_id = samples.dataset_id "
            "AND datasets.recorded_at = samples.recorded_at "
            f"WHERE datasets.dataset_id = {dataset_id}) "
            "SELECT ops.stable_id(concat_ws(chr(31), dataset_id, sample_index)) AS sample_id, "
            f"dataset_id, sample_index, {fields} FROM parsed ORDER BY sample_index"
        )
    con.execute(
        f"COMMENT ON TABLE ml.{quoted(table)} IS 'Samples of the datasets that ml.datasets gives this table; key: "
        "dataset_id, sample_index'"
    )
    [(n_samples,)] = con.execute(f"SELECT count(*) FROM ml.{quoted(table)}").fetchall()
    return table, len(collections), n_samples, len(types), made_from


def _features(columns_json: str) -> dict[str, str]:
    """Features of a dataset with their SQL types."""
    return {column["name"]: column["type"] for column in json.loads(columns_json) if column["role"] == "feature"}


def _common_types(datasets: Iterable[dict[str, str]]) -> dict[str, str]:
    """The features of any dataset with a type that holds the values of all; names are the same whatever their case."""
    types: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for features in datasets:
        for feature, type_ in features.items():
            name = spelled.setdefault(feature.lower(), feature)
            types[name] = _common(types.get(name, type_), type_)
    return types


def _common(one: str, other: str) -> str:
    if one == other:
        return one
    if one in _INTEGERS and other in _INTEGERS:
        return "HUGEINT"
    return "DOUBLE" if one in _NUMBERS and other in _NUMBERS else "VARCHAR"
