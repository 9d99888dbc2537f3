"""Running the Dagster jobs in this process, for the `alems` command: the same jobs, the same run history as the UI."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import dagster as dg

from alems_pipeline import build, sql_files
from alems_pipeline.build import TABLE_LAYERS, Plan
from alems_pipeline.definitions import build_defs
from alems_pipeline.defs.jobs import lake_job, warehouse_job
from alems_pipeline.defs.lake import DAY_DONE, DAY_GOES_ON
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.defs.sensors import PID_TAG, RANGE_END, RANGE_START, close_dead_runs
from alems_pipeline.event_log import open_instance
from alems_pipeline.warehouse import Warehouse

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_CONFIG: Final = Path(__file__).resolve().parent.parent / "dagster.yaml"


class RunFailed(RuntimeError):
    """A job failed; the message is the first failure's cause, in one line."""


def dagster_home(warehouse: Warehouse) -> Path:
    """The Dagster instance's folder inside the warehouse, made on first use."""
    home = warehouse.home / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_CONFIG, home / "dagster.yaml")
    return home


def execute(warehouse: Warehouse, plan: Plan, on_event: Callable[[str, int], None]) -> None:
    """Run what the plan asks for: the lake's ranges, then the tables and the publication.

    `on_event` is told in a few words what happened, and how many steps of n_steps() that ended. Raises RunFailed.
    """
    home = dagster_home(warehouse)
    os.environ["DAGSTER_HOME"] = str(home)
    definitions = build_defs(warehouse.home)
    with open_instance(home) as instance:
        close_dead_runs(instance, WarehouseResource(database=str(warehouse.build_path)))
        for first, last in plan.ranges:
            tags = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
            _run(definitions.resolve_job_def(lake_job.name), instance, tags, on_event)
        if plan.tables:
            _run(definitions.resolve_job_def(warehouse_job.name), instance, {}, on_event)


def n_steps(plan: Plan) -> int:
    """How many steps execute() has: a day is one, and so is each step of Dagster's."""
    layers = [layer for layer in TABLE_LAYERS if sql_files.layer_files(layer)]
    checked = {build.check_layer(check) for check in sql_files.layer_files("checks")}
    table_steps = len(layers) + len(checked) + 1 if plan.tables else 0
    return len(plan.days) + len(plan.ranges) + table_steps


def _run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, tags: dict[str, str], on_event: Callable[[str, int], None]
) -> None:
    run_id = str(uuid.uuid4())

    def listen(event: dg.EventLogEntry) -> None:
        if event.dagster_event is None:
            if event.user_message.startswith(DAY_DONE):
                on_event(event.user_message, 1)
            elif event.user_message.startswith(DAY_GOES_ON):
                on_event(event.user_message, 0)
        elif event.dagster_event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            on_event(f"{job.name}: {event.step_key}", 1)

    instance.add_event_listener(run_id, listen)
    try:
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={**tags, PID_TAG: str(os.getpid())},
            run_config=_QUIET,
            raise_on_error=False,
        )
    finally:
        _close(instance, run_id)
    if not result.success:
        raise RunFailed(_first_failure(result))


def _close(instance: dg.DagsterInstance, run_id: str) -> None:
    """A signal between two steps ends a run without Dagster's noting it: it would stand as running."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, "interrupted")


def _first_failure(result: dg.ExecuteInProcessResult) -> str:
    """The cause of the first failed step or blocking check, in one line."""
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.blocking:
            return f"check {check.check_name} failed: {check.description}"
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            if error is not None:
                return f"{event.step_key}: {error.message.strip().splitlines()[0]}"
    return "the run failed; `make dev` shows why"
