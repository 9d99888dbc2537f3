"""Jobs: `lake` builds days, `warehouse` builds everything else and publishes."""

import dagster as dg

from alems_pipeline.defs.lake import DAY_KEYS, LAKE_KEYS
from alems_pipeline.sql_asset import STAGE_KEY

LAKE_SELECTION = dg.AssetSelection.assets(STAGE_KEY, *LAKE_KEYS, *DAY_KEYS)

lake_job = dg.define_asset_job(
    "lake", selection=LAKE_SELECTION, description="Landed days into the lake, a range of days at a time."
)
warehouse_job = dg.define_asset_job(
    "warehouse",
    selection=dg.AssetSelection.all() - LAKE_SELECTION,
    description="Tables, views and checks from the lake, then the publication.",
)
