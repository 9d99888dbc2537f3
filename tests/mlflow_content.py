"""Fills an MLflow store by MLflow itself: `python -m tests.mlflow_content URL FOLDER`.

In a process of its own: MLflow sets up tracing and logging for the whole process that imports it.
"""

import sys
from contextlib import suppress
from pathlib import Path

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

LONG = "x" * 5_000
START_MS = 1_772_366_400_000  # 2026-03-01T12:00Z
DAY_MS = 86_400_000
HOSTILE = ("Größe", "µ/x", "a.b-c_d e", "LR", "lr")
NASTY_VALUE = """it's "quoted", back\\slash, ünïcode ☃, comma, \n newline"""


def fill(url: str, folder: Path) -> None:
    """Experiments, runs, params, metrics, tags, datasets, models, traces, some of them deleted."""
    mlflow.set_tracking_uri(url)
    client = MlflowClient(tracking_uri=url, registry_uri=url)
    artifacts = folder.as_uri()
    vision = client.create_experiment('vision\'s "best"', artifacts, tags={"team": "ünïcode", "note": NASTY_VALUE})
    language = client.create_experiment("language", artifacts)
    dropped = client.create_experiment("dropped", artifacts)
    data = Dataset(name="wine", digest="abc123", source_type="local", source='{"uri": "wine.csv"}',
                   schema='{"columns": []}', profile='{"num_rows": 178}')  # fmt: skip
    for number in range(6):
        run = client.create_run(
            vision if number < 4 else language,
            start_time=START_MS + number * DAY_MS // 2,
            run_name=f"run {number}",
            tags={
                "mlflow.source.name": "train.py",
                "alems.model": "openai/gpt-oss-120b",
                "alems.run_uid": str(1000 + number),
            },
        )
        id_ = run.info.run_id
        metrics = [Metric("loss", 1 / (step + 1) + number, START_MS + step * 1000, step) for step in range(20 + number)]
        metrics += [
            Metric("accuracy", 0.5 + number / 20 + step / 100, START_MS + step * 1000, step) for step in range(5)
        ]
        params = [Param("lr", str(0.1 / (number + 1))), Param("batch_size", "32"), Param("prompt", LONG)]
        client.log_batch(id_, metrics, params, [RunTag("note", NASTY_VALUE)])
        tagged = [InputTag("mlflow.data.context", "training")]
        client.log_inputs(id_, [DatasetInput(data, tagged)])
        client.set_terminated(
            id_, "FINISHED" if number % 2 == 0 else "FAILED", START_MS + number * DAY_MS // 2 + 60_000
        )
        if number == 0:
            _log_the_extremes(client, id_)
            child = client.create_run(vision, start_time=START_MS + 1, tags={"mlflow.parentRunId": id_})
            client.log_metric(child.info.run_id, "loss", 3.0)
        if number == 3:
            client.delete_run(id_)
        if number < 2:
            _register(client, "classifier", id_, artifacts)
    client.create_run(dropped, start_time=START_MS)
    client.delete_experiment(dropped)
    client.set_registered_model_tag("classifier", "task", NASTY_VALUE)
    client.set_registered_model_alias("classifier", "champion", "2")
    client.set_model_version_tag("classifier", "1", "checked", "yes")
    _trace(vision)


def _log_the_extremes(client: MlflowClient, run_id: str) -> None:
    for key, value in (("nan", float("nan")), ("up", float("inf")), ("down", float("-inf")), ("tiny", 5e-324)):
        client.log_metric(run_id, key, value, timestamp=START_MS, step=0)
    client.log_metric(run_id, "nan then number", float("nan"), timestamp=START_MS, step=0)
    client.log_metric(run_id, "nan then number", 2.0, timestamp=START_MS, step=1)
    # Dated back, and a lower step later: neither is the latest value.
    client.log_metric(run_id, "loss", 77.0, timestamp=START_MS - DAY_MS, step=3)
    client.log_metric(run_id, "loss", 88.0, timestamp=START_MS + DAY_MS, step=2)
    client.log_metric(run_id, "tie", 1.0, timestamp=START_MS, step=5)
    client.log_metric(run_id, "tie", 4.0, timestamp=START_MS, step=5)
    client.log_metric(run_id, "tie", 2.0, timestamp=START_MS, step=5)
    client.log_metric(run_id, "negative step", 1.0, timestamp=START_MS, step=-1)
    for key in HOSTILE:
        if key != "lr":
            client.log_param(run_id, key, NASTY_VALUE)
        client.log_metric(run_id, key, 1.5, timestamp=START_MS, step=0)


def _register(client: MlflowClient, name: str, run_id: str, artifacts: str) -> None:
    with suppress(mlflow.MlflowException):  # there already
        client.create_registered_model(name, description=NASTY_VALUE)
    client.create_model_version(name, f"{artifacts}/{run_id}/model", run_id, description="of " + run_id)


def _trace(experiment_id: str) -> None:
    mlflow.set_experiment(experiment_id=experiment_id)
    for number in range(3):
        with mlflow.start_span(name=f"call {number}") as span:
            span.set_inputs({"question": "why?"})
            span.set_outputs({"answer": "because"})
            mlflow.update_current_trace(tags={"kind": "test", "quoted": NASTY_VALUE})
    mlflow.flush_trace_async_logging()


if __name__ == "__main__":
    fill(sys.argv[1], Path(sys.argv[2]))
