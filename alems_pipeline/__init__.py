"""From landed Parquet files to one published DuckDB file: the Dagster code location and the `alems` command."""
