"""The marts: what is computed from the core, from `sql/marts`, and the views that analysts read, from `sql/views`."""

from alems_pipeline.sql_asset import layer_asset

marts = layer_asset("marts")
views = layer_asset("views")
