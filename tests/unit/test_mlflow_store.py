"""An MLflow store that MLflow itself made, read again while it changes, is locked, is migrated, or is none at all."""

import math
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from collectors.cli import app
from collectors.contract_tracking import TABLES
from collectors.sources import mlflow_store, sql_store, sqlite_file
from collectors.sources.mlflow_store import ImportSummary, NotAnMlflowStore, OtherStore, import_store
from collectors.sources.sqlite_file import StoreUnreadable
from collectors.state_file import state_path
from tests.mlflow_rows import query

ALEMS_STORE = Path(__file__).parent.parent / "data" / "host_a.db"


@pytest.fixture
def store(mlflow_db: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(mlflow_db, tmp_path / "mlflow.db"))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def run(store: Path, landing: Path, name: str | None = None) -> ImportSummary:
    return import_store(f"sqlite:///{store}", landing, name=name)


def count(store: Path, table: str, where: str = "TRUE") -> int:
    return int(query(store, f"SELECT count(*) FROM {table} WHERE {where}")[0][0])


def landed(landing: Path, table: str) -> list[dict[str, Any]]:
    return [row for path in landing.glob(f"mlflow_{table}/*/*.parquet") for row in pq.read_table(path).to_pylist()]


def keys(rows: list[dict[str, Any]], table: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in TABLES[table].key) for row in rows}


def first_run(store: Path) -> str:
    return str(query(store, "SELECT run_uuid FROM runs WHERE name = 'run 0'")[0][0])


def stop_before_the_records_of_runs(patch: pytest.MonkeyPatch, group: int) -> None:
    """Of that group of runs all that they own is dropped, and not the runs themselves."""
    drop, groups = mlflow_store._Import._drop_by_day, iter(range(1, 100))

    def killed(self: Any, table: str, *rest: Any) -> None:
        if table == "runs" and next(groups) == group:
            raise KeyboardInterrupt
        drop(self, table, *rest)

    patch.setattr(mlflow_store._Import, "_drop_by_day", killed)


def imports(landing: Path) -> list[bool]:
    """Of each import that found something whether it says that all was read anew; in order."""
    rows = sorted(landed(landing, "imports"), key=lambda row: row["recorded_at"])
    return [row["whole_since"] is not None for row in rows]


def test_everything_is_dropped_once(store: Path, landing: Path) -> None:
    first = run(store, landing)
    assert first.rows == {table: count(store, table) for table in TABLES}
    assert first.notes == []
    again = run(store, landing)
    assert (again.rows, again.files) == ({}, [])
    assert imports(landing) == [True]


def test_a_runs_rows_land_on_the_day_on_which_it_started(store: Path, landing: Path) -> None:
    run(store, landing)
    days = {path.parent.name for table in ("runs", "params") for path in landing.glob(f"mlflow_{table}/*/*.parquet")}
    started = query(store, "SELECT DISTINCT strftime('date=%Y-%m-%d', start_time / 1000, 'unixepoch') FROM runs")
    assert days == {day for (day,) in started}


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO metrics SELECT key, -1, timestamp - 9, run_uuid, step, 0 FROM metrics WHERE run_uuid = ? LIMIT 1",
        "UPDATE runs SET status = 'KILLED' WHERE run_uuid = ?",
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?",
        "UPDATE runs SET end_time = end_time + 1 WHERE run_uuid = ?",
        "UPDATE latest_metrics SET timestamp = timestamp + 1 WHERE run_uuid = ?",
        "UPDATE tags SET value = 'train.pz' WHERE key = 'mlflow.source.name' AND run_uuid = ?",
        "DELETE FROM tags WHERE key = 'note' AND run_uuid = ?",
        "INSERT INTO params VALUES ('new', '1', ?)",
    ],
)  # fmt: skip
def test_a_run_that_has_changed_is_read_again_whole(store: Path, landing: Path, change: str) -> None:
    run(store, landing)
    run_uuid = first_run(store)
    query(store, change, run_uuid)
    owned = ("runs", "metrics", "latest_metrics", "params", "tags")
    assert run(store, landing).rows == {table: count(store, table, f"run_uuid = '{run_uuid}'") for table in owned}
    assert run(store, landing).rows == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'language'", {"experiments": 1}),
        ("UPDATE registered_model_aliases SET version = 1", {"registered_model_aliases": 1}),
        ("UPDATE model_versions SET current_stage = 'Production' WHERE version = 2", {"model_versions": 1}),
        ("DELETE FROM registered_model_tags", {"removed": 1}),
        ("UPDATE registered_model_aliases SET alias = 'other'", {"registered_model_aliases": 1, "removed": 1}),
    ],
)
def test_of_the_small_tables_what_has_changed_is_read_again(
    store: Path, landing: Path, change: str, expected: dict[str, int]
) -> None:
    run(store, landing)
    query(store, change)
    assert run(store, landing).rows == expected
    assert run(store, landing).rows == {}


