"""Query results in every form, parameters bound, nothing written to the published file."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from rich.console import Console

from alems_pipeline.query import BadParameter, OutputFormat, parse_params, run_query, show

QUERY = "SELECT 1 AS a, 'x,y' AS b, NULL AS c, [1, 2] AS d, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS t"


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con


def printed(frame: pl.DataFrame, output: OutputFormat) -> str:
    file = io.StringIO()
    show(frame, output, Console(file=file, width=200), None)
    return file.getvalue()


def test_csv_is_read_back_by_a_csv_reader(con: duckdb.DuckDBPyConnection) -> None:
    header, row = csv.reader(io.StringIO(printed(run_query(con, QUERY, {}), OutputFormat.csv)))
    assert header == ["a", "b", "c", "d", "t"]
    assert row[:4] == ["1", "x,y", "", "[1, 2]"]
    assert datetime.fromisoformat(row[4]) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_json_keeps_null_and_lists(con: duckdb.DuckDBPyConnection) -> None:
    [row] = json.loads(printed(run_query(con, QUERY, {}), OutputFormat.json))
    assert (row["a"], row["b"], row["c"], row["d"]) == (1, "x,y", None, [1, 2])


def test_json_has_large_integers_and_decimals_as_numbers(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT sum(9223372036854775807) AS sum, 1.5 AS d, 2.0 AS whole, [0.25, NULL] AS l FROM range(3)"
    text = printed(run_query(con, query, {}), OutputFormat.json)
    assert json.loads(text) == [{"sum": 3 * (2**63 - 1), "d": 1.5, "whole": 2, "l": [0.25, None]}]


def test_json_has_times_as_iso_text_and_what_is_no_number_as_null(con: duckdb.DuckDBPyConnection) -> None:
    query = """
        SELECT DATE '2026-01-02' AS day, TIME '03:04:05' AS time, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at,
            'nan'::DOUBLE AS n, {'x': ['-inf'::DOUBLE, 1.0::DOUBLE]} AS s"""
    text = printed(run_query(con, query, {}), OutputFormat.json)
    assert json.loads(text, parse_constant=pytest.fail) == [
        {"day": "2026-01-02", "time": "03:04:05", "at": "2026-01-02T03:04:05+00:00", "n": None, "s": {"x": [None, 1]}}
    ]


def test_a_table_shows_every_cell(con: duckdb.DuckDBPyConnection) -> None:
    text = printed(run_query(con, "SELECT 42 AS answer, 'forty-two' AS words", {}), OutputFormat.table)
    assert "answer" in text and "42" in text and "forty-two" in text


def test_parquet_goes_to_a_file_only(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    frame = run_query(con, QUERY, {})
    with pytest.raises(BadParameter, match="not text"):
        printed(frame, OutputFormat.parquet)
    show(frame, OutputFormat.parquet, Console(), tmp_path / "x.parquet")
    assert pl.read_parquet(tmp_path / "x.parquet").equals(frame)


def test_parameters_are_bound_not_pasted(con: duckdb.DuckDBPyConnection) -> None:
    hostile = "x'; DROP TABLE t; --"
    con.execute("CREATE TABLE t AS SELECT 1")
    frame = run_query(con, "SELECT $name AS said", parse_params([f"name={hostile}"]))
    assert frame.item() == hostile
    assert con.execute("SELECT count(*) FROM t").fetchall() == [(1,)]


def test_a_number_parameter_is_cast_where_it_is_used(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE runs AS SELECT range AS run_id FROM range(5)")
    assert run_query(con, "SELECT run_id FROM runs WHERE run_id = $run_id", {"run_id": "3"}).item() == 3


@pytest.mark.parametrize(
    ("query", "params", "message"),
    [
        ("SELECT $run_id, $b", {}, "give --param b=VALUE --param run_id=VALUE"),
        ("SELECT ?", {}, "give --param 1=VALUE"),
        ("SELECT $run_id", {"runid": "3"}, r"--param runid: .* has \$run_id; give --param run_id=VALUE"),
        ("SELECT 1", {"runid": "3"}, "--param runid: .* has none; leave it out"),
    ],
)
def test_other_parameters_than_the_query_has_are_named(
    con: duckdb.DuckDBPyConnection, query: str, params: dict[str, str], message: str
) -> None:
    with pytest.raises(BadParameter, match=message):
        run_query(con, query, params)


def test_a_parameter_without_a_name_is_given_by_its_place(con: duckdb.DuckDBPyConnection) -> None:
    assert run_query(con, "SELECT ? AS said", parse_params(["1=x"])).item() == "x"


@pytest.mark.parametrize("param", ["run_id", "=3", "a b=3", "1a=3"])
def test_a_parameter_without_name_or_value_is_refused(param: str) -> None:
    with pytest.raises(BadParameter, match="NAME=VALUE"):
        parse_params([param])
