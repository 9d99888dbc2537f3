"""Programs that drop Parquet files. Light enough for a measured host: no Dagster, DuckDB, Polars or alems_pipeline."""
