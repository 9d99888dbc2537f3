"""The Dagster code location: what is defined, that its jobs run, and what a person can do in the UI."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from alems_pipeline import build
from alems_pipeline.definitions import build_defs
from alems_pipeline.defs.jobs import lake_job, warehouse_job
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.defs.sensors import PID_TAG, RANGE_END, RANGE_START, new_landing_files, wanted_runs
from alems_pipeline.warehouse import Warehouse
from tests.warehouses import warehouse_with

ROOT = Path(__file__).resolve().parents[2]
RANGE = {RANGE_START: "2026-01-21", RANGE_END: "2026-01-21"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(tmp_path_factory.mktemp("defs"))


def test_everything_that_is_defined(definitions: dg.Definitions) -> None:
    """A change of keys, dependencies, groups, checks, jobs or schedules shows up here as a diff to read."""
    graph = definitions.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        partitioned = "days" if node.partitions_def else ""
        lines.append(f"{key.to_user_string()} | {node.group_name} | {partitioned} | {parents}")
    lines += [f"check {key.to_user_string()}" for key in sorted(graph.asset_check_keys, key=str)]
    repository = definitions.get_repository_def()
    lines += [f"job {name}" for name in sorted(repository.job_names) if not name.startswith("__")]
    lines += [f"schedule {s.name} {s.cron_schedule}" for s in repository.schedule_defs]
    lines += [f"sensor {s.name}" for s in repository.sensor_defs]
    found = "\n".join(lines) + "\n"
    expected = ROOT / "tests" / "data" / "definitions.txt"
    if os.environ.get("ALEMS_UPDATE_SNAPSHOT"):
        expected.write_text(found)
    assert found == expected.read_text(), "read the diff; if it is meant: ALEMS_UPDATE_SNAPSHOT=1 pytest …"


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.group_name != "default", spec.key
        assert (spec.owners and spec.code_version) or spec.key == dg.AssetKey("alems.duckdb"), spec.key
        assert spec.tags.get("layer"), spec.key


def test_jobs_run_and_carry_metadata(example_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(example_landing, tmp_path)
    definitions = build_defs(home)
    with dg.DagsterInstance.ephemeral() as instance:
        lake = definitions.resolve_job_def("lake").execute_in_process(instance=instance, tags=RANGE, run_config=QUIET)
        assert lake.success
        tables = definitions.resolve_job_def("warehouse").execute_in_process(instance=instance, run_config=QUIET)
        assert tables.success
        [runs] = [e for e in tables.get_asset_materialization_events() if e.asset_key == dg.AssetKey("runs")]
        metadata = runs.materialization.metadata
        assert metadata["dagster/row_count"].value == 40
        assert metadata["dagster/table_name"].value == "main.runs"
        schema = metadata["dagster/column_schema"].value
        [total] = [column for column in schema.columns if column.name == "total_energy_uj"]
        assert total.type == "BIGINT" and total.description
        lineage = metadata["dagster/column_lineage"].value.deps_by_column
        assert dg.TableColumnDep(dg.AssetKey("stage"), "start_time_ns") in lineage["start_time_ns"]
        [error] = [e for e in tables.get_asset_materialization_events() if e.asset_key.path == ["ml_baseline_error"]]
        figures = error.materialization.metadata
        assert 0 < figures["held_out_mae_j"].value < figures["mean_mae_j"].value
        evaluations = tables.get_asset_check_evaluations()
        assert evaluations and all(e.passed or not e.blocking for e in evaluations)
    with Warehouse(home).read() as con:
        assert con.execute("SELECT count(*) FROM runs").fetchall() == [(40,)]


def test_the_sensor_asks_for_ranges_then_for_the_tables_then_for_nothing(example_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(example_landing, tmp_path)
    resource = WarehouseResource(database=str(Warehouse(home).build_path))
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"warehouse": resource}) as context,
    ):
        [request] = new_landing_files(context)
        assert request.job_name == "lake"
        assert {k: request.tags[k] for k in RANGE} == RANGE
        assert wanted_runs(instance, resource)[0].run_key == request.run_key, "the same work is asked for once"
        build.build_days(Warehouse(home), [date(2026, 1, 21)])
        [request] = new_landing_files(context)
        assert request.job_name == "warehouse"
        definitions = build_defs(home)
        assert definitions.resolve_job_def("warehouse").execute_in_process(instance=instance, run_config=QUIET).success
        assert isinstance(new_landing_files(context), dg.SkipReason)


def test_the_sensor_skips_while_somebody_writes(example_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(example_landing, tmp_path)
    resource = WarehouseResource(database=str(Warehouse(home).build_path))
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import sys\nfrom alems_pipeline.warehouse import Warehouse\n"
         f"with Warehouse({str(home)!r}).exclusive():\n    print('held', flush=True)\n    sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdin is not None and holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with dg.DagsterInstance.ephemeral() as instance:
            skipped = wanted_runs(instance, resource)
        assert isinstance(skipped, dg.SkipReason)
        assert f"process {holder.pid}" in (skipped.skip_message or "")
    finally:
        holder.stdin.close()
        holder.wait(10)


def test_a_started_run_whose_process_is_gone_does_not_block_the_sensor(example_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(example_landing, tmp_path)
    resource = WarehouseResource(database=str(Warehouse(home).build_path))
    with dg.DagsterInstance.ephemeral() as instance:
        dead = dg_run(instance, {PID_TAG: str(2**22 + 1)})  # above the kernel's greatest pid
        alive = dg_run(instance, {PID_TAG: str(os.getpid())})
        assert isinstance(wanted_runs(instance, resource), dg.SkipReason)
        assert statuses(instance, dead, alive) == ["FAILURE", "STARTED"]
        instance.report_run_failed(instance.get_run_by_id(alive))
        assert isinstance(wanted_runs(instance, resource), list)


def dg_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """A run of the job `lake` that has started."""
    run = instance.create_run_for_job(build_defs(Path("unused")).resolve_job_def("lake"), tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(event_type_value="PIPELINE_START", job_name="lake", message=""), run_id=run.run_id
    )
    return run.run_id


def statuses(instance: dg.DagsterInstance, *run_ids: str) -> list[str]:
    return [instance.get_run_by_id(run_id).status.value for run_id in run_ids]


def test_jobs_cover_every_asset_once(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    lake = definitions.resolve_job_def(lake_job.name).asset_layer.selected_asset_keys
    tables = definitions.resolve_job_def(warehouse_job.name).asset_layer.selected_asset_keys
    assert not lake & tables
    assert lake | tables == graph.get_all_asset_keys()


BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
BACKFILL_STATE = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill {
      status
      runs(limit: 100) { status pipelineName tags { key value } }
      error { message }
    }
  }
}
"""


