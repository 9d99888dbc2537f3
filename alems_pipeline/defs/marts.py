"""The marts: what is computed from the core, by SQL (`sql/marts`) or by Python (`sql/computed`), and the views that
analysts read (`sql/views`)."""

from alems_pipeline.sql_asset import layer_asset

marts = layer_asset("marts")
computed = layer_asset("computed")
views = layer_asset("views")
