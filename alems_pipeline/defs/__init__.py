"""What Dagster loads: thin definitions, one module per kind. The work itself is in `alems_pipeline.build`."""
