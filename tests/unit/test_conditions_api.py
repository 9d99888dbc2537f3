"""Run conditions for analysts: values with their types, selections, one run, other stores, and what is not there."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from alems_pipeline.conditions import (
    NoConditions,
    QueryFormatError,
    RunNotFound,
    UnknownCondition,
    explain,
    get_run,
    run_range,
    select_runs,
    select_values,
)
from alems_pipeline.warehouse import NotPublished, Warehouse
from tests.condition_stores import CREATED, declare_tables, write_store

NOON = datetime(2024, 5, 1, 12, 30, 0, 250, tzinfo=UTC)
TYPES = {
    "count": "int",
    "Count": "int",
    "current": "float",
    "kind": "string",
    "valid": "bool",
    "start": "time",
    "config": "json",
    "note": "blob",
    "select": "string",
    "with space": "int",
    "never": "string",
}
RUNS = {
    1: {
        "count": 5,
        "Count": -5,
        "current": 0.1,
        "kind": "it's",
        "valid": True,
        "start": NOON,
        "config": '{"a": [1, null]}',
        "note": "n",
        "select": "x",
        "with space": 7,
    },
    2: {"count": 2**63 - 1, "valid": False, "current": float("inf")},
    3: {},
    2**50 + 7: {"count": 0, "kind": "", "config": "[]"},
}
MEASURED = 2**50 + 7


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_store(tmp_path_factory.mktemp("api") / "alems.duckdb", TYPES, RUNS, {"many": "count > 1"})
    con = duckdb.connect(str(path))
    con.execute(
        "INSERT INTO rcdb.run_periods (id, name, run_min, run_max) VALUES (1, '2024-05', 1, 2), (2, 'all', 0, 9)"
    )
    con.execute(
        "INSERT INTO rcdb.run_periods (id, name, run_min, run_max) VALUES (3, 'twice', 1, 2), (4, 'twice', 3, 4)"
    )
    con.execute("UPDATE rcdb.runs SET started = TIMESTAMPTZ '2024-05-01 10:00:00+02' WHERE number = 1")
    con.close()
    return path


def test_values_come_with_their_types(path: Path) -> None:
    names = ["count", "Count", "current", "kind", "valid", "start", "config", "note", "select", "with space", "never"]
    [row] = select_values(names, "count == 5", warehouse=path)
    assert row == [1, 5, -5, 0.1, "it's", True, NOON, '{"a": [1, null]}', "n", "x", 7, None]
    assert [type(value) for value in row[1:7]] == [int, int, float, str, bool, datetime]
    assert row[6].utcoffset().total_seconds() == 0
    assert select_values(["count", "current", "valid"], warehouse=path)[1] == [2, 2**63 - 1, float("inf"), False]


def test_every_run_has_a_row_unless_the_query_says_otherwise(path: Path) -> None:
    assert select_values(["count"], warehouse=path) == [[1, 5], [2, 2**63 - 1], [3, None], [MEASURED, 0]]
    assert select_values("count", "not count", warehouse=path) == [[3, None], [MEASURED, 0]]
    assert select_values([], "@many", warehouse=path) == [[1], [2]]
    assert select_values(["never"], "never", warehouse=path) == []


def test_rows_without_run_number_and_in_descending_order(path: Path) -> None:
    rows = select_values(["count", "kind"], sort_desc=True, insert_run_number=False, warehouse=path)
    assert rows == [[0, ""], [None, None], [2**63 - 1, None], [5, "it's"]]
    assert select_values([], insert_run_number=False, warehouse=path) == [[], [], [], []]


def test_a_name_may_be_asked_for_twice_and_be_in_the_query(path: Path) -> None:
    assert select_values(["count", "count"], "count == 5", warehouse=path) == [[1, 5, 5]]


def test_ranges_include_both_ends_and_reversed_ones_are_swapped(path: Path) -> None:
    assert select_runs("", 1, 2, warehouse=path).numbers == [1, 2]
    assert select_runs("", 2, 1, warehouse=path).numbers == [1, 2]
    assert select_runs("", 3, warehouse=path).numbers == [3, MEASURED]
    assert select_runs("", MEASURED, MEASURED, warehouse=path).numbers == [MEASURED]
    assert select_runs("", -(10**30), 10**30, warehouse=path).numbers == [1, 2, 3, MEASURED]
    assert select_values([], run_min=2, run_max=2, warehouse=path) == [[2]]
    with pytest.raises(TypeError):
        select_runs("", 1.5, warehouse=path)  # type: ignore[arg-type]


def test_a_list_of_runs_takes_the_place_of_the_range(path: Path) -> None:
    assert select_values(["count"], "", 7, 9, [MEASURED, 1, 1, 99], warehouse=path) == [[1, 5], [MEASURED, 0]]
    assert select_values(["count"], runs=[], warehouse=path) == []
    assert select_values([], runs=[get_run(3, warehouse=path)], warehouse=path) == [[3]]
    assert select_values([], runs=select_runs("count", warehouse=path), warehouse=path) == [[1], [2]]


def test_select_runs_wants_every_condition_named(path: Path) -> None:
    assert select_runs("not count", warehouse=path).numbers == [MEASURED]
    assert select_runs("count or kind", warehouse=path).numbers == [1]
    assert select_runs("count != 5 or valid", warehouse=path).numbers == [1, 2]
    assert select_runs("2 > 1", warehouse=path).numbers == [1, 2, 3, MEASURED]


def test_a_selection_gives_numbers_values_and_a_data_frame(path: Path) -> None:
    selection = select_runs("count >= 0", sort_desc=True, warehouse=path)
    assert selection.numbers == list(selection) == [MEASURED, 2, 1]
    assert len(selection) == 3
    assert selection.get_values(["kind"]) == [[""], [None], ["it's"]]
    assert selection.get_values("kind", insert_run_number=True) == [[MEASURED, ""], [2, None], [1, "it's"]]
    frame = selection.to_polars(["count", "Count", "current", "valid", "start", "config"])
    assert frame.schema == pl.Schema(
        {
            "run_number": pl.Int64,
            "count": pl.Int64,
            "Count": pl.Int64,
            "current": pl.Float64,
            "valid": pl.Boolean,
            "start": pl.Datetime("us", "UTC"),
            "config": pl.String,
        }
    )
    assert frame["run_number"].to_list() == [MEASURED, 2, 1]
    assert frame["start"].to_list() == [None, None, NOON]
    assert selection.to_polars().columns == ["run_number"]
    nobody = select_runs("count == 77", warehouse=path)
    assert nobody.get_values(["count"]) == []
    assert nobody.to_polars(["start"]).schema == {"run_number": pl.Int64, "start": pl.Datetime("us", "UTC")}


def test_json_is_parsed_on_request(path: Path, tmp_path: Path) -> None:
    rows = select_values(["config", "note"], "config", parse_json=True, warehouse=path)
    assert rows == [[1, {"a": [1, None]}, "n"], [MEASURED, [], None]]
    assert select_runs("config", warehouse=path).get_values("config", parse_json=True) == [[{"a": [1, None]}], [[]]]
    broken = write_store(tmp_path / "broken.duckdb", {"config": "json"}, {4: {"config": "{"}})
    assert select_values(["config"], warehouse=broken) == [[4, "{"]]
    with pytest.raises(ValueError, match="run 4, condition config: not JSON"):
        select_values(["config"], parse_json=True, warehouse=broken)


def test_one_run_with_its_conditions(path: Path) -> None:
    run = get_run(1, warehouse=path)
    assert (run.number, run.started, run.finished) == (1, datetime(2024, 5, 1, 8, tzinfo=UTC), None)
    assert {name: condition.value for name, condition in run.conditions.items()} == RUNS[1]
    assert run.conditions["start"].value_type == "time"
    assert run.conditions["count"].time == CREATED
    assert run.conditions["config"].json == {"a": [1, None]}
    with pytest.raises(TypeError, match="condition count: its type is int, not json"):
        _ = run.conditions["count"].json
    assert get_run(3, warehouse=path).conditions == {}
    with pytest.raises(RunNotFound, match="run 99: not in schema rcdb"):
        get_run(99, warehouse=path)


def test_run_periods_are_ranges_with_a_name(path: Path) -> None:
    assert run_range("2024-05", warehouse=path) == (1, 2)
    assert select_runs("", *run_range("2024-05", warehouse=path), warehouse=path).numbers == [1, 2]
    with pytest.raises(NoConditions, match=r"'2023': none has this name; schema rcdb knows: 2024-05, all, twice"):
        run_range("2023", warehouse=path)
    assert run_range("twice", warehouse=path) == (3, 4), "the newest of the store"


def test_explain_gives_sql_that_runs_as_it_is(path: Path) -> None:
    statement = explain("count > 1 and kind == 'it''s'".replace("''", "\\'"), warehouse=path)
    assert sorted(map(str, statement.parameters.values())) == ["0", "1", "1", "4", "it's"]
    assert '-- $p1 = "it\'s"' in str(statement)
    con = duckdb.connect(str(path), read_only=True)
    assert con.execute(statement.sql, statement.parameters).fetchall() == [(1,)]
    statement = explain("count > 1", "current", warehouse=path)
    assert con.execute(statement.sql, statement.parameters).fetchall() == [(1, 0.1), (2, float("inf"))]
    statement = explain("", None, 2, 1, sort_desc=True, warehouse=path)
    assert con.execute(statement.sql, statement.parameters).fetchall() == [(2,), (1,)]
    con.close()


def test_unknown_names_are_errors_that_help(path: Path) -> None:
    with pytest.raises(UnknownCondition, match="condition 'curent': none has this name; did you mean 'current'"):
        select_values(["curent"], warehouse=path)
    with pytest.raises(QueryFormatError, match=r"query, character 1, 'curent': no condition .* did you mean 'current'"):
        select_runs("curent > 1", warehouse=path)
    with pytest.raises(UnknownCondition):
        select_values(['count" FROM x --'], warehouse=path)


def test_a_second_store_has_a_schema_of_its_own(path: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.duckdb"
    write_store(both, {"a": "int"}, {1: {"a": 1}})
    write_store(both, {"a": "string"}, {2: {"a": "x"}}, schema="rcdb_hall_d")
    assert select_values(["a"], warehouse=both) == [[1, 1]]
    assert select_values(["a"], "a == 'x'", warehouse=both, schema="rcdb_hall_d") == [[2, "x"]]
    assert select_runs("a", warehouse=both, schema="rcdb_hall_d").get_values("a") == [["x"]]
    for schema in ("rcdb_hall_b", "main", 'rcdb"; DROP SCHEMA rcdb; --', ""):
        with pytest.raises(NoConditions, match="schemas that do: rcdb, rcdb_hall_d"):
            select_runs(schema=schema, warehouse=both)


def test_a_file_named_like_the_schema_works(tmp_path: Path) -> None:
    store = write_store(tmp_path / "other.duckdb", {"a": "int"}, {1: {"a": 1}}).rename(tmp_path / "rcdb.duckdb")
    assert select_values(["a"], warehouse=store) == [[1, 1]]


def test_a_file_without_conditions_and_a_missing_one(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(NoConditions, match="none; import a store by `alems-collect rcdb URL`"):
        select_runs(warehouse=tmp_path / "empty.duckdb")
    with pytest.raises(NotPublished, match="alems materialize"):
        select_runs(warehouse=tmp_path / "missing.duckdb")


def test_the_published_file_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(tmp_path / "alems.duckdb", {"a": "int"}, {1: {"a": 1}})
    monkeypatch.setenv("ALEMS_WAREHOUSE", str(tmp_path))
    assert select_values(["a"]) == [[1, 1]]
    assert get_run(1).conditions["a"].value == 1


def test_beside_an_open_connection_of_the_analyst(path: Path) -> None:
    with duckdb.connect(str(path), read_only=True) as con:
        assert select_runs("count == 5", warehouse=path).numbers == [1]
        con.execute("SET TimeZone = 'America/New_York'")
        con.execute("USE rcdb")
        assert select_values(["start"], "start == '2024-05-01T12:30:00.000250'", warehouse=con) == [[1, NOON]]
        assert get_run(1, warehouse=con).conditions["start"].value == NOON


def test_within_a_write_of_the_pipeline(tmp_path: Path) -> None:
    with Warehouse(tmp_path).write() as con:
        declare_tables(con)
        con.execute("INSERT INTO rcdb.runs (number) VALUES (1), (2)")
        con.execute("INSERT INTO rcdb.condition_types (id, name, value_type) VALUES (1, 'a', 'int')")
        con.execute("INSERT INTO rcdb.conditions (id, run_number, condition_type_id, int_value) VALUES (1, 2, 1, 5)")
        assert select_runs("a == 5", warehouse=con).numbers == [2]


def test_a_number_that_is_none_is_no_value(tmp_path: Path) -> None:
    con = duckdb.connect()
    declare_tables(con)
    with pytest.raises(duckdb.ConstraintException):
        con.execute(
            "INSERT INTO rcdb.conditions (id, run_number, condition_type_id, float_value) VALUES (1, 1, 1, 'nan')"
        )
    con.close()
    store = write_store(tmp_path / "inf.duckdb", {"x": "float"}, {1: {"x": float("inf")}, 2: {"x": 1.0}})
    assert select_runs("x - x == 0", warehouse=store).numbers == [2]
    assert select_runs("not x - x", warehouse=store).numbers == [2]
    assert select_runs("x - x != 5", warehouse=store).numbers == [2]
    assert select_runs("x - x not in []", warehouse=store).numbers == [2]