def test_a_trace_that_has_changed_is_read_again_whole(store: Path, landing: Path) -> None:
    run(store, landing)
    [(request_id,)] = query(store, "SELECT min(request_id) FROM trace_info")
    query(store, "UPDATE trace_tags SET value = 'other' WHERE key = 'kind' AND request_id = ?", request_id)
    owned = ("trace_info", "trace_tags", "trace_request_metadata")
    expected = {table: count(store, table, f"request_id = '{request_id}'") for table in owned}
    assert run(store, landing).rows == expected


def test_a_killed_import_goes_on_and_no_run_is_there_before_all_that_it_owns(
    store: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_store, "GROUP_OWNERS", 2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_before_the_records_of_runs(patch, group=2)
        run(store, landing)
    there = {row["run_uuid"] for row in landed(landing, "runs")}
    assert len(there) == 2
    for table in ("metrics", "params", "tags"):
        owned = {row["run_uuid"] for row in landed(landing, table)}
        assert {r for (r,) in query(store, f"SELECT DISTINCT run_uuid FROM {table}")} & there <= owned
    assert run(store, landing).rows["runs"] == count(store, "runs") - 2
    for table, dataset in TABLES.items():
        assert len(keys(landed(landing, table), table)) == count(store, table), dataset.name


def test_a_lost_state_or_an_emptied_landing_is_made_good(store: Path, landing: Path) -> None:
    everything = run(store, landing).rows
    state_path(landing, "mlflow").write_text("{")
    assert run(store, landing).rows == everything
    assert imports(landing) == [True, True]
    shutil.rmtree(landing)
    assert run(store, landing).rows == everything
    assert imports(landing) == [True]


def test_a_state_that_is_older_than_what_has_landed_does_not_count(store: Path, landing: Path) -> None:
    everything = run(store, landing).rows
    kept = state_path(landing, "mlflow").read_text()
    query(store, "UPDATE runs SET status = 'KILLED' WHERE run_uuid = ?", first_run(store))
    run(store, landing)
    state_path(landing, "mlflow").write_text(kept)
    assert run(store, landing).rows == everything
    assert imports(landing) == [True, False, True]


def test_an_import_of_another_store_leaves_the_state_as_it_is(store: Path, landing: Path) -> None:
    run(store, landing)
    run(store, landing, name="lab")
    assert run(store, landing).rows == {}


def test_that_all_was_read_anew_is_said_when_it_is_done(
    store: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_store, "GROUP_OWNERS", 2)
    run(store, landing)
    state_path(landing, "mlflow").unlink()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_before_the_records_of_runs(patch, group=2)
        run(store, landing)
    assert imports(landing) == [True]
    run(store, landing)
    assert imports(landing) == [True, True]
    [first, second] = sorted(landed(landing, "imports"), key=lambda row: row["recorded_at"])
    # Since the beginning of what was stopped: what that had dropped already was not dropped again.
    assert {row["recorded_at"] >= second["whole_since"] for row in landed(landing, "experiments")} == {True, False}
    assert first["recorded_at"] < second["whole_since"]
    assert len(landed(landing, "experiments")) == 2 * count(store, "experiments")


def test_what_landed_before_a_kill_and_is_gone_afterwards_is_taken_back(
    store: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, landing)
    query(store, "INSERT INTO registered_model_tags (key, value, name, workspace) "
                 "SELECT 'new', '1', name, workspace FROM registered_models")  # fmt: skip
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(mlflow_store._Import, "_keep", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        run(store, landing)
    assert "new" in {row["key"] for row in landed(landing, "registered_model_tags")}
    query(store, "DELETE FROM registered_model_tags WHERE key = 'new'")
    assert run(store, landing).rows == {"removed": 1}


def test_what_is_no_longer_in_the_store_is_said_to_be_removed(store: Path, landing: Path) -> None:
    run(store, landing)
    run_uuid = first_run(store)
    for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
        query(store, f"DELETE FROM {table} WHERE run_uuid = ?", run_uuid)
    assert run(store, landing).rows == {"removed": 1}
    [removed] = landed(landing, "removed")
    assert (removed["table_name"], removed["row_key"]) == ("runs", run_uuid)


def test_values_come_as_they_are_or_as_mlflow_would_write_them(store: Path, landing: Path) -> None:
    run_uuid = first_run(store)
    for value, timestamp in ((math.inf, 1), (-math.inf, 2)):
        query(store, "INSERT INTO metrics VALUES ('raw', ?, ?, ?, 0, 0)", value, timestamp, run_uuid)
    for key in "abc":
        query(store, "INSERT INTO latest_metrics VALUES (?, 1, 1, ?, 0, ?)", key, 2**62, run_uuid)
    query(store, "INSERT INTO params VALUES ('it''s \"quoted\" ☃', ?, ?)", "y" * 5_000, run_uuid)
    query(store, "INSERT INTO metrics VALUES (?, 1.5, 1, ?, 0, 0)", "quote\"'; --", run_uuid)
    run(store, landing)
    raw = {row["value"] for row in landed(landing, "metrics") if row["key"] == "raw"}
    assert raw == {sys.float_info.max, -sys.float_info.max}
    assert {row["step"] for row in landed(landing, "latest_metrics") if row["key"] in "abc"} == {2**62}
    [param] = [row for row in landed(landing, "params") if row["key"] == 'it\'s "quoted" ☃']
    assert param["value"] == "y" * 5_000
    assert "quote\"'; --" in {row["key"] for row in landed(landing, "metrics")}


def test_columns_that_are_not_known_here_are_kept(store: Path, landing: Path) -> None:
    query(store, "ALTER TABLE experiments ADD COLUMN colour TEXT DEFAULT 'blå'")
    query(store, "ALTER TABLE experiments ADD COLUMN token_hash TEXT DEFAULT 'hidden'")
    run(store, landing)
    assert {row["extra_json"] for row in landed(landing, "experiments")} == {'{"colour":"blå"}'}


def test_an_older_store_has_fewer_tables_and_columns(store: Path, landing: Path) -> None:
    for table in (
        "trace_info",
        "trace_tags",
        "trace_request_metadata",
        "inputs",
        "input_tags",
        "datasets",
        "latest_metrics",
    ):
        query(store, f"DROP TABLE {table}")
    query(store, "ALTER TABLE runs DROP COLUMN deleted_time")
    query(store, "UPDATE alembic_version SET version_num = '0123456789ab'")
    summary = run(store, landing)
    assert summary.version == "0123456789ab"
    assert "trace_info: the store has no such table" in summary.notes
    assert summary.rows["metrics"] == count(store, "metrics")
    assert run(store, landing).rows == {}


def test_any_column_may_be_missing_but_those_that_every_version_has(store: Path, landing: Path) -> None:
    """Workspaces came late: without them, too, they are part of the key of a registered model. So with any other."""
    query(store, "PRAGMA foreign_keys = OFF")
    missing = set()
    for table, dataset in TABLES.items():
        kept = [name for name, *_ in query(store, f"SELECT name FROM pragma_table_info('{table}')")]
        dropped = {c.name for c in dataset.columns if not c.required and c.name in kept}
        listed = ", ".join(f'"{name}"' for name in kept if name not in dropped)
        query(store, f"CREATE TABLE made AS SELECT {listed} FROM {table}")
        query(store, f"DROP TABLE {table}")
        query(store, f"ALTER TABLE made RENAME TO {table}")
        missing |= {(table, name) for name in dropped}
    assert {("registered_models", "workspace"), ("runs", "start_time"), ("tags", "value")} <= missing
    assert run(store, landing).rows == {table: count(store, table) for table in TABLES}
    assert [row["workspace"] for row in landed(landing, "registered_models")] == [None]
    assert run(store, landing).rows == {}
    query(store, "DELETE FROM registered_models")
    assert run(store, landing).rows == {"removed": 1}


def test_secrets_are_never_read(store: Path, landing: Path) -> None:
    query(
        store,
        "INSERT INTO secrets (secret_id, secret_name, encrypted_value, wrapped_dek, kek_version, masked_value, "
        "workspace, created_at, last_updated_at) "
        "VALUES ('hushed', 'hushed', 'hushed', 'hushed', 1, 'hushed', 'default', 1, 1)",
    )
    query(
        store,
        "INSERT INTO webhooks (webhook_id, name, url, status, secret, creation_timestamp, "
        "last_updated_timestamp, workspace) VALUES ('hushed', 'hushed', 'hushed', 'ACTIVE', 'hushed', 1, 1, 'default')",
    )
    run(store, landing)
    for path in landing.rglob("*.parquet"):
        assert "hushed" not in str(pq.read_table(path).to_pylist()), path


def test_the_store_is_not_changed(store: Path, landing: Path) -> None:
    query(store, "PRAGMA journal_mode = WAL")
    before = {path.name: path.read_bytes() for path in store.parent.glob("mlflow.db*")}
    run(store, landing)
    assert {path.name: path.read_bytes() for path in store.parent.glob("mlflow.db*")} == before


# What cannot be read


@pytest.fixture
def locked(store: Path) -> Iterator[Path]:
    """The store, while another process writes it."""
    program = (
        f"import sqlite3; c = sqlite3.connect({str(store)!r}); c.execute('BEGIN EXCLUSIVE'); "
        "print('locked', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield store
        process.communicate("\n")


def test_a_locked_store_is_said_to_be_locked(locked: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(sql_store, "WAIT_S", 0.01)
    with pytest.raises(StoreUnreadable, match=r"mlflow\.db: is locked by another program; try again"):
        run(locked, landing)
    assert not list(landing.rglob("*.parquet"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DELETE FROM alembic_version", "is being migrated: its table alembic_version has 0 rows"),
        ("DROP TABLE alembic_version", "has no table alembic_version; bring it up to date by `mlflow db upgrade`"),
        ("CREATE TABLE _alembic_tmp_runs (x)", "is being migrated, or a migration failed: it has a table"),
        ("DROP TABLE params", "is no MLflow store: it has no table params"),
        ("ALTER TABLE metrics RENAME COLUMN step TO stride", "its table metrics has no column step"),
    ],
)  # fmt: skip
def test_a_store_that_is_being_migrated_is_left_alone(store: Path, landing: Path, change: str, message: str) -> None:
    query(store, change)
    with pytest.raises(NotAnMlflowStore, match=message):
        run(store, landing)
    assert not list(landing.rglob("*.parquet"))


def test_a_migration_in_the_middle_is_noticed(store: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_owners = mlflow_store._Import._drop_owners

    def then_migrate(*arguments: Any) -> None:
        drop_owners(*arguments)
        query(store, "UPDATE alembic_version SET version_num = 'next'")

    monkeypatch.setattr(mlflow_store._Import, "_drop_owners", then_migrate)
    with pytest.raises(NotAnMlflowStore, match="was migrated while it was being read; run this again"):
        run(store, landing)


def test_what_is_no_store_is_said_to_be_none(landing: Path, tmp_path: Path) -> None:
    for url, message in {
        f"sqlite:///{ALEMS_STORE}": "is no MLflow store: it has no table metrics",
        f"sqlite:///{tmp_path}/none.db": "no such file",
        "http://user:hushed@host:5000/x": "http://host:5000/x: is a tracking server; give the URL of the database",
        "mysql://user:hushed@host/x": "mysql://host/x: only sqlite:///… and postgresql://… are read",
        "postgresql://user:hu%73hed@127.0.0.1:9/x?password=hushed": "postgresql://127.0.0.1:9/x: cannot be read",
        "postgresql://user:hushed@[half/x": "cannot be read|only sqlite",
        "postgresql://user:pa?hushed@127.0.0.1:9/x": "^postgresql://127.0.0.1:9/x: cannot be read",
        "postgresql://user:p@hushed@127.0.0.1:9/x": "^postgresql://127.0.0.1:9/x: cannot be read",
        "host=127.0.0.1 password=hushed dbname=x": "is no URL, and holds a password",
    }.items():
        with pytest.raises((StoreUnreadable, ValueError), match=message) as caught:
            import_store(url, landing)
        assert "hushed" not in f"{caught.value}{caught.value.__cause__}", url


OF_RUNS = ("runs", "metrics", "latest_metrics", "params", "tags")


@pytest.fixture
def other(mlflow_db: Path, tmp_path: Path) -> Path:
    """A store with other runs, made at another time."""
    other = Path(shutil.copy(mlflow_db, tmp_path / "other.db"))
    for table in OF_RUNS:
        query(other, f"UPDATE {table} SET run_uuid = 'f' || substr(run_uuid, 1, 30)")
    query(other, "UPDATE experiments SET creation_time = creation_time + 1")
    return other


def test_another_store_needs_a_name_of_its_own(store: Path, other: Path, landing: Path, tmp_path: Path) -> None:
    run(store, landing)
    moved = Path(shutil.copy(store, tmp_path / "moved.db"))
    assert run(moved, landing).rows == {}, "the same runs: the store has been moved"
    with pytest.raises(OtherStore, match=r"moved\.db was imported, and the two share no run; give this store a --name"):
        run(other, landing)
    assert run(other, landing, "lab").store == "mlflow_lab"
    assert {row["store"] for row in landed(landing, "runs")} == {"mlflow", "mlflow_lab"}
    with pytest.raises(StoreUnreadable, match="--name Lab"):
        run(other, landing, "Lab")


@pytest.mark.parametrize("is_state_lost", [False, True])
@pytest.mark.parametrize("has_runs", [False, True])
def test_another_store_is_known_as_such_at_the_same_place_and_without_a_state(
    store: Path, other: Path, landing: Path, is_state_lost: bool, has_runs: bool
) -> None:
    run(store, landing)
    before = set(landing.rglob("*.parquet"))
    if not has_runs:
        for table in OF_RUNS:
            query(other, f"DELETE FROM {table}")
    kept = shutil.copy(store, store.with_suffix(".kept"))
    shutil.copy(other, store)
    if is_state_lost:
        state_path(landing, "mlflow").unlink()
    for _ in range(2):
        with pytest.raises(
            OtherStore, match=r"mlflow, another store was imported, and the two share no run; give .* --name"
        ):
            run(store, landing)
    assert set(landing.rglob("*.parquet")) == before
    shutil.copy(kept, store)
    assert bool(run(store, landing).rows) == is_state_lost


@pytest.mark.parametrize(
    ("before", "change", "is_state_lost"),
    [
        ("SELECT 1", "SELECT 1", False),
        ("SELECT 1", "SELECT 1", True),
        ("SELECT 1", "DELETE FROM experiments", False),
        ("UPDATE experiments SET creation_time = NULL", "SELECT 1", False),
    ],
)
def test_a_store_that_was_emptied_is_the_same_store(
    store: Path, other: Path, landing: Path, before: str, change: str, is_state_lost: bool
) -> None:
    query(store, before)
    run(store, landing)
    for table in OF_RUNS:
        query(store, f"DELETE FROM {table}")
    query(store, change)
    if is_state_lost:
        state_path(landing, "mlflow").unlink()
    run(store, landing)
    n_removed = sum(row["table_name"] == "runs" for row in landed(landing, "removed"))
    assert (n_removed, imports(landing)) == (
        (0, [True, True]) if is_state_lost else (count(other, "runs"), [True, False])
    )
    with closing(sqlite3.connect(store)) as con, con:
        con.execute("ATTACH ? AS other", [str(other)])
        con.execute("INSERT INTO runs SELECT * FROM other.runs")
    assert run(store, landing).rows["runs"] == count(other, "runs"), "new runs in it"


def test_the_command_says_what_it_dropped(store: Path, landing: Path) -> None:
    runner = CliRunner()
    arguments = ["mlflow", "--landing", str(landing)]
    first = runner.invoke(app, [*arguments, f"sqlite:///{store}"])
    assert first.exit_code == 0 and f"{count(store, 'metrics')} metrics" in first.stdout
    again = runner.invoke(app, arguments, env={"ALEMS_MLFLOW_URL": f"sqlite:///{store}"})
    assert again.exit_code == 0 and "to mlflow: nothing new" in again.stdout
