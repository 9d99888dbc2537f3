"""Sensors: new landing files ask for the runs that bring them into the published file."""

import time

import dagster as dg
import psutil

from alems_pipeline import build
from alems_pipeline.defs.jobs import lake_job, warehouse_job
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.warehouse import WarehouseBusy

WORK_TAG = "alems/work"  # which pending work a run was asked for
MAX_ATTEMPTS = 3
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

PID_TAG = "alems/pid"  # process of a run that the `alems` command started
DEAD_AFTER_S = 60

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def wanted_runs(instance: dg.DagsterInstance, warehouse: WarehouseResource) -> list[dg.RunRequest] | dg.SkipReason:
    """One `lake` run per contiguous range of days to build; when none is left, one `warehouse` run to publish them.

    A failed run's key is never asked for again, so the key counts the attempts at the same work.
    """
    close_dead_runs(instance, warehouse)
    unfinished = [
        run
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED))
        if run.job_name in (lake_job.name, warehouse_job.name)
    ]
    if unfinished:
        return dg.SkipReason(f"{len(unfinished)} run(s) not finished yet")
    try:
        with warehouse.files.write(wait=False) as con:
            plan = build.plan(warehouse.files, con)
    except (WarehouseBusy, build.LandingIncomplete) as reason:
        return dg.SkipReason(str(reason))
    if plan.nothing:
        return dg.SkipReason("everything that landed is published")
    attempt = instance.get_runs_count(
        dg.RunsFilter(tags={WORK_TAG: plan.fingerprint}, statuses=[dg.DagsterRunStatus.FAILURE])
    )
    if attempt >= MAX_ATTEMPTS:
        return dg.SkipReason(
            f"{attempt} run(s) of the same work failed; it is asked for again when files or code change"
        )
    tags = {WORK_TAG: plan.fingerprint}
    if not plan.days:
        return [dg.RunRequest(f"{plan.fingerprint}-{attempt}", job_name=warehouse_job.name, tags=tags)]
    return [
        dg.RunRequest(
            f"{plan.fingerprint}-{attempt}-{first}",
            job_name=lake_job.name,
            tags={**tags, RANGE_START: first.isoformat(), RANGE_END: last.isoformat()},
        )
        for first, last in plan.ranges
    ]


def close_dead_runs(instance: dg.DagsterInstance, warehouse: WarehouseResource) -> None:
    """Mark runs whose process is gone as failed: Dagster does not find them, and they would keep all others waiting.

    A run of the `alems` command names its process. Any run that works holds the run lock, so a started one is dead
    where nobody holds the lock for longer than a run needs to take it.
    """
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    for record in instance.get_run_records(filters=started):
        run, pid = record.dagster_run, record.dagster_run.tags.get(PID_TAG)
        age_s = time.time() - (record.start_time or time.time())
        dead = not psutil.pid_exists(int(pid)) if pid else age_s > DEAD_AFTER_S and warehouse.files.is_idle()
        if dead:
            instance.report_run_failed(run, "its process was killed")


@dg.sensor(
    jobs=[lake_job, warehouse_job],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares landing with the warehouse's books and asks for what is missing.",
)
def new_landing_files(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    return wanted_runs(context.instance, warehouse)
