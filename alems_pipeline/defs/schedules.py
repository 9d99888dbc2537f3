"""Schedules: every night, whatever the sensor would ask for, so that a stopped sensor costs a day at most."""

import dagster as dg

from alems_pipeline.defs.jobs import lake_job, warehouse_job
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.defs.sensors import wanted_runs


def _wanted_of(
    job_name: str, context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """What is wanted of one job: a schedule can only start its own."""
    wanted = wanted_runs(context.instance, warehouse)
    if isinstance(wanted, dg.SkipReason):
        return wanted
    own = [request for request in wanted if request.job_name == job_name]
    return own or dg.SkipReason(f"{len(wanted)} run(s) of another job come first")


@dg.schedule(job=lake_job, cron_schedule="0 2 * * *", execution_timezone="UTC")
def nightly_lake(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    return _wanted_of(lake_job.name, context, warehouse)


@dg.schedule(job=warehouse_job, cron_schedule="0 3 * * *", execution_timezone="UTC")
def nightly_warehouse(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    return _wanted_of(warehouse_job.name, context, warehouse)
