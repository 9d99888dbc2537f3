"""The lineage of what other systems recorded: MLflow, RCDB, serving benchmarks; and of runs that name each other."""

import json
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from alems_pipeline.evidence import NoEvidence, bundle, verify
from alems_pipeline.lineage import events, run_uuid
from alems_pipeline.warehouse import Warehouse
from collectors import contract
from collectors.drop import drop_rows
from collectors.sources.inferencex import Told, collect
from tests.inference_warehouse import real_row
from tests.small_landing import drop_day
from tests.warehouses import materialize

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHILD, PARENT, LATER, ELSEWHERE = "c" * 32, "a" * 32, "f" * 32, "e" * 32
STORE = {"store": "mlflow", "recorded_at": NOW}
LAB = STORE | {"store": "mlflow_lab"}


def drop(home: Path, dataset: str, *rows: dict[str, Any]) -> None:
    drop_rows(home / "landing", contract.DATASETS[dataset], rows, host="lab-1", producer="tests", date=NOW.date())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("systems")
    drop_day(home / "landing", NOW.date())
    drop(home, "mlflow_alembic_version", STORE | {"version_num": "1"})
    drop(home, "mlflow_experiments", STORE | {"experiment_id": 7, "name": "wine"})
    for uuid, start_time in ((PARENT, 1000), (CHILD, 2000), (LATER, 3000)):
        place = f"file:///artifacts/{uuid}"
        run = {"run_uuid": uuid, "experiment_id": 7, "start_time": start_time, "name": uuid[0], "artifact_uri": place}
        drop(home, "mlflow_runs", STORE | run)
    drop(home, "mlflow_alembic_version", LAB | {"version_num": "1"})
    drop(home, "mlflow_experiments", LAB | {"experiment_id": 7, "name": "grapes"})
    run = {"run_uuid": ELSEWHERE, "experiment_id": 7, "start_time": 4000, "end_time": 9000, "status": "FAILED"}
    drop(home, "mlflow_runs", LAB | run)
    data = {"source_type": "DATASET", "source_id": "d3", "destination_type": "RUN", "destination_id": ELSEWHERE}
    drop(home, "mlflow_inputs", LAB | data)
    drop(home, "mlflow_datasets", LAB | {"dataset_uuid": "d3", "experiment_id": 7, "name": "wine", "digest": "12ab"})
    drop(
        home,
        "mlflow_tags",
        LAB | {"run_uuid": ELSEWHERE, "key": "mlflow.parentRunId", "value": CHILD},
        STORE | {"run_uuid": CHILD, "key": "mlflow.parentRunId", "value": PARENT},
        STORE | {"run_uuid": PARENT, "key": "mlflow.parentRunId", "value": LATER},  # against time
        STORE | {"run_uuid": LATER, "key": "mlflow.parentRunId", "value": LATER},  # of itself
        STORE | {"run_uuid": PARENT, "key": "mlflow.source.git.commit", "value": "abc123"},
    )
    drop(
        home,
        "mlflow_datasets",
        STORE | {"dataset_uuid": "d1", "experiment_id": 7, "name": "wine", "digest": "12ab"},
        STORE | {"dataset_uuid": "d2", "experiment_id": 8, "name": "wine", "digest": "12ab"},
    )
    models = {"source_type": "RUN_OUTPUT", "destination_type": "MODEL_OUTPUT"}
    used = {"source_type": "RUN_INPUT", "destination_type": "MODEL_INPUT"}
    drop(
        home,
        "mlflow_inputs",
        STORE | {"source_type": "DATASET", "source_id": "d1", "destination_type": "RUN", "destination_id": CHILD},
        STORE | {"source_type": "DATASET", "source_id": "d2", "destination_type": "RUN", "destination_id": LATER},
        STORE | models | {"source_id": CHILD, "destination_id": "m-1"},
        STORE | used | {"source_id": CHILD, "destination_id": "m-1"},  # its own
        STORE | used | {"source_id": PARENT, "destination_id": "m-1"},  # that of a later one
        STORE | used | {"source_id": LATER, "destination_id": "m-1"},
        STORE | models | {"source_id": PARENT, "destination_id": "m-2"},
        STORE | used | {"source_id": CHILD, "destination_id": "m-2"},  # its child makes it again
    )
    drop(home, "mlflow_inputs", LAB | models | {"source_id": ELSEWHERE, "destination_id": "m-2"})
    drop(home, "mlflow_registered_models", STORE | {"name": "grape"})
    version = {"name": "grape", "version": 1, "run_id": CHILD, "source": "models:/m-1"}
    drop(home, "mlflow_model_versions", STORE | version)
    drop(home, "mlflow_model_versions", STORE | version | LAB | {"run_id": LATER, "source": "x"})
    drop(home, "rcdb_runs", {"schema_name": "rcdb", "recorded_at": NOW, "number": 42, "started": NOW})
    kind = {"schema_name": "rcdb", "recorded_at": NOW, "source_system": "rcdb", "value_type": "float"}
    drop(home, "rcdb_condition_types", kind | {"type_id": 3, "name": "beam_current"})
    value = {"condition_id": 9, "condition_type_id": 3, "float_value": 1.5}
    drop(home, "rcdb_conditions", {"schema_name": "rcdb", "recorded_at": NOW, "run_number": 42, **value})
    metric = {"key": "accuracy", "timestamp": 1, "step": 0, "is_nan": False}
    for value_ in (0.5, sys.float_info.max):
        drop(home, "mlflow_metrics", LAB | metric | {"run_uuid": ELSEWHERE, "value": value_})
    drop(home, "mlflow_params", LAB | {"run_uuid": ELSEWHERE, "key": "lr", "value": "it's 0.1"})
    drop(home, "rcdb_file_contents", {"recorded_at": NOW, "sha256": "s", "content": "a = 1"})
    file = {"schema_name": "rcdb", "recorded_at": NOW, "file_id": 1, "path": "/etc/a.conf", "importance": 0}
    drop(home, "rcdb_files", file | {"sha256": "s", "content_sha256": "s"})
    drop(home, "rcdb_files_have_runs", {"schema_name": "rcdb", "recorded_at": NOW, "file_id": 1, "run_number": 42})
    (home / "bench.json").write_text(json.dumps([real_row()]))
    collect([home / "bench.json"], home / "landing", Told(run_id=77, attempt=1, created_at=NOW), now=NOW)
    materialize(home)
    return home


