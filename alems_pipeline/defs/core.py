"""The core layer: dimensions, experiments, runs and their events, from `sql/core`."""

from alems_pipeline.sql_asset import layer_asset

core = layer_asset("core")
