"""Schedules: every night, whatever the sensor would ask for, so that a stopped sensor costs a day at most."""

import dagster as dg

from alems_pipeline.defs.jobs import lake_job, warehouse_job
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.defs.sensors import wanted_runs


def nightly(job: dg.UnresolvedAssetJobDefinition, cron: str) -> dg.ScheduleDefinition:
    """A nightly tick that asks for the runs of one job that are wanted then."""

    @dg.schedule(name=f"nightly_{job.name}", job=job, cron_schedule=cron, execution_timezone="UTC")
    def tick(
        context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        wanted = wanted_runs(context.instance, warehouse)
        if isinstance(wanted, dg.SkipReason):
            return wanted
        own = [request for request in wanted if request.job_name == job.name]
        return own or dg.SkipReason(f"other work comes first: {len(wanted)} run(s) of another job are wanted")

    return tick


nightly_lake = nightly(lake_job, "0 2 * * *")
nightly_warehouse = nightly(warehouse_job, "0 3 * * *")
