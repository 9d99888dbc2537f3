"""Jobs: `lake` builds days, `warehouse` builds everything else and publishes."""

import dagster as dg

from alems_pipeline import sql_files
from alems_pipeline.defs.lake import LAKE, STAGE
from alems_pipeline.sql_asset import asset_key

LAKE_SELECTION = dg.AssetSelection.assets(
    STAGE.key, *(spec.key for spec in LAKE), *(asset_key(f.qualified_name) for f in sql_files.layer_files("day"))
)

lake_job = dg.define_asset_job(
    "lake", selection=LAKE_SELECTION, description="Landed days into the lake, a range of days at a time."
)
warehouse_job = dg.define_asset_job(
    "warehouse",
    selection=dg.AssetSelection.all() - LAKE_SELECTION,
    description="Tables, views and checks from the lake, then the publication.",
)
