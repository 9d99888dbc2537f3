"""Stores that the real rcdb package wrote, on SQLite and on a MariaDB server, imported and published: what the package
reads is what analysts read.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from alems_pipeline.cli import KNOWN_ERRORS, app
from alems_pipeline.conditions import (
    NoConditions,
    QueryFormatError,
    RunNotFound,
    UnknownCondition,
    get_run,
    list_conditions,
    run_range,
    select_runs,
    select_values,
)
from alems_pipeline.sql_files import SQL_ROOT
from alems_pipeline.warehouse import Warehouse
from collectors.contract import RUN_CONDITIONS
from collectors.drop import drop_rows
from collectors.sources.rcdb_store import BadStoreName, NotAnRcdbStore, SchemaTaken, import_store
from collectors.sources.rcdb_values import UnknownZone
from collectors.sources.sqlite_file import StoreUnreadable
from collectors.written_conditions import add_file, declare_type, write_alias, write_condition, write_run_period
from tests.mariadb_server import PASSWORD, mariadb
from tests.small_landing import drop_session
from tests.warehouses import materialize

rcdb_provider = pytest.importorskip("rcdb.provider", reason="the real rcdb package is not installed (test extra)")
rcdb_model = pytest.importorskip("rcdb.model")
sqlalchemy = pytest.importorskip("sqlalchemy")

GUIDE = Path(__file__).parents[1] / "data/rcdb_guide.sql"
ZONE = "America/New_York"

# In the order of the guide's queries: types 1 to 4, and 56.
TYPES = {"event_rate": "float", "event_count": "int", "run_type": "string", "run_config": "string"}
OTHERS = {
    "beam_current": "float", "is_valid": "bool", "run_start": "time", "rtvs": "json", "notes": "blob",
    "Status": "int", "status": "string",
}  # fmt: skip
VALUES = {
    "event_rate": 12.5, "event_count": 2_000_000, "run_type": "PHYSICS", "run_config": "käse 'n'", "beam_current": 0.1,
    "is_valid": True, "run_start": datetime(2024, 7, 1, 12, 30, 0, 250000), "rtvs": '{"a": [1, 2]}', "notes": "free",
    "Status": -1, "status": "ok",
}  # fmt: skip
SENTINELS = {"event_rate": 0.0, "event_count": 0, "is_valid": False, "run_type": "", "Status": 2**31 - 1}
RUNS = {0: {}, 7: SENTINELS, 10_001: VALUES, 51_269: VALUES | {"event_count": 1, "beam_current": 150.25}}


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'rcdb.sqlite'}"


@pytest.fixture(scope="module")
def mysql_url() -> Iterator[str]:
    with mariadb() as url:
        yield url


def write_store(url: str) -> Any:
    """A store with every type of condition, values and the zeros that stand for none, files, periods and aliases."""
    db = rcdb_provider.RCDBProvider(url, user_name="shift", check_version=False)
    rcdb_provider.destroy_all_create_schema(db)
    for name, value_type in TYPES.items():
        db.create_condition_type(name, value_type, f"what {name} means")
    db.session.add(rcdb_model.ConditionType(id=56, name="polarization_angle", value_type="float"))
    db.session.commit()
    for name, value_type in OTHERS.items():
        db.create_condition_type(name, value_type, "")
    db.create_condition_type("class", "string", "what class means")  # a name that no query can hold
    for number, values in RUNS.items():
        db.create_run(number)
        db.add_conditions(number, values)
    db.add_condition(51_269, "polarization_angle", 45.0)
    db.add_run_start_time(10_001, datetime(2024, 7, 1, 12, 30))
    db.add_run_end_time(10_001, datetime(2024, 7, 1, 13, 30))
    db.add_configuration_file(10_001, "/daq/run.conf", content="mode = 1\nangle = 45\n")
    db.add_configuration_file(51_269, "/daq/run.conf", content="mode = 1\nangle = 45\n")
    db.add_configuration_file(51_269, "/daq/copy.conf", content="mode = 1\nangle = 45\n", importance=1)
    db.create_run_period("2024-07", "July", 10_000, 19_999, date(2024, 7, 1), date(2024, 7, 31))
    db.create_run_period("gone", "by mistake", 1, 2, None, None)
    db.session.add(rcdb_model.Alias(name="is_physics", code="run_type == 'PHYSICS'", description="Physics"))
    db.session.commit()
    return db


@pytest.fixture(scope="module")
def home(sqlite_url: str, mysql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse: rcdb from SQLite with measured runs beside, rcdb_server from MariaDB."""
    home = tmp_path_factory.mktemp("warehouse")
    drop_session(home / "landing", [date(2026, 3, 1)])
    say_conditions(home / "landing")
    for url, name in ((sqlite_url, None), (mysql_url, "server")):
        write_store(url).close()
        summary = import_store(url, home / "landing", name=name, zone=ZONE)
        assert summary.rows["rcdb_conditions"] == 2 * len(VALUES) + len(SENTINELS) + 1
        assert summary.rows["rcdb_file_contents"] == 1, "content that three rows share"
    materialize(home)
    return home