@pytest.fixture
def con(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(home).read() as con:
        yield con


def steps(con: duckdb.DuckDBPyConnection, kind: str, id_: str, direction: str) -> set[tuple[str, str, str]]:
    """What is one step away: relation, kind, id; landing files by their dataset."""
    rows = con.execute(
        f"SELECT relation, kind, CASE WHEN kind = 'landing_file' THEN split_part(id, '/', 1) ELSE id END "
        f"FROM lineage_{direction}(?, ?) WHERE distance = 1",
        [kind, id_],
    ).fetchall()
    return set(rows)


def test_a_tracked_run_has_its_parent_data_model_and_place(con: duckdb.DuckDBPyConnection) -> None:
    assert steps(con, "run", CHILD, "up") == {
        ("mlflow_runs", "landing_file", "mlflow_runs"),
        ("mlflow_tags", "landing_file", "mlflow_tags"),
        ("has", "experiment", "mlflow/7"),
        ("parent of", "run", PARENT),
        ("used by", "dataset", "wine@12ab"),
    }
    assert steps(con, "run", CHILD, "down") == {
        ("made", "model", "m-1"),
        ("made", "model_version", "grape/1"),
        ("left", "artifact", f"file:///artifacts/{CHILD}"),
        ("parent of", "run", ELSEWHERE),
    }
    assert ("code of", "code", "abc123") in steps(con, "run", PARENT, "up")


def test_a_dataset_is_one_whatever_experiment_logged_it(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("SELECT count(*) FROM lineage_nodes WHERE kind = 'dataset'").fetchall() == [(1,)]
    assert {id_ for _, _, id_ in steps(con, "dataset", "wine@12ab", "down")} == {CHILD, LATER, ELSEWHERE}


def test_versions_of_another_store_stand_behind_its_name(con: duckdb.DuckDBPyConnection) -> None:
    assert {id_ for _, _, id_ in steps(con, "model_version", "grape/1", "up")} == {
        CHILD, "m-1", "grape", "mlflow_model_versions",
    }  # fmt: skip
    assert ("made", "run", LATER) in steps(con, "model_version", "mlflow_lab/grape/1", "up")


def test_runs_that_name_each_other_against_time_make_no_circle(con: duckdb.DuckDBPyConnection) -> None:
    """A run is no parent of itself or of an earlier one, and uses no model that it or a later one made."""
    rows = con.execute(
        "SELECT source_id, target_id FROM lineage_edges WHERE source_kind IN ('run', 'model') AND target_kind = 'run'"
    ).fetchall()
    assert sorted(rows) == sorted([(PARENT, CHILD), (CHILD, ELSEWHERE), ("m-1", LATER)])
    assert con.execute("SELECT n_failed, problem FROM ops.check_results WHERE check_name = 'lineage'").fetchall() == [
        (0, None)
    ]


def test_a_run_of_rcdb_has_its_files(con: duckdb.DuckDBPyConnection) -> None:
    assert steps(con, "run", "rcdb:42", "up") == {
        ("rcdb_runs", "landing_file", "rcdb_runs"),
        ("rcdb_conditions", "landing_file", "rcdb_conditions"),
        ("file of", "artifact", "rcdb:file:1"),
    }


def test_a_benchmark_result_has_its_run_config_and_hardware(con: duckdb.DuckDBPyConnection) -> None:
    [(result,)] = con.execute("SELECT id FROM lineage_nodes WHERE kind = 'benchmark_result'").fetchall()
    up = dict(
        con.execute(
            "SELECT kind, list(DISTINCT id) FROM lineage_up('benchmark_result', ?) GROUP BY 1", [result]
        ).fetchall()
    )
    [(config_id, run, hardware, model)] = con.execute(
        "SELECT c.config_id::VARCHAR, 'inference:' || r.workflow_run_id, c.hardware, c.model "
        "FROM inference.benchmark_results AS r JOIN inference.configs AS c USING (config_id)"
    ).fetchall()
    assert (up["benchmark_config"], up["run"], up["hardware"], up["model"]) == ([config_id], [run], [hardware], [model])
    assert [path.partition("/")[0] for path in up["landing_file"]] == ["inference_artifacts"]
    [row] = con.execute(
        "SELECT benchmark_configs, benchmark_results FROM v_run_lineage WHERE system = 'inference'"
    ).fetchall()
    assert row == (None, [result])


def test_an_event_has_the_end_and_the_parent_of_its_run_whatever_store_it_is_of(con: duckdb.DuckDBPyConnection) -> None:
    told = {one["run"]["facets"]["alems_run"]["id"]: one for one in events(con) if "run" in one}
    of = {id_: (one["eventType"], one["eventTime"], one["job"]["name"]) for id_, one in told.items()}
    assert of[ELSEWHERE] == ("FAIL", "1970-01-01T00:00:09Z", "grapes")
    assert of[CHILD] == ("OTHER", "1970-01-01T00:00:02Z", "wine"), "its store does not say that it has ended"
    assert of["rcdb:42"][0] == "OTHER"
    parents = {
        id_: (one["run"]["facets"]["parent"]["run"]["runId"], one["run"]["facets"]["parent"]["job"]["name"])
        for id_, one in told.items()
        if "parent" in one["run"]["facets"]
    }
    # The parent is the run that the tag names, and neither that of the model nor one that is measured.
    assert parents == {
        CHILD: (run_uuid(PARENT), "wine"),
        ELSEWHERE: (run_uuid(CHILD), "wine"),
        PARENT: (run_uuid(LATER), "wine"),
    }
    [*_, alone] = events(con, ELSEWHERE)
    assert alone == told[ELSEWHERE], "also when it is asked for alone"


def test_runs_of_every_system_have_evidence(home: Path, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    [(benchmark,)] = con.execute("SELECT id FROM v_run_lineage WHERE system = 'inference'").fetchall()
    runs = [ELSEWHERE, PARENT, "rcdb:42", benchmark]
    paths = bundle(Warehouse(home), con, runs, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        figures = json.loads(archive.read("figures.json"))
        names = archive.namelist()
    [accuracy] = figures["mlflow_lab.latest_metrics"]
    assert (accuracy["key"], accuracy["value"], accuracy["run_uuid"]) == ("accuracy", "inf", ELSEWHERE)
    assert [row["value"] for row in figures["mlflow_lab.params"]] == ["it's 0.1"]
    assert [row["run_uuid"] for row in figures["mlflow.runs"]] == [PARENT]
    assert [row["float_value"] for row in figures["rcdb.conditions"]] == [1.5]
    assert len(figures["inference.benchmark_results"]) == 1
    assert {
        "sql/core/mlflow.latest_metrics.sql", "sql/tracked/records.sql", "sql/tracked/owned.sql",
        "sql/core/benchmark_results.sql", "sql/registry/models.csv",
    } <= set(names)  # fmt: skip
    assert not [path for path in paths if path.startswith("energy_samples")]
    verdict = verify(tmp_path / "all.zip")
    assert (verdict.damage, verdict.differences, len(verdict.runs)) == ([], [], 4)
    for run in runs:
        bundle(Warehouse(home), con, [run], tmp_path / "one.zip")
        verdict = verify(tmp_path / "one.zip")
        assert (verdict.is_equal, verdict.runs, verdict.n_figures > 0) == (True, [run], True)
    with pytest.raises(NoEvidence, match="no run that has figures"):
        bundle(Warehouse(home), con, ["rcdb:43"], tmp_path / "none.zip")
