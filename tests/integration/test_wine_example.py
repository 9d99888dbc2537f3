"""The wine example as a user runs it: data in; a model trained, logged and measured; predictions and lineage out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import mlflow
import pytest
from sklearn.metrics import precision_recall_fscore_support

from alems_pipeline.warehouse import Warehouse
from tests.warehouses import alems, succeeds

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "wine.sh"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the example leaves: its folder, with the warehouse in it."""
    folder = tmp_path_factory.mktemp("wine")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "ALEMS_WAREHOUSE": str(folder / "warehouse")}
    answer = subprocess.run([EXAMPLE, folder / "wine"], env=environment, cwd=folder, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def test_wine_end_to_end(folder: Path) -> None:
    home = folder / "warehouse"
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'wine' / 'mlflow.db'}")
    run_uuid = (folder / "wine" / "run_uuid").read_text()
    tracked = client.get_run(run_uuid)
    with Warehouse(home).read() as con:
        is_in_the_store(con, run_uuid, tracked)
        has_its_energy(con, run_uuid)
        leads_everywhere(con, run_uuid, tracked)
    shown = json.loads(succeeds(alems(home, "lineage", run_uuid)))
    assert {node["relation"] for node in shown["from"]} >= {"used by", "predicted by", "measured", "has"}
    bundle = folder / "evidence.zip"
    succeeds(alems(home, "evidence", run_uuid, "--out", str(bundle)))
    shutil.rmtree(home)
    assert "equal: " in succeeds(alems(home, "evidence", "verify", str(bundle)))


def is_in_the_store(con: duckdb.DuckDBPyConnection, run_uuid: str, tracked: mlflow.entities.Run) -> None:
    """The data as MLflow knows it too, and predictions that score as MLflow and scikit-learn say."""
    [(name, digest)] = con.execute("SELECT name, digest FROM ml.datasets").fetchall()
    [used] = tracked.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == (name, digest)
    assert con.execute('SELECT count(*), sum("Proline") FROM ml.samples').fetchall() == [(178, 132947)]
    pairs = con.execute(
        "SELECT t.class, p.class FROM ml.predictions AS p JOIN ml.targets AS t USING (dataset_id, sample_index) "
        "WHERE p.run_uuid = ? ORDER BY sample_index", [run_uuid]
    ).fetchall()  # fmt: skip
    assert len(pairs) == 178
    [(accuracy,)] = con.execute("SELECT accuracy FROM ml.v_prediction_scores WHERE run_uuid = ?", [run_uuid]).fetchall()
    assert accuracy == pytest.approx(tracked.data.metrics["accuracy"])
    metrics = con.execute("SELECT precision, recall, f1, support FROM ml.v_class_metrics ORDER BY class").fetchall()
    expected = zip(*precision_recall_fscore_support(*zip(*pairs, strict=True)), strict=True)
    assert metrics == [pytest.approx(row) for row in expected]


def has_its_energy(con: duckdb.DuckDBPyConnection, run_uuid: str) -> None:
    [(energy, duration_ns, status)] = con.execute(
        "SELECT r.total_energy_uj, r.duration_ns, e.status FROM runs AS r JOIN experiments AS e USING (exp_id)"
    ).fetchall()
    assert status == "completed"
    assert energy > 0 and duration_ns > 0
    assert con.execute("SELECT energy_j FROM mlflow.v_run_energy WHERE run_uuid = ?", [run_uuid]).fetchall() == [
        (energy / 1e6,)
    ]


def leads_everywhere(con: duckdb.DuckDBPyConnection, run_uuid: str, tracked: mlflow.entities.Run) -> None:
    """Up to files, code, data, host and measurement; down to the model, its version, its place and its predictions."""
    up = dict(con.execute("SELECT kind, list(DISTINCT id) FROM lineage_up('run', ?) GROUP BY 1", [run_uuid]).fetchall())
    down = con.execute("SELECT DISTINCT kind, id FROM lineage_down('run', ?) WHERE distance > 0", [run_uuid]).fetchall()
    [(dataset, run_id, hw_id)] = con.execute(
        "SELECT d.name || '@' || d.digest, r.run_id::VARCHAR, r.hw_id::VARCHAR FROM ml.datasets AS d, runs AS r"
    ).fetchall()
    assert up["dataset"] == [dataset]
    assert sorted(up["run"]) == sorted([run_uuid, run_id])
    assert up["hardware"] == [hw_id]
    assert {"environment", "experiment", "landing_file"} <= up.keys()
    if commit := tracked.data.tags.get("mlflow.source.git.commit"):
        assert commit in up["code"]
    left = {kind for kind, _ in down}
    assert left == {"artifact", "landing_file", "model", "model_version"}
    assert ("artifact", tracked.info.artifact_uri) in down
    assert ("model_version", "wine/1") in down
    assert con.execute("SELECT n_failed FROM ops.check_results WHERE check_name = 'lineage'").fetchall() == [(0,)]
    of_files = con.execute(
        "SELECT DISTINCT split_part(id, '/', 1) FROM lineage_up('run', ?) WHERE kind = 'landing_file'", [run_uuid]
    )
    assert {name for (name,) in of_files.fetchall()} >= {
        "mlflow_runs", "mlflow_metrics", "ml_samples", "ml_targets", "runs", "energy_samples", "hardware_config",
    }  # fmt: skip