def say_conditions(landing: Path) -> None:
    """What measured programs say by events.condition(): a temperature of each run, an int and a float."""
    linear, agentic = sorted(row["run_key"] for row in landed(landing, "runs"))
    said = {"recorded_at": datetime(2026, 3, 1, 12, tzinfo=UTC), "name": "temperature"}
    rows = [
        {**said, "run_key": linear, "value_type": "int", "int_value": 0},
        {**said, "run_key": agentic, "value_type": "float", "float_value": 0.2},
        # A name that the store has, with a value of another type.
        {**said, "run_key": agentic, "name": "event_count", "value_type": "string", "text_value": "many"},
    ]
    drop_rows(landing, RUN_CONDITIONS, rows, host="lab-1", producer="tests", date=date(2026, 3, 1))


@pytest.fixture
def published(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(home).read() as con:
        yield con


@pytest.fixture(params=["rcdb", "rcdb_server"])
def imported(request: pytest.FixtureRequest, sqlite_url: str, mysql_url: str) -> Iterator[tuple[str, Any]]:
    """A schema, and the package's own view of the store that it is from."""
    db = rcdb_provider.RCDBProvider(sqlite_url if request.param == "rcdb" else mysql_url)
    yield request.param, db
    db.close()


def in_utc(naive: datetime | None) -> datetime | None:
    return None if naive is None else naive.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def test_conditions_are_what_the_package_reads(published: duckdb.DuckDBPyConnection, imported: tuple[str, Any]) -> None:
    schema, db = imported
    for number in RUNS:
        theirs = db.get_run(number)
        ours = get_run(number, warehouse=published, schema=schema)
        assert (ours.started, ours.finished) == (in_utc(theirs.start_time), in_utc(theirs.end_time))
        expected = {
            name: (condition.value_type, condition.value, in_utc(condition.created))
            for name, condition in theirs.get_conditions_by_name().items()
        }
        found = {c.name: (c.value_type, c.value, c.time) for c in ours.conditions.values()}
        for name, (value_type, value, created) in expected.items():
            assert found[name] == (value_type, in_utc(value) if value_type == "time" else value, created), name
        assert found.keys() == expected.keys()
    assert get_run(7, warehouse=published, schema=schema).conditions["is_valid"].value is False


def test_unused_columns_are_null(published: duckdb.DuckDBPyConnection, imported: tuple[str, Any]) -> None:
    schema, _ = imported
    [(n_rows, n_with_one_value)] = published.execute(
        f"SELECT count(*), count(*) FILTER (len(list_filter([text_value::VARCHAR, int_value::VARCHAR, "
        f"float_value::VARCHAR, bool_value::VARCHAR, time_value::VARCHAR], lambda x: x IS NOT NULL)) = 1) "
        f"FROM {schema}.conditions WHERE run_number IN (0, 7, 10001, 51269)"
    ).fetchall()
    assert n_rows == n_with_one_value == 2 * len(VALUES) + len(SENTINELS) + 1


def test_types_files_periods_logs_aliases_and_versions(
    published: duckdb.DuckDBPyConnection, imported: tuple[str, Any]
) -> None:
    schema, db = imported
    types = db.session.query(rcdb_model.ConditionType).all()
    ours = published.execute(f"SELECT id, name, value_type, description FROM {schema}.condition_types").fetchall()
    assert set(ours) >= {(t.id, t.name, t.value_type, t.description) for t in types}
    for number in RUNS:
        expected = {
            (f.id, f.path, _text(f.sha256), f.content, f.description, f.importance) for f in db.get_run(number).files
        }
        found = published.execute(
            f"SELECT f.id, path, sha256, content, description, importance FROM {schema}.files AS f "
            f"JOIN {schema}.files_have_runs ON files_id = f.id WHERE run_number = ?",
            [number],
        ).fetchall()
        assert set(found) == expected
    assert published.execute(f"SELECT count(*) FROM {schema}.file_contents").fetchall() == [(1,)]
    periods = [
        (p.id, p.name, p.description, p.run_min, p.run_max, p.start_date, p.end_date) for p in db.get_run_periods()
    ]
    assert published.execute(f"SELECT * FROM {schema}.run_periods ORDER BY id").fetchall() == periods
    logs = [
        (r.id, r.table_ids, r.description, r.related_run_number, in_utc(r.created), r.user_name)
        for r in db.session.query(rcdb_model.LogRecord).order_by(rcdb_model.LogRecord.id)
    ]
    assert published.execute(f"SELECT * FROM {schema}.logs ORDER BY id").fetchall() == logs
    assert len(logs) > 10
    assert published.execute(f"SELECT name, code FROM {schema}.aliases").fetchall() == [
        ("is_physics", "run_type == 'PHYSICS'")
    ]
    versions = published.execute(f"SELECT version FROM {schema}.schema_versions").fetchall()
    assert versions == [(db.get_schema_version(),)]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_queries_on_either_store(published: duckdb.DuckDBPyConnection, imported: tuple[str, Any]) -> None:
    schema, db = imported
    query = "event_count > 1000 and is_valid and run_config in ['käse \\'n\\''] and beam_current < 1"
    expected = [run.number for run in db.select_runs(query).runs]
    assert select_runs(query, warehouse=published, schema=schema).numbers == expected == [10_001]
    assert select_runs("@is_physics", *run_range("2024-07", warehouse=published, schema=schema),
                       warehouse=published, schema=schema).numbers == [10_001]  # fmt: skip
    [[theirs]] = db.select_runs("event_count == 1").get_values(["run_start"])
    assert select_values(["run_start"], "event_count == 1", warehouse=published, schema=schema) == [
        [51_269, in_utc(theirs)]
    ]


def test_the_raw_sql_of_the_guide_runs_as_written(published: duckdb.DuckDBPyConnection) -> None:
    published.execute("USE rcdb")
    types, one, several = (
        published.execute(statement).fetchall() for statement in GUIDE.read_text().split("-- ----\n")
    )
    assert len(types) >= len(TYPES) + len(OTHERS) + 1
    assert [row[1:] for row in one] == [("beam_current", 51_269, "150.25")]
    assert several == [(10_001, 12.5, 2_000_000, "PHYSICS", "käse 'n'", None)]


def test_the_wide_view(published: duckdb.DuckDBPyConnection) -> None:
    described = {row[0]: row[1] for row in published.execute("DESCRIBE rcdb.v_run_conditions").fetchall()}
    assert described["event_count"] == "BIGINT" and described["run_start"] == "TIMESTAMP WITH TIME ZONE"
    assert described["Status"] == "BIGINT" and described["status_2"] == "VARCHAR", "names that differ only in case"
    rows = published.execute(
        "SELECT run_number, event_count, is_valid, Status, status_2, polarization_angle FROM rcdb.v_run_conditions "
        "WHERE run_number < 100000 ORDER BY run_number"
    ).fetchall()
    assert rows == [
        (0, None, None, None, None, None),
        (7, 0, False, 2**31 - 1, None, None),
        (10_001, 2_000_000, True, -1, "ok", None),
        (51_269, 1, True, -1, "ok", 45.0),
    ]
    [(n_measured,)] = published.execute(
        "SELECT count(*) FROM rcdb.v_run_conditions AS v JOIN runs ON run_id = v.run_number WHERE started IS NOT NULL"
    ).fetchall()
    assert n_measured == 2
    comments = dict(
        published.execute(
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE schema_name = 'rcdb' AND table_name = 'v_run_conditions'"
        ).fetchall()
    )
    assert comments["event_count"] == "event_count, int: what event_count means"
    assert comments["status_2"] == "status, string"


def test_measured_runs_are_in_the_first_schema_only(published: duckdb.DuckDBPyConnection) -> None:
    assert published.execute("SELECT count(*) FROM rcdb_server.runs").fetchall() == [(len(RUNS),)]
    assert published.execute("SELECT count(*) FROM rcdb.runs").fetchall() == [(len(RUNS) + 2,)]


def test_measured_runs_are_selected_by_what_their_programs_said(published: duckdb.DuckDBPyConnection) -> None:
    expected = published.execute("SELECT run_id FROM main.runs ORDER BY run_id").fetchall()
    selection = select_runs("temperature >= 0", warehouse=published)
    assert [(number,) for number in selection] == expected
    assert sorted(selection.get_values("temperature")) == [[0.0], [0.2]]
    energies = published.execute(
        "SELECT temperature, total_energy_uj FROM rcdb.v_run_conditions AS v JOIN main.runs ON run_id = v.run_number "
        "ORDER BY total_energy_uj"
    ).fetchall()
    assert [round(uj / 1e6) for _, uj in energies] == [5, 16] and {t for t, _ in energies} == {0.0, 0.2}


def test_the_commands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEMS_WAREHOUSE", str(home))

    def alems(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["conditions", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "event_count,int,3,true,what event_count means" in alems("ls").splitlines()
    assert "class,string,0,false,what class means" in alems("ls").splitlines()
    assert "event_count" in alems("ls", "--schema", "rcdb_server", "--format", "table")
    shown = {row["condition"]: row["value"] for row in json.loads(alems("show", "10001", "--format", "json"))}
    assert (shown["event_count"], shown["is_valid"], shown["run_type"]) == ("2000000", "true", "PHYSICS")
    selected = alems("select", "event_count > 0", "event_count", "run_type", "--period", "2024-07")
    assert selected == "run_number,event_count,run_type\n10001,2000000,PHYSICS\n"
    assert alems("select", "event_count >= 0", "--desc", "--max", "20000") == "run_number\n10001\n7\n"
    explained = alems("select", "event_count > 5", "--explain", "--period", "2024-07", "--desc")
    assert "$type_c0" in explained and "ORDER BY r.number DESC" in explained
    assert "-- $run_min = 10000\n-- $run_max = 19999\n" in explained
    assert "-- $run_min = 3\n-- $run_max = 5\n" in alems("select", "", "--explain", "--min", "3", "--max", "5")
    both = CliRunner().invoke(app, ["conditions", "select", "", "--period", "2024-07", "--min", "3"])
    assert both.exit_code == 2 and "not both" in both.output
    for arguments, error in (
        (("select", "event_count >"), QueryFormatError),
        (("select", "", "nothing"), UnknownCondition),
        (("show", "123456"), RunNotFound),
        (("ls", "--schema", "rcdb_x"), NoConditions),
    ):
        assert isinstance(CliRunner().invoke(app, ["conditions", *arguments]).exception, error)
        assert error in KNOWN_ERRORS, "one line on stderr"


def test_the_cookbook(published: duckdb.DuckDBPyConnection) -> None:
    def cook(name: str, **parameters: object) -> list[tuple[Any, ...]]:
        return published.execute((SQL_ROOT / "cookbook" / name).read_text(), parameters or None).fetchall()

    of_run = {row[0]: row[2] for row in cook("conditions_of_a_run.sql", run_number=10_001)}
    assert of_run["event_count"] == "2000000" and of_run.keys() == VALUES.keys()
    energies = cook("conditions_energy_of_values.sql", condition="temperature")
    assert [(row[0], row[3]) for row in energies] == [("0.0", 1), ("0.2", 1)]
    [refused] = cook("conditions_not_taken.sql")
    assert refused[1:4] == ("event_count", "program", 1) and "not of the type" in refused[0]


def test_no_password_is_kept(home: Path) -> None:
    for path in [*(home / "collector-state").iterdir(), *(home / "landing").rglob("*.parquet")]:
        data = path.read_bytes()
        assert PASSWORD.encode() not in data and quote(PASSWORD, safe="").encode() not in data


def test_again_there_is_nothing_new_and_then_only_what_has_changed(
    home: Path, sqlite_url: str, mysql_url: str, tmp_path: Path
) -> None:
    landing = home / "landing"
    stores = ((sqlite_url, None), (mysql_url, "server"))
    for url, name in stores:
        assert set(import_store(url, landing, name=name, zone=ZONE).rows.values()) == {0}
        db = rcdb_provider.RCDBProvider(url)
        db.add_condition(10_001, "event_count", 5, replace=True)
        db.add_condition(10_001, "event_count", 5, replace=True)
        db.create_run(60_000)
        db.add_condition(60_000, "event_count", 1)
        # What the package itself would not do: a second, older row of the same run and type.
        db.session.add(
            rcdb_model.Condition(run_number=60_000, type=db.get_condition_type("event_count"), int_value=9,
                                 created=datetime(2020, 1, 1))
        )  # fmt: skip
        db.session.query(rcdb_model.RunPeriod).filter_by(name="gone").delete()
        db.session.commit()
        db.close()
        summary = import_store(url, landing, name=name, zone=ZONE)
        assert summary.rows["rcdb_removed"] == 1 and summary.rows["rcdb_files"] == 0
        assert summary.rows["rcdb_conditions"] > 0
    declare_type(landing, "shift_leader", "string")
    write_condition(landing, 60_000, "shift_leader", "Ada")
    write_condition(landing, 60_000, "event_count", "2", replaces=True)
    write_condition(landing, 99, "event_count", "2", elsewhere=True)  # but no such run is anywhere
    write_run_period(landing, "2026-03", 10_000, 60_000)
    write_alias(landing, "is_mine", "shift_leader == 'Ada'")
    notes = tmp_path / "notes.txt"
    notes.write_text("quiet night\n")
    add_file(landing, 60_000, notes, stored_path="/notes.txt")
    materialize(home)
    with Warehouse(home).read() as con:
        for schema, last in (("rcdb", 2), ("rcdb_server", 1)):
            history = con.execute(
                f"SELECT run_number, int_value, reason FROM {schema}.condition_history ORDER BY ALL"
            ).fetchall()
            replaced = [(60_000, 1, "replaced")] if schema == "rcdb" else []
            assert history == [(10_001, 2_000_000, "replaced"), *replaced, (60_000, 9, "duplicate")]
            rows = select_values(["event_count"], runs=[10_001, 60_000], warehouse=con, schema=schema)
            assert rows == [[10_001, 5], [60_000, last]]
            assert "gone" not in [n for (n,) in con.execute(f"SELECT name FROM {schema}.run_periods").fetchall()]
        assert select_runs("@is_mine", *run_range("2026-03", warehouse=con), warehouse=con).numbers == [60_000]
        assert con.execute(
            "SELECT path, content FROM rcdb.files JOIN rcdb.files_have_runs ON files_id = id WHERE run_number = 60000"
        ).fetchall() == [("/notes.txt", "quiet night\n")]
        [(problems,)] = con.execute(
            "SELECT problem FROM ops.check_results WHERE check_name = 'conditions_set_aside'"
        ).fetchall()
        assert "no run has this number" in problems and "the store has two values" in problems
        names = list_conditions(warehouse=con)
        assert dict(zip(names["condition"], names["runs"], strict=True))["shift_leader"] == 1
    tables_before = _table(home, "rcdb.conditions")
    materialize(home)
    assert _table(home, "rcdb.conditions") == tables_before, "nothing landed, nothing is made anew"


def _table(home: Path, name: str) -> list[tuple[Any, ...]]:
    with Warehouse(home).read() as con:
        return con.execute(f"FROM {name}").fetchall()


# Stores that are not as they should be


def landed(landing: Path, dataset: str) -> list[dict[str, Any]]:
    return [row for path in sorted((landing / dataset).rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    store = tmp_path / "small.sqlite"
    db = rcdb_provider.RCDBProvider(f"sqlite:///{store}", check_version=False)
    rcdb_provider.destroy_all_create_schema(db)
    db.create_condition_type("n", "int", "")
    db.create_condition_type("at", "time", "")
    for number in (1, 2):
        db.create_run(number)
        db.add_conditions(number, {"n": number, "at": datetime(2024, 11, 3, 1, 30)})
    db.close()
    return store


def test_schema_version_1(small: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(small)) as con:
        con.executescript(
            "DROP TABLE aliases; DROP TABLE run_periods; UPDATE schema_versions SET version = 1; "
            "ALTER TABLE condition_types DROP COLUMN description"
        )
    before = small.read_bytes()
    summary = import_store(f"sqlite:///{small}", tmp_path / "landing")
    assert summary.rows["rcdb_conditions"] == 4 and summary.rows["rcdb_aliases"] == 0
    assert landed(tmp_path / "landing", "rcdb_schema_versions")[0]["version"] == 1
    assert small.read_bytes() == before and [p.name for p in tmp_path.glob("small*")] == ["small.sqlite"]


def test_rows_that_are_gone_are_found(small: Path, tmp_path: Path) -> None:
    """Beside a full copy: what the pipeline holds after each import is what the store holds."""
    home = tmp_path / "home"
    with closing(sqlite3.connect(small)) as con:
        # Rows of a block each, and one that is alone in its block, far away.
        con.execute(
            "INSERT INTO conditions (id, run_number, condition_type_id, int_value, float_value, bool_value) "
            "SELECT value, value, 1, value, 0, 0 FROM json_each('[5000, 5001, 9007199254740993]')"
        )
        con.execute("INSERT INTO runs (number) SELECT value FROM json_each('[5000, 5001, 9007199254740993]')")
        con.execute("INSERT INTO files_have_runs (files_id, run_number) SELECT 1, number FROM runs")
        con.execute("INSERT INTO files (id, path, sha256, content) VALUES (1, 'a', 'b', 'c'), (2, 'd', 'e', 'f')")
        con.execute("INSERT INTO aliases (name, code) VALUES ('a', 'n == 1'), ('b', 'n == 2')")
        con.execute("INSERT INTO run_periods (name, run_min, run_max) VALUES ('p', 1, 2), ('p', 3, 4), ('q', 5, 6)")
        con.commit()
        import_store(str(small), home / "landing")
        for is_state_lost, step in (
            (False, "DELETE FROM conditions WHERE id IN (2, 5001); DELETE FROM runs WHERE number = 5001; "
            "DELETE FROM files_have_runs WHERE run_number IN (2, 5001); DELETE FROM aliases WHERE name = 'a'; "
            "DELETE FROM run_periods WHERE run_max = 4; DELETE FROM files WHERE id = 2; DELETE FROM logs WHERE id = 1"),
            # Blocks that are empty now; and SQLite gives the id of the last row to the next one.
            (True, "DELETE FROM conditions WHERE id IN (5000, 9007199254740993); DELETE FROM aliases; "
            "INSERT INTO conditions (id, run_number, condition_type_id, int_value, float_value, bool_value) "
            "VALUES (9007199254740993, 1, 2, 0, 0, 0), (5001, 5000, 1, 8, 0, 0)"),
        ):  # fmt: skip
            con.executescript(step)
            if is_state_lost:  # then landing says what was there
                shutil.rmtree(home / "collector-state")
            import_store(str(small), home / "landing")
            materialize(home)
            with Warehouse(home).read() as published:
                for table, key in (
                    ("runs", "number"), ("condition_types", "id"), ("aliases", "id"), ("run_periods", "id, run_max"),
                    ("logs", "id"), ("schema_versions", "version"), ("files_have_runs", "files_id, run_number"),
                    ("files", "id"), ("conditions", "run_number, condition_type_id, id"),
                ):  # fmt: skip
                    query = f"SELECT {key} FROM {{}}{table} ORDER BY {key}"
                    ours, theirs = published.execute(query.format("rcdb.")), con.execute(query.format(""))
                    assert ours.fetchall() == theirs.fetchall(), table
                assert run_range("p", warehouse=published) == (1, 2)
                history = published.execute("SELECT reason FROM rcdb.condition_history").fetchall()
        assert history == [("removed",)] * 4
    assert set(import_store(str(small), home / "landing").rows.values()) == {0}


def test_times_are_of_the_zone_that_is_given(small: Path, tmp_path: Path) -> None:
    # Clocks in New York went back on that day, from 2 to 1: half past one was twice, the first time 4 hours from UTC.
    for zone, hour in (("UTC", 1), (ZONE, 5)):
        import_store(str(small), tmp_path / zone / "landing", zone=zone)
        times = {row["time_value"] for row in landed(tmp_path / zone / "landing", "rcdb_conditions")}
        assert times == {None, datetime(2024, 11, 3, hour, 30, tzinfo=UTC)}
    with pytest.raises(UnknownZone, match="Mars/Olympus"):
        import_store(str(small), tmp_path / "landing", zone="Mars/Olympus")


def test_rows_that_make_no_sense_are_kept_aside_with_the_reason(small: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(small)) as con:
        con.executescript(
            "PRAGMA ignore_check_constraints = ON; "
            "UPDATE conditions SET int_value = 'many' WHERE run_number = 1 AND condition_type_id = 1; "
            "UPDATE conditions SET time_value = 'yesterday' WHERE run_number = 1 AND condition_type_id = 2; "
            "INSERT INTO conditions (run_number, condition_type_id, int_value, float_value, bool_value) "
            "VALUES (NULL, 1, 1, 0, 0), (2, 77, 1, 0, 0); "
            "UPDATE logs SET related_run = 'first' WHERE id = 1; "
            "INSERT INTO condition_types (name, value_type) VALUES ('z', 'complex')"
        )
    summary = import_store(str(small), tmp_path / "landing")
    assert summary.rows["rcdb_conditions"] == 2 and summary.rows["rcdb_logs"] == 1
    assert summary.notes == ["condition type z: type 'complex' is none of RCDB's; taken as string"]
    rejects = landed(tmp_path / "landing", "rcdb_rejects")
    assert sorted(row["reason"].split(";")[0] for row in rejects) == [
        "conditions: condition_type_id is in no row of condition_types",
        "conditions: int_value is no integer of 64 bits",
        "conditions: run_number is no number: the condition belongs to no run",
        "conditions: time_value is no time",
        "logs: rcdb_logs.related_run is missing or of another type",
    ]
    assert "many" in next(row["detail"] for row in rejects if "int_value" in row["reason"])
    assert set(import_store(str(small), tmp_path / "landing").rows.values()) == {0}


def test_a_stopped_import_goes_on_where_it_was(small: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(table: str, done: int, total: int) -> None:
        if table == "conditions":
            raise Stop

    landing = tmp_path / "landing"
    with pytest.raises(Stop):
        import_store(str(small), landing, progress=stop)
    assert landed(landing, "rcdb_conditions") == [], "what was not written is not noted as dropped"
    assert import_store(str(small), landing).rows["rcdb_conditions"] == 4
    assert len(landed(landing, "rcdb_conditions")) == 4


def test_two_stores_do_not_get_into_one_schema(small: Path, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    import_store(str(small), landing)
    other = tmp_path / "other.sqlite"
    other.write_bytes(small.read_bytes())
    with pytest.raises(SchemaTaken, match="give this one a name by --name"):
        import_store(str(other), landing)
    assert import_store(str(other), landing, name="other").schema == "rcdb_other"
    with pytest.raises(BadStoreName, match="small letters"):
        import_store(str(other), landing, name='x"; DROP')
    assert {row["schema_name"] for row in landed(landing, "rcdb_runs")} == {"rcdb", "rcdb_other"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////no/such/file", "no such file"),
        ("postgresql://x/y", "not read here"),
        ("mysql://rcdb:hidden@127.0.0.1:1/rcdb", "no connection"),
        ("mysql://rcdb:hidden@127.0.0.1:x/rcdb", "the port is no number"),
        ("mysql://rcdb:hidden@127.0.0.1", "give it as mysql://user@host"),
    ],
)
def test_an_address_that_leads_nowhere(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable, match=message) as caught:
        import_store(url, tmp_path / "landing")
    assert "hidden" not in str(caught.value)


def test_another_database_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(store)) as con:
        con.execute("CREATE TABLE runs (number INTEGER)")
    with pytest.raises(NotAnRcdbStore, match="no table condition_types"):
        import_store(str(store), tmp_path / "landing")
    assert json.dumps([str(p) for p in tmp_path.glob("landing/*")]) == "[]"
