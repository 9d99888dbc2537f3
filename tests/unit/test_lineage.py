"""The lineage as the command shows it, and as OpenLineage's own client reads it."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from openlineage.client.event_v2 import DatasetEvent, InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.event_v2 import StaticDataset as OpenDataset
from openlineage.client.facet_v2 import dataset_version_dataset, nominal_time_run, schema_dataset
from openlineage.client.serde import Serde
from typer.testing import CliRunner

from alems_pipeline.cli import app
from alems_pipeline.lineage import UnknownNode, events, find, lineage, run_uuid
from alems_pipeline.warehouse import Warehouse
from tests.warehouses import TRACKED_RUN


@pytest.fixture
def con(example_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with Warehouse(example_home).read() as con:
        yield con


def run_command(home: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["lineage", *arguments, "--warehouse", str(home)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def flat(node: dict[str, Any], direction: str) -> set[tuple[str, str]]:
    return {(node["kind"], node["id"])} | {one for below in node[direction] for one in flat(below, direction)}


def test_the_command_gives_every_step_as_json(example_home: Path, con: duckdb.DuckDBPyConnection) -> None:
    [(run_id,)] = con.execute("SELECT max(run_id)::VARCHAR FROM runs").fetchall()
    shown = json.loads(run_command(example_home, run_id))
    assert (shown["kind"], shown["id"], shown["to"]) == ("run", run_id, [])
    walked = con.execute("SELECT DISTINCT kind, id FROM lineage_up('run', ?)", [run_id]).fetchall()
    assert flat(shown, "from") == set(walked)
    assert {kind for kind, _ in walked} == {
        "run", "experiment", "hardware", "environment", "baseline", "landing_file", "code",
    }  # fmt: skip


def test_a_thing_is_found_by_its_id_or_its_kind(con: duckdb.DuckDBPyConnection) -> None:
    [(dataset,)] = con.execute("SELECT id FROM lineage_nodes WHERE kind = 'dataset'").fetchall()
    assert find(con, TRACKED_RUN) == ("run", TRACKED_RUN)
    assert find(con, f"run:{TRACKED_RUN}") == ("run", TRACKED_RUN)
    assert find(con, dataset) == find(con, f"dataset:{dataset}") == ("dataset", dataset)
    with pytest.raises(UnknownNode, match="nothing has this id"):
        find(con, "model:m/2")


def test_a_dataset_leads_to_what_was_made_from_it(con: duckdb.DuckDBPyConnection) -> None:
    [(dataset,)] = con.execute("SELECT id FROM lineage_nodes WHERE kind = 'dataset'").fetchall()
    found = lineage(con, "dataset", dataset)
    assert {kind for kind, _ in flat(found, "to")} == {"dataset", "run", "model_version", "landing_file"}
    [run] = found["to"]
    assert (run["relation"], run["id"]) == ("predicted by", TRACKED_RUN)


def test_openlineages_own_client_makes_the_same_events(example_home: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Each event is taken apart, made again by the classes of the client, which check it, and is the same JSON then."""
    lines = [json.loads(line) for line in run_command(example_home, "--openlineage").splitlines()]
    runs = [one for one in lines if "run" in one]
    assert Counter(one["eventType"] for one in runs) == {"START": 41, "COMPLETE": 40, "OTHER": 1}
    assert len(lines) - len(runs) == 1
    for event in lines:
        again = made_again(event)
        assert without_empty(json.loads(Serde.to_json(again))) == without_empty(event)


def test_an_event_names_the_run_its_data_and_its_energy(con: duckdb.DuckDBPyConnection) -> None:
    [start, event] = [one for one in events(con, TRACKED_RUN) if "run" in one]
    # It is known by its predictions only: nobody said whether it has ended.
    assert (start["eventType"], event["eventType"], start["run"]) == ("START", "OTHER", event["run"])
    assert "nominalEndTime" not in event["run"]["facets"]["nominalTime"]
    assert event["run"]["runId"] == str(uuid.UUID(TRACKED_RUN))
    assert "shapes" in [one["name"] for one in event["inputs"]]
    assert "m/2" in [one["name"] for one in event["outputs"]]
    [(run_id, energy, began)] = con.execute(
        "SELECT run_id::VARCHAR, total_energy_uj, make_timestamptz(start_time_ns // 1000) FROM runs "
        "ORDER BY start_time_ns LIMIT 1"
    ).fetchall()
    [start, measured] = events(con, run_id)
    assert start["eventTime"] == f"{began:%Y-%m-%dT%H:%M:%SZ}"
    assert measured["eventTime"] > start["eventTime"]
    assert measured["run"]["runId"] == run_uuid(run_id)
    assert measured["run"]["facets"]["alems_energy"]["total_energy_uj"] == energy
    assert measured["run"]["facets"]["nominalTime"]["nominalStartTime"] == f"{began:%Y-%m-%dT%H:%M:%SZ}"


def made_again(event: dict[str, Any]) -> RunEvent | DatasetEvent:
    if "dataset" in event:
        return DatasetEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            dataset=dataset_again(OpenDataset, event["dataset"]),
        )
    facets = {}
    for name, facet in event["run"]["facets"].items():
        if name == "nominalTime":
            times = {key: facet[key] for key in ("nominalStartTime", "nominalEndTime") if key in facet}
            facets[name] = nominal_time_run.NominalTimeRunFacet(**times, producer=facet["_producer"])
        else:
            facets[name] = facet
    return RunEvent(
        eventTime=event["eventTime"],
        eventType=RunState(event["eventType"]),
        producer=event["producer"],
        run=Run(runId=event["run"]["runId"], facets=facets),
        job=Job(**event["job"]),
        inputs=[dataset_again(InputDataset, one) for one in event["inputs"]],
        outputs=[dataset_again(OutputDataset, one) for one in event["outputs"]],
    )


def dataset_again(of: type, dataset: dict[str, Any]) -> Any:
    facets = {}
    for name, facet in dataset.get("facets", {}).items():
        if name == "version":
            facets[name] = dataset_version_dataset.DatasetVersionDatasetFacet(
                datasetVersion=facet["datasetVersion"], producer=facet["_producer"]
            )
        else:
            fields = [schema_dataset.SchemaDatasetFacetFields(**field) for field in facet["fields"]]
            facets[name] = schema_dataset.SchemaDatasetFacet(fields=fields, producer=facet["_producer"])
    return of(namespace=dataset["namespace"], name=dataset["name"], facets=facets)


def without_empty(value: Any) -> Any:
    """JSON without what is NULL or empty, which the client writes in other places than we do."""
    if isinstance(value, list):
        return [without_empty(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: without_empty(one) for name, one in value.items() if one not in (None, {}, [])}
