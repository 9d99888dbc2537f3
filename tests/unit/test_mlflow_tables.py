"""Schema mlflow of a published file, beside the store that MLflow itself made and beside measured runs."""

import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from alems_pipeline import tracking_rules
from alems_pipeline.query import run_query
from alems_pipeline.rules import NOT_WHOLE
from alems_pipeline.sql_files import SQL_ROOT
from alems_pipeline.warehouse import connect_published
from collectors import contract
from collectors.contract_tracking import TABLES
from collectors.drop import drop_rows
from collectors.sources.mlflow_store import import_store
from collectors.state_file import state_path
from tests.mlflow_rows import in_order, query, table_of_store
from tests.small_landing import drop_session
from tests.warehouses import materialize

QUOTED = 'it\'s "quoted"; -- ☃'
MEASURED = date(2026, 3, 1)
LINEAR_J, AGENTIC_J = 5.0, 16.0
Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def store(mlflow_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of MLflow, with names that its API refuses, and runs that name those that were measured."""
    path = Path(shutil.copy(mlflow_db, tmp_path_factory.mktemp("store") / "mlflow.db"))
    one, other = run_of(path, 0), run_of(path, 1)
    query(path, "INSERT INTO params VALUES (?, ?, ?)", QUOTED, QUOTED, one)
    query(path, "INSERT INTO metrics VALUES (?, 1.5, 1, ?, 0, 0)", QUOTED, one)
    query(path, "INSERT INTO latest_metrics VALUES (?, 1.5, 1, 0, 0, ?)", QUOTED, one)
    query(path, "DELETE FROM tags WHERE key = 'alems.run_uid'")
    query(path, "INSERT INTO tags VALUES ('alems.run_uid', ?, ?)", "no number", other)
    return path


@pytest.fixture(scope="module")
def published(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Con]:
    home = tmp_path_factory.mktemp("mlflow-warehouse")
    drop_session(home / "landing", [MEASURED], pairs_per_day=2)
    with_energies(store, home / "landing")
    for name in (None, "lab"):
        import_store(f"sqlite:///{store}", home / "landing", name=name)
    materialize(home)
    with connect_published(home / "alems.duckdb") as con:
        yield con


def with_energies(store: Path, landing: Path) -> None:
    """Run 0 names a linear run by its key; the first agentic run names run 2; run 4 names both of the second pair."""
    keys = measured_keys(landing)
    query(store, "INSERT INTO tags VALUES ('alems.run_uid', ?, ?)", str(keys[0]), run_of(store, 0))
    conditions = [
        {"run_key": keys[1], "name": "mlflow_run_uuid", "value_type": "string", "text_value": run_of(store, 2),
         "recorded_at": datetime(2026, 3, 1, 13, tzinfo=UTC)},
        *({"run_key": key, "name": "mlflow_run_uuid", "value_type": "string", "text_value": run_of(store, 4),
           "recorded_at": datetime(2026, 3, 1, 13, tzinfo=UTC)} for key in keys[2:]),
    ]  # fmt: skip
    drop_rows(landing, contract.RUN_CONDITIONS, conditions, host="lab-1", producer="tests", date=MEASURED)


def measured_keys(landing: Path) -> list[int]:
    """Linear, agentic, linear, agentic."""
    files = str(landing / "runs" / "*" / "*.parquet")
    return [k for (k,) in duckdb.execute(f"SELECT run_key FROM '{files}' ORDER BY start_time_ns").fetchall()]


def run_of(store: Path, number: int) -> str:
    return str(query(store, "SELECT run_uuid FROM runs WHERE name = ?", f"run {number}")[0][0])


def rows_of(store: Path, table: str) -> tuple[str, list[tuple[Any, ...]]]:
    columns = [row[1] for row in query(store, f"PRAGMA table_info({table})")]
    return table_of_store(partial(query, store), table, columns)


@pytest.mark.parametrize("schema", ["mlflow", "mlflow_lab"])
@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_the_stores_row_for_row(schema: str, table: str, store: Path, published: Con) -> None:
    listed, expected = rows_of(store, table)
    assert expected, "the store that MLflow made has rows in every table"
    assert in_order(published.execute(f"SELECT {listed} FROM {schema}.{table}").fetchall()) == in_order(expected)


def test_no_check_finds_anything_and_the_latest_values_are_the_stores(store: Path, published: Con) -> None:
    checks = published.execute("SELECT check_name, problem FROM ops.check_results WHERE problem LIKE '%mlflow%'")
    assert checks.fetchall() == []
    [(n,)] = published.execute("SELECT count(*) FROM mlflow.latest_metrics WHERE agrees_with_store").fetchall()
    assert n == query(store, "SELECT count(*) FROM latest_metrics")[0][0]


def test_times_stand_beside_the_milliseconds(published: Con) -> None:
    rows = published.execute("SELECT start_time, started_at, end_time, ended_at FROM mlflow.runs").fetchall()
    for start_ms, start, end_ms, end in rows:
        assert start == datetime.fromtimestamp(start_ms / 1000, UTC)
        assert (end is None) == (end_ms is None)
    [(logged_at,)] = published.execute("SELECT min(logged_at) FROM mlflow.metrics WHERE key = 'up'").fetchall()
    assert logged_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_nan_and_infinity_are_flagged(published: Con) -> None:
    rows = published.execute(
        "SELECT key, value, is_nan, is_infinite FROM mlflow.metrics WHERE key IN ('nan', 'up', 'down', 'tiny')"
    ).fetchall()
    assert in_order(rows) == [
        ("down", -math.inf, False, True),
        ("nan", None, True, False),
        ("tiny", 5e-324, False, False),
        ("up", math.inf, False, True),
    ]


def test_deleted_runs_and_experiments_are_kept(published: Con) -> None:
    runs = published.execute("SELECT name FROM mlflow.runs WHERE lifecycle_stage = 'deleted' ORDER BY name").fetchall()
    assert ("run 3",) in runs
    experiments = published.execute("SELECT name FROM mlflow.experiments WHERE lifecycle_stage = 'deleted'").fetchall()
    assert experiments == [("dropped",)]


# Views


def test_a_wide_run_has_a_column_for_each_parameter_and_metric(store: Path, published: Con) -> None:
    columns = published.execute("SELECT kind, key, column_name FROM mlflow.wide_columns").fetchall()
    result = published.execute("SELECT * FROM mlflow.v_runs_wide")
    names = [column[0] for column in result.description or ()]
    wide = {row[0]: dict(zip(names, row, strict=True)) for row in result.fetchall()}
    assert len({name.lower() for name in names}) == len(names)
    expected = {
        "params": query(store, "SELECT run_uuid, key, value FROM params"),
        "metrics": query(
            store, "SELECT run_uuid, key, value FROM latest_metrics WHERE is_nan = 0 AND abs(value) < 1e308"
        ),
    }
    for kind, cells in expected.items():
        column_of = {key: name for one, key, name in columns if one == kind}
        assert {key for _, key, _ in cells} <= column_of.keys()
        for run_uuid, key, value in cells:
            assert wide[run_uuid][column_of[key]] == value, (kind, key)
    assert ("params", "lr", "params.lr") in columns, "the name that more runs have stays as it is"
    assert ("params", "LR", "params.LR_2") in columns
    assert ("metrics", QUOTED, f"metrics.{QUOTED}") in columns
    n_cells = sum(value is not None for row in wide.values() for value in list(row.values())[9:])
    assert n_cells == sum(map(len, expected.values())) + 2, "and ±infinity, and nothing else"


@pytest.mark.parametrize("minimise", [False, True])
def test_the_best_run_of_each_experiment(minimise: bool, store: Path, published: Con) -> None:
    metric = "loss" if minimise else "accuracy"
    best = published.execute(
        "SELECT experiment_id, value FROM mlflow.best_runs(?, minimise := ?) ORDER BY 1", [metric, minimise]
    ).fetchall()
    expected = query(
        store,
        f"SELECT r.experiment_id, {'min' if minimise else 'max'}(l.value) FROM latest_metrics l JOIN runs r "
        "USING (run_uuid) WHERE l.key = ? AND l.is_nan = 0 AND r.lifecycle_stage = 'active' GROUP BY 1 ORDER BY 1",
        metric,
    )
    assert best == expected


def test_a_history_in_parts_holds_every_value_once(store: Path, published: Con) -> None:
    parts = published.execute(
        "SELECT run_uuid, part, n_values, last_value, max_value FROM mlflow.metric_history('loss', n := 7)"
    )
    rows = parts.fetchall()
    for run_uuid, n, greatest in query(
        store, "SELECT run_uuid, count(*), max(value) FROM metrics WHERE key = 'loss' GROUP BY run_uuid"
    ):
        own = [row for row in rows if row[0] == run_uuid]
        assert [row[1] for row in own] == sorted({row[1] for row in own})
        assert all(0 <= row[1] < 7 for row in own)
        assert (sum(row[2] for row in own), max(row[4] for row in own)) == (n, greatest)
        [(last,)] = query(store, "SELECT value FROM latest_metrics WHERE key = 'loss' AND run_uuid = ?", run_uuid)
        assert own[-1][3] == last


def test_two_runs_beside_each_other(store: Path, published: Con) -> None:
    one, other = run_of(store, 0), run_of(store, 1)
    rows = {
        (kind, key): rest
        for kind, key, *rest in published.execute("SELECT * FROM mlflow.compare_runs(?, ?)", [one, other]).fetchall()
    }
    assert rows["param", "lr"] == ["0.1", "0.05", True, None]
    assert rows["param", "batch_size"] == ["32", "32", False, None]
    assert rows["metric", "accuracy"][3] == pytest.approx(0.05)
    assert rows["metric", "nan"] == ["NaN", None, True, None]
    assert rows["param", QUOTED] == [QUOTED, None, True, None]


def test_a_dataset_is_known_by_name_and_digest_whoever_logged_it(store: Path, published: Con) -> None:
    [row] = published.execute(
        "SELECT name, digest, experiment_ids, n_runs, dataset_profile FROM mlflow.v_datasets"
    ).fetchall()
    experiments = [id_ for (id_,) in query(store, "SELECT experiment_id FROM datasets ORDER BY 1")]
    assert len(experiments) == 2
    assert row == ("wine", "abc123", experiments, 6, '{"num_rows": 178}')


def test_a_model_version_leads_to_its_run_and_data(store: Path, published: Con) -> None:
    rows = published.execute(
        "SELECT model_name, version, aliases, run_name, dataset_name, dataset_digest, context "
        "FROM mlflow.v_model_origins ORDER BY version"
    ).fetchall()
    assert rows == [
        ("classifier", 1, None, "run 0", "wine", "abc123", "training"),
        ("classifier", 2, ["champion"], "run 1", "wine", "abc123", "training"),
    ]


def test_keys_of_models_are_those_of_the_registry(published: Con) -> None:
    rows = published.execute("SELECT DISTINCT model_name, model_key FROM mlflow.run_keys ORDER BY ALL").fetchall()
    assert rows == [("openai/gpt-oss-120b", "gptoss120b"), (None, None)]


# Energy


def test_measured_energy_comes_by_tag_and_by_condition(store: Path, published: Con) -> None:
    rows = published.execute(
        "SELECT run_uuid, linked_by, energy_j, is_estimated FROM mlflow.v_run_energy ORDER BY energy_j, run_uuid"
    ).fetchall()
    tag, condition = "tag alems.run_uid", "condition mlflow_run_uuid"
    assert in_order([(r, by, round(j, 6), e) for r, by, j, e in rows]) == in_order(
        [
            (run_of(store, 0), tag, LINEAR_J, False),
            (run_of(store, 2), condition, AGENTIC_J, False),
            (run_of(store, 4), condition, LINEAR_J, False),
            (run_of(store, 4), condition, AGENTIC_J, False),
        ]
    )


def test_accuracy_per_joule(store: Path, published: Con) -> None:
    rows = published.execute(
        "SELECT run_name, energy_j, value_per_j, value_per_j_lo <= value_per_j, value_per_j <= value_per_j_hi, "
        "n_measured FROM mlflow.quality_per_joule('accuracy')"
    ).fetchall()
    accuracy = dict(
        query(store, "SELECT r.name, l.value FROM latest_metrics l JOIN runs r USING (run_uuid) WHERE key = 'accuracy'")
    )
    energy = {"run 0": (LINEAR_J, 1), "run 2": (AGENTIC_J, 1), "run 4": (LINEAR_J + AGENTIC_J, 2)}
    assert {row[0]: (pytest.approx(row[1]), row[5]) for row in rows} == energy
    for name, joules, per_joule, above, below, _ in rows:
        assert per_joule == pytest.approx(accuracy[name] / joules)
        assert above in (True, None) and below in (True, None)
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)


@pytest.mark.parametrize(("metric", "minimise", "front"), [
    ("accuracy", False, {"run 0", "run 2", "run 4"}),  # each takes more energy than the one before, and is better
    ("loss", True, {"run 0"}),  # the least energy and the least loss
])  # fmt: skip
def test_the_front_of_quality_and_energy(metric: str, minimise: bool, front: set[str], published: Con) -> None:
    rows = published.execute(
        "SELECT run_name, value, energy_j, on_front FROM mlflow.pareto(?, minimise := ?)", [metric, minimise]
    )
    points = [(name, -value if minimise else value, joules, on) for name, value, joules, on in rows.fetchall()]
    for name, value, joules, on in points:
        beaten = any(v >= value and j <= joules and (v, j) != (value, joules) for _, v, j, _ in points)
        assert on != beaten, name
    assert {name for name, _, _, on in points if on} == front


@pytest.mark.parametrize("path", sorted((SQL_ROOT / "cookbook").glob("mlflow_*.sql")), ids=lambda path: path.stem)
def test_the_cookbook_answers(path: Path, store: Path, published: Con) -> None:
    text = path.read_text()
    values = {"metric": "accuracy", "model": "classifier", "one": run_of(store, 0), "other": run_of(store, 1)}
    asked = {name: value for name, value in values.items() if f"${name}" in text}
    assert run_query(published, text, asked).height > 0


# A store that goes on


def test_the_tables_follow_the_store(mlflow_db: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(mlflow_db, tmp_path / "mlflow.db"))
    home = tmp_path / "warehouse"
    import_store(f"sqlite:///{store}", home / "landing")
    materialize(home)
    foreign = {"store": 'mlflow_x" (y INT); --', "recorded_at": datetime.now(UTC), "experiment_id": 1}
    drop_rows(home / "landing", TABLES["experiments"], [foreign], host="h", producer="tests", date=MEASURED)
    gone, changed = run_of(store, 5), run_of(store, 0)
    for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
        query(store, f"DELETE FROM {table} WHERE run_uuid = ?", gone)
    query(store, "DELETE FROM registered_model_aliases")
    query(store, "DELETE FROM tags WHERE key = 'note' AND run_uuid = ?", changed)
    query(store, "DELETE FROM metrics WHERE key = 'loss' AND step < 5 AND run_uuid = ?", changed)
    query(store, "UPDATE tags SET value = 'test.py' WHERE key = 'mlflow.source.name' AND run_uuid = ?", changed)
    import_store(f"sqlite:///{store}", home / "landing")
    import_store(f"sqlite:///{store}", home / "landing")
    materialize(home)
    with connect_published(home / "alems.duckdb") as con:
        assert con.execute("SELECT count(*) FROM mlflow.registered_model_aliases").fetchall() == [(0,)]
        assert con.execute("SELECT run_uuid FROM mlflow.runs WHERE removed_at IS NOT NULL").fetchall() == [(gone,)]
        for table in ("tags", "metrics", "params"):
            listed, expected = rows_of(store, table)
            found = con.execute(f"SELECT {listed} FROM mlflow.{table} WHERE run_uuid <> ?", [gone]).fetchall()
            assert in_order(found) == in_order(expected), table
        assert con.execute("SELECT problem FROM ops.check_results WHERE problem LIKE '%mlflow.%'").fetchall() == []
        assert con.execute("SELECT dataset, reason, n_rows FROM ops.quarantine").fetchall() == [
            ("mlflow_experiments", tracking_rules.STORE, 1)
        ]


def drop_run(store: Path, run_uuid: str) -> None:
    for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
        query(store, f"DELETE FROM {table} WHERE run_uuid = ?", run_uuid)


def import_killed(store: Path, landing: Path) -> None:
    """An import that is killed when all that the changed runs own has landed, and none of the runs themselves."""
    program = f"""
import os, signal
from pathlib import Path
from collectors.sources import mlflow_store
drop = mlflow_store._Import._drop_by_day
def killed(self, table, *rest):
    os.kill(os.getpid(), signal.SIGKILL) if table == "runs" else drop(self, table, *rest)
mlflow_store._Import._drop_by_day = killed
mlflow_store.import_store({f"sqlite:///{store}"!r}, Path({str(landing)!r}))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == -signal.SIGKILL


def test_a_lost_state_and_a_kill_leave_what_stood_in_the_store(mlflow_db: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(mlflow_db, tmp_path / "mlflow.db"))
    home = tmp_path / "warehouse"
    drop_session(home / "landing", [MEASURED], pairs_per_day=1)
    maker, other, gone, reread = (run_of(store, number) for number in (0, 1, 5, 2))
    query(store, "UPDATE tags SET value = ? WHERE key = 'alems.run_uid'", str(measured_keys(home / "landing")[0]))
    import_store(f"sqlite:///{store}", home / "landing")
    # Version 1 is registered anew, by another run; a run, a tag, an alias and an experiment's tag are gone; a run began
    # on another day, where what it owns lands then.
    query(store, "UPDATE runs SET start_time = start_time + 3 * 86400000 WHERE run_uuid = ?", maker)
    query(store, "UPDATE model_versions SET run_id = ? WHERE version = 1", other)
    query(store, "DELETE FROM tags WHERE key = 'alems.run_uid' AND run_uuid <> ?", reread)
    query(store, "DELETE FROM registered_model_aliases")
    query(store, "DELETE FROM experiment_tags WHERE key = 'team'")
    drop_run(store, gone)
    state_path(home / "landing", "mlflow").unlink()
    import_store(f"sqlite:///{store}", home / "landing")
    stood = {table: rows_of(store, table) for table in TABLES}
    query(store, "UPDATE tags SET value = 'read again' WHERE key = 'note' AND run_uuid = ?", reread)
    query(store, "DELETE FROM metrics WHERE key = 'loss' AND step < 5 AND run_uuid = ?", reread)
    query(store, "INSERT INTO params VALUES ('new', '1', ?)", reread)
    import_killed(store, home / "landing")
    materialize(home)
    assert_tables_are(home, stood, gone)
    with connect_published(home / "alems.duckdb") as con:
        made = con.execute("SELECT source_id FROM lineage_edges WHERE target_id = 'classifier/1' AND relation = 'made'")
        assert made.fetchall() == [(other,)]
        measured = con.execute("SELECT target_id FROM lineage_edges WHERE relation = 'measured'").fetchall()
        assert sorted(measured) == sorted([(reread,), (gone,)]), "and none whose tag is gone"
        assert con.execute("SELECT run_uuid, removed_at IS NULL FROM mlflow.runs WHERE run_uuid IN (?, ?) ORDER BY 2",
                           [gone, maker]).fetchall() == [(gone, False), (maker, True)]  # fmt: skip
        waiting = con.execute("SELECT DISTINCT reason FROM ops.quarantine").fetchall()
        assert waiting == [(NOT_WHOLE,)]
    import_store(f"sqlite:///{store}", home / "landing")
    materialize(home)
    assert_tables_are(home, {table: rows_of(store, table) for table in TABLES}, gone)
    with connect_published(home / "alems.duckdb") as con:
        assert con.execute("SELECT reason FROM ops.quarantine").fetchall() == []


def assert_tables_are(home: Path, tables: dict[str, tuple[str, list[tuple[Any, ...]]]], gone: str) -> None:
    """The tables hold those rows; of a run that is gone what was read last is kept."""
    with connect_published(home / "alems.duckdb") as con:
        for table, (listed, expected) in tables.items():
            where = "WHERE run_uuid <> ?" if "run_uuid" in listed else "WHERE ? <> ''"
            found = con.execute(f"SELECT {listed} FROM mlflow.{table} {where}", [gone]).fetchall()
            assert in_order(found) == in_order(expected), table
        assert con.execute("SELECT problem FROM ops.check_results WHERE problem LIKE '%mlflow.%'").fetchall() == []
