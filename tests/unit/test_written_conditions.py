"""What the collector refuses of conditions written by hand, and what it drops."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from collectors.cli import app
from collectors.contract import RUN_CONDITIONS
from collectors.contract_conditions import RCDB_CONDITION_TYPES, RCDB_CONDITIONS, RCDB_REMOVED, RCDB_RUNS
from collectors.drop import drop_rows
from collectors.ids import time_ordered_id
from collectors.landed_conditions import known_types
from collectors.sources.rcdb_store import content_sha256
from collectors.sources.rcdb_values import UnknownZone
from collectors.written_conditions import (
    BadCondition,
    add_file,
    declare_type,
    read_value,
    same,
    write_alias,
    write_condition,
    write_run_period,
)
from tests.warehouses import link_landing

NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def with_runs(landing: Path) -> Path:
    """A landing folder in which runs 4 to 6 and 30 of a store have landed."""
    records = [{"schema_name": "rcdb", "recorded_at": NOON, "number": number} for number in (4, 5, 6, 30)]
    drop_rows(landing, RCDB_RUNS, records, host="h", producer="tests", date=NOON.date())
    return landing


def rows(landing: Path, dataset: str) -> list[dict[str, Any]]:
    found = [row for path in (landing / dataset).rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: row["recorded_at"])


@pytest.mark.parametrize(
    ("text", "value_type", "value"),
    [
        ("42", "int", 42), ("-7", "int", -7), ("3.0", "int", 3), ("1e3", "int", 1000),
        (str(2**63 - 1), "int", 2**63 - 1), ("0.5", "float", 0.5), ("7", "float", 7.0), ("-1e-300", "float", -1e-300),
        ("true", "bool", True), ("False", "bool", False), ("1", "string", "1"), ("", "string", ""),
        ('{"a": [1, null]}', "json", '{"a": [1, null]}'), ("3", "json", "3"), ("\x00x", "blob", "\x00x"),
        ("2024-05-01T12:00Z", "time", NOON), ("2024-05-01 14:00+02:00", "time", NOON),
        ("2024-05-01 12:00", "time", NOON),
    ],
)  # fmt: skip
def test_a_text_is_read_by_the_type(text: str, value_type: str, value: Any) -> None:
    found = read_value(text, value_type)
    assert found == value and type(found) is type(value)


def test_a_time_without_a_zone_is_of_the_zone_that_is_given() -> None:
    assert read_value("2024-05-01 08:00", "time", "America/New_York") == NOON
    assert read_value("2024-05-01 12:00Z", "time", "America/New_York") == NOON
    with pytest.raises(UnknownZone, match="Mars"):
        read_value("2024-05-01", "time", "Mars")


@pytest.mark.parametrize(
    ("text", "value_type", "rule"),
    [
        ("3.5", "int", "an int takes no fraction"), ("many", "int", "is no integer"), ("", "int", "is no integer"),
        ("nan", "int", "is no integer"), ("inf", "int", "is no integer"), (str(2**63), "int", "64 bits"),
        ("x", "float", "is no number"), ("nan", "float", "not finite"), ("1e999", "float", "not finite"),
        ("1", "bool", "write true or false"), ("yes", "bool", "write true or false"), ("", "bool", "true or false"),
        ("{a: 1}", "json", "is no JSON"), ("NaN", "json", "is no JSON"), ("", "json", "is no JSON"),
        ("[" * 100_000, "json", "is no JSON"), ("yesterday", "time", "is no ISO 8601 time"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_of_the_type_is_refused(text: str, value_type: str, rule: str) -> None:
    with pytest.raises(BadCondition, match=rule):
        read_value(text, value_type)


def test_floats_are_the_same_within_a_trillionth() -> None:
    assert same(1.0, 1.0 + 1e-13) and not same(1.0, 1.0 + 1e-11)
    assert same("a", "a") and not same("a", "b") and not same(None, 0.0)


def test_the_rules_of_writing(with_runs: Path) -> None:
    landing = with_runs
    with pytest.raises(BadCondition, match="no condition type has this name"):
        write_condition(landing, 5, "current", "1.5")
    assert declare_type(landing, "current", "float", description="nA")
    assert not declare_type(landing, "current", "float")
    with pytest.raises(BadCondition, match="is of type float"):
        declare_type(landing, "current", "int")
    assert write_condition(landing, 5, "current", "1.5")
    assert not write_condition(landing, 5, "current", "1.5000000000001")
    with pytest.raises(BadCondition, match=r"run 5: has current = 1\.5 and not 2\.0; --replace"):
        write_condition(landing, 5, "current", "2")
    assert write_condition(landing, 5, "current", "2", replaces=True)
    assert not write_condition(landing, 5, "current", "2")
    assert write_condition(landing, 6, "current", "1.5"), "another run"
    written = rows(landing, "written_conditions")
    assert [(r["run_number"], r["float_value"], r["int_value"], r["replaces"]) for r in written] == [
        (5, 1.5, None, False), (5, 2.0, None, True), (6, 1.5, None, False)
    ]  # fmt: skip
    [declared] = rows(landing, "rcdb_condition_types")
    assert (declared["name"], declared["value_type"], declared["description"]) == ("current", "float", "nA")
    assert known_types(landing, "rcdb") == {"current": "float"} and known_types(landing, "rcdb_other") == {}


def test_a_run_that_has_not_landed_is_an_error(landing: Path, three_day_landing: Path, tmp_path: Path) -> None:
    file = tmp_path / "note"
    file.write_text("x")
    link_landing(three_day_landing, landing.parent)
    declare_type(landing, "n", "int")
    [first, *_] = (
        row for path in sorted((landing / "runs").rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
    )
    run_id = time_ordered_id(first["run_key"], first["start_time_ns"] // 10**9)
    assert write_condition(landing, run_id, "n", "1")
    said = {"run_key": first["run_key"], "name": "x", "value_type": "int", "int_value": 3, "recorded_at": NOON}
    drop_rows(landing, RUN_CONDITIONS, [said], host="h", producer="tests", date=date(2026, 3, 1))
    declare_type(landing, "x", "float")
    assert not write_condition(landing, run_id, "x", "3"), "its program said so"
    with pytest.raises(BadCondition, match="has x = 3 and not 4"):
        write_condition(landing, run_id, "x", "4")
    values = (5, {"value_type": "int", "int_value": 1}), (said["run_key"], {"value_type": "float", "float_value": 0.5})
    for minute, (run_key, value) in enumerate(values):
        used = {"run_key": run_key, "name": "y", "recorded_at": NOON + timedelta(minutes=minute), **value}
        drop_rows(landing, RUN_CONDITIONS, [used], host="h", producer="tests", date=date(2026, 3, 1))
    assert not write_condition(landing, run_id, "y", "0.5"), "only its program used the name, as an int and a float"
    with pytest.raises(BadCondition, match=r"has y = 0\.5 and not 2\.0"):
        write_condition(landing, run_id, "y", "2")
    with pytest.raises(BadCondition, match="no condition type has this name"):
        write_condition(landing, 99, "y", "2", elsewhere=True, schema="rcdb_other")
    assert declare_type(landing, "y", "int"), "what programs used may be declared"
    for number in (99, run_id - 1, run_id + 10**9, 2**62, -1, 0):
        with pytest.raises(BadCondition, match=f"run {number}: has not landed here; check the number"):
            write_condition(landing, number, "n", "1")
        with pytest.raises(BadCondition, match="has not landed here"):
            add_file(landing, number, file)
    assert write_condition(landing, 99, "n", "1", elsewhere=True)


@pytest.mark.parametrize("name", ["", "9lives", "a b", "a__b", "a.b", "a-b", "größe", "ﬁeld", "a\n", "²"])
def test_a_name_that_no_query_could_name_is_refused(landing: Path, name: str) -> None:
    with pytest.raises(BadCondition, match="no query could name it; give letters a to z, digits and single _"):
        declare_type(landing, name, "int")
    with pytest.raises(BadCondition, match="no query could name it; give letters a to z"):
        write_alias(landing, name, "status == 1")
    assert not landing.exists()


@pytest.mark.parametrize("name", ["class", "in", "not", "None", "True", "lambda"])
def test_a_word_of_python_is_no_name(landing: Path, name: str) -> None:
    with pytest.raises(BadCondition, match="no query could name it; it is a word of Python's"):
        declare_type(landing, name, "int")
    assert not landing.exists()
    write_alias(landing, name, "status == 1")


def test_what_the_store_removed_or_never_had_is_no_value(with_runs: Path) -> None:
    landing, half_past = with_runs, NOON + timedelta(minutes=30)
    said = {"schema_name": "rcdb", "recorded_at": NOON}
    types = [{**said, "source_system": "rcdb", "type_id": 1, "name": "n", "value_type": "int"}]
    drop_rows(landing, RCDB_CONDITION_TYPES, types, host="h", producer="tests", date=NOON.date())
    key = {"condition_type_id": 1, "run_number": 4}
    values = [
        {**said, **key, "condition_id": 1, "int_value": 3, "created": NOON},
        {**said, **key, "condition_id": 2, "int_value": 4, "created": half_past},
        {**said, **key, "condition_id": 3, "run_number": 5},
        {**said, **key, "condition_id": 4, "run_number": 6, "int_value": 6},
    ]
    drop_rows(landing, RCDB_CONDITIONS, values, host="h", producer="tests", date=NOON.date())
    with pytest.raises(BadCondition, match="run 4: has n = 4 and not 3"):
        write_condition(landing, 4, "n", "3")
    assert write_condition(landing, 5, "n", "7"), "the row has no value"
    gone = {"schema_name": "rcdb", "recorded_at": half_past, "table_name": "conditions", **key}
    removed = [{**gone, "row_id": 2}, {**gone, "row_id": 4, "run_number": 6}]
    drop_rows(landing, RCDB_REMOVED, removed, host="h", producer="tests", date=NOON.date())
    assert write_condition(landing, 6, "n", "7")
    assert not write_condition(landing, 4, "n", "3"), "the row beside it counts now"
    gone = {"schema_name": "rcdb", "recorded_at": half_past}
    removed = [{**gone, "table_name": "runs", "row_id": 30}, {**gone, "table_name": "condition_types", "row_id": 1}]
    drop_rows(landing, RCDB_REMOVED, removed, host="h", producer="tests", date=NOON.date())
    with pytest.raises(BadCondition, match="run 30: has not landed here"):
        write_condition(landing, 30, "n", "7")
    with pytest.raises(BadCondition, match="no condition type has this name"):
        write_condition(landing, 4, "n", "7")


def test_a_type_is_what_the_store_said_last_of_its_id(with_runs: Path) -> None:
    landing, later = with_runs, NOON + timedelta(minutes=30)
    of_store = {"schema_name": "rcdb", "source_system": "rcdb", "type_id": 2}
    types = [
        {**of_store, "recorded_at": NOON, "name": "b", "value_type": "string"},
        {**of_store, "recorded_at": later, "name": "zed", "value_type": "int"},
    ]
    drop_rows(landing, RCDB_CONDITION_TYPES, types, host="h", producer="tests", date=NOON.date())
    value = {"condition_id": 1, "run_number": 4, "condition_type_id": 2, "int_value": 5, "created": later}
    value |= {"schema_name": "rcdb", "recorded_at": later}
    drop_rows(landing, RCDB_CONDITIONS, [value], host="h", producer="tests", date=NOON.date())
    assert known_types(landing, "rcdb") == {"zed": "int"}
    declare_type(landing, "b", "int")
    assert write_condition(landing, 4, "b", "6"), "the value is of zed"
    assert not write_condition(landing, 4, "zed", "5")


def test_periods_aliases_and_files(with_runs: Path, tmp_path: Path) -> None:
    landing = with_runs
    with pytest.raises(BadCondition, match="give the smaller number first"):
        write_run_period(landing, "p", 5, 4)
    with pytest.raises(BadCondition, match="give the earlier day first"):
        write_run_period(landing, "p", 4, 5, start_date=date(2024, 2, 1), end_date=date(2024, 1, 1))
    write_run_period(landing, "p", 4, 5, description="x", start_date=date(2024, 1, 1))
    [period] = rows(landing, "rcdb_run_periods")
    assert (period["run_min"], period["run_max"], period["start_date"]) == (4, 5, date(2024, 1, 1))
    write_alias(landing, "good", "status == 1")
    assert rows(landing, "rcdb_aliases")[0]["code"] == "status == 1"
    path = tmp_path / "run.conf"
    path.write_bytes(b"a = 1\r\nk\xc3\xa4se\n")
    for run in (4, 5):
        add_file(landing, run, path, importance=1)
    assert {r["file_id"] for r in rows(landing, "rcdb_files_have_runs")} == {rows(landing, "rcdb_files")[0]["file_id"]}
    assert rows(landing, "rcdb_file_contents")[0]["content"] == "a = 1\r\nkäse\n"
    assert rows(landing, "rcdb_files")[0]["sha256"] == content_sha256("a = 1\r\nkäse\n")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadCondition, match="is no text in UTF-8"):
        add_file(landing, 4, path)


def test_the_commands(with_runs: Path, tmp_path: Path) -> None:
    landing = with_runs

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--landing", str(landing)])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert run("condition-type", "status", "int", "--description", "by shift") == "status: int\n"
    assert run("condition-type", "status", "int") == "status: int, as it was\n"
    assert run("condition", "30", "status", "-1") == "run 30: status = -1\n"
    assert run("condition", "30", "status", "-1") == "run 30: status = -1, as it was\n"
    assert run("condition", "30", "status", "3", "--replace") == "run 30: status = 3\n"
    assert run("run-period", "2024-01", "30", "40", "--from", "2024-01-01") == "2024-01: runs 30 to 40\n"
    assert run("alias", "good", "status == 1") == "@good: status == 1\n"
    note = tmp_path / "note.txt"
    note.write_text("x")
    assert run("file", "30", str(note), "--low") == f"run 30: {note}\n"
    assert run("condition-type", "x", "time", "--store", "hall_b") == "x: time\n"
    assert run("condition", "1", "x", "2024-05-01 08:00", "--zone", "America/New_York", "--store", "hall_b",
               "--elsewhere")  # fmt: skip
    other = rows(landing, "written_conditions")[-1]
    assert (other["schema_name"], other["time_value"]) == ("rcdb_hall_b", NOON)
    assert CliRunner().invoke(app, ["condition-type", "x", "complex", "--landing", str(landing)]).exit_code == 2
