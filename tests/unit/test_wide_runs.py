"""A column for each parameter and metric, whatever their names are."""

from functools import cache

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alems_pipeline import build, sql_files, store_schemas, tracking_tables
from alems_pipeline.tracking_tables import TRACKING

FILES = {file.name: file for file in sql_files.layer_files("computed") if file.schema == TRACKING.schema}
NAMES = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=("Cs",)) | st.sampled_from("aA\"'_2."), max_size=8
)


@cache
def warehouse() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    build.prepare(con)
    con.execute("CREATE TABLE mlflow.runs AS SELECT 'run' AS run_uuid")
    con.execute("CREATE TABLE mlflow.params (run_uuid VARCHAR, key VARCHAR, value VARCHAR)")
    con.execute("CREATE TABLE mlflow.latest_metrics (run_uuid VARCHAR, key VARCHAR, value DOUBLE)")
    return con


def wide(
    params: dict[str, str], metrics: dict[str, float]
) -> tuple[dict[tuple[str, str], str | None], dict[str, object]]:
    """Columns by kind and key, and the row of a run."""
    con = warehouse()
    for table, values in (("params", params), ("latest_metrics", metrics)):
        con.execute(f"DELETE FROM mlflow.{table}")
        for key, value in values.items():
            con.execute(f"INSERT INTO mlflow.{table} VALUES ('run', ?, ?)", [key, value])
    con.execute("DELETE FROM ops.kept_tables")
    for name in ("wide_columns", "runs_wide"):
        store_schemas.build(con, TRACKING, FILES[name], "code")
    columns = con.execute("SELECT kind, key, column_name FROM mlflow.wide_columns").fetchall()
    result = con.execute("SELECT * FROM mlflow.runs_wide")
    names = [column[0] for column in result.description or ()]
    [row] = result.fetchall()
    return {(kind, key): column for kind, key, column in columns}, dict(zip(names, row, strict=True))


@settings(max_examples=25)
@given(params=st.dictionaries(NAMES, NAMES, max_size=5), metrics=st.dictionaries(NAMES, st.floats(-1, 1), max_size=5))
def test_every_value_is_in_its_column(params: dict[str, str], metrics: dict[str, float]) -> None:
    columns, row = wide(params, metrics)
    assert columns.keys() == {("params", key) for key in params} | {("metrics", key) for key in metrics}
    assert {name.lower() for name in row} == {"run_uuid", *(str(column).lower() for column in columns.values())}
    assert len(row) == len(columns) + 1
    for kind, values in (("params", params), ("metrics", metrics)):
        for key, value in values.items():
            assert row[str(columns[kind, key])] == value


def test_a_name_made_for_another_is_not_taken_twice() -> None:
    columns, _ = wide({"lr": "1", "LR": "2", "lr_2": "3"}, {})
    assert columns == {
        ("params", "LR"): "params.LR",
        ("params", "lr"): "params.lr_2",
        ("params", "lr_2"): "params.lr_2_2",
    }


def test_of_too_many_keys_the_rest_is_listed_without_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_tables, "MAX_WIDE", 2)
    columns, row = wide({"a": "1", "b": "2", "c": "3"}, {"m": 1.0})
    assert columns["params", "c"] is None
    assert row == {"run_uuid": "run", "params.a": "1", "params.b": "2", "metrics.m": 1.0}