def test_a_backfill_from_the_ui_is_one_run_per_range_then_one_for_the_rest(
    three_day_landing: Path, tmp_path: Path
) -> None:
    """Days 1, 2 and 4: two ranges. Everything selected, as "materialize all" does: two lake runs, then one other."""
    home = warehouse_with(three_day_landing, tmp_path)
    days = ["2026-03-01", "2026-03-02", "2026-03-04"]
    with dagster_dev(home, tmp_path) as url:
        assets = graphql(url, "{ assetNodes { assetKey { path } } }", {})["assetNodes"]
        params = {
            "assetSelection": [{"path": node["assetKey"]["path"]} for node in assets],
            "partitionNames": days,
            "fromFailure": False,
        }
        launched = graphql(url, BACKFILL, {"params": params})["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        state = wait_for_backfill(url, launched["backfillId"])
    assert state["status"] == "COMPLETED_SUCCESS", state
    ranges = sorted(
        (tags[RANGE_START], tags[RANGE_END])
        for tags in ({tag["key"]: tag["value"] for tag in run["tags"]} for run in state["runs"])
        if RANGE_START in tags
    )
    assert ranges == [("2026-03-01", "2026-03-02"), ("2026-03-04", "2026-03-04")]
    assert len(state["runs"]) == 3
    with Warehouse(home).read() as con:
        counted = con.execute("SELECT run_date::VARCHAR, count(*) FROM runs GROUP BY 1 ORDER BY 1").fetchall()
    assert counted == [(day, 2) for day in days]


def wait_for_backfill(url: str, backfill_id: str) -> dict[str, Any]:
    from time import monotonic, sleep

    deadline = monotonic() + 300  # the daemon looks every 30 s
    while True:
        state: dict[str, Any] = graphql(url, BACKFILL_STATE, {"id": backfill_id})["partitionBackfillOrError"]
        if state.get("status") not in ("REQUESTED", "CANCELING") or monotonic() > deadline:
            return state
        sleep(0.5)  # polling a server: the only wait in these tests


@contextmanager
def dagster_dev(home: Path, folder: Path) -> Iterator[str]:
    """`dagster dev` as `make dev` starts it, on a free loopback port."""
    from alems_pipeline.orchestrate import dagster_home

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ALEMS_WAREHOUSE": str(home), "DAGSTER_HOME": str(dagster_home(Warehouse(home)))}
    log = (folder / "dagster.log").open("w")
    server = subprocess.Popen(
        [Path(sys.executable).with_name("dagster"), "dev", "--host", "127.0.0.1", "--port", str(port),
         "--workspace", str(ROOT / "workspace.yaml")],
        cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/graphql"
    try:
        wait_until_up(url, server)
        yield url
    finally:
        os.killpg(server.pid, 15)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, 9)
        log.close()


def wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    from time import monotonic, sleep

    deadline = monotonic() + 90
    while monotonic() < deadline and server.poll() is None:
        try:
            if graphql(url, "{ assetNodes { assetKey { path } } }", {})["assetNodes"]:
                return
        except OSError:
            pass
        sleep(0.5)
    raise AssertionError("dagster dev did not come up")


def graphql(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data
