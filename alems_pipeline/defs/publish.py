"""The publication: the build file, checked, becomes the file that analysts open."""

from datetime import timedelta

import dagster as dg

from alems_pipeline import build, sql_files
from alems_pipeline.build import TABLE_LAYERS
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.sql_asset import OWNERS, asset_key
from alems_pipeline.warehouse import PublishRefused

BUILT = [asset_key(file.qualified_name) for layer in TABLE_LAYERS for file in sql_files.layer_files(layer)]


@dg.asset(
    key="alems.duckdb",
    deps=BUILT,
    description="The published snapshot: every table and view, whole, opened read-only by analysts at any time.",
    group_name="publish",
    kinds={"duckdb"},
    owners=OWNERS,
    tags={"layer": "publish"},
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)),
)
def alems_duckdb(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    try:
        publication = build.publish(warehouse.files)
    except PublishRefused as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(publication.path)),
            "bytes": publication.bytes,
            "published_at": publication.published_at.isoformat(),
        }
    )
