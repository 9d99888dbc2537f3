-- A parameter or metric of any run, and its column of v_runs_wide: `params.<key>` or `metrics.<key>`, as MLflow names it.
-- DuckDB's names are blind to case: of names that differ in it only, that of most runs stays as it is, the others end in _2, _3, …
-- depends: mlflow.params, mlflow.latest_metrics
-- made by: alems_pipeline/tracking_tables.py
CREATE OR REPLACE TABLE mlflow.wide_columns (
    kind VARCHAR NOT NULL, -- params or metrics
    key VARCHAR NOT NULL, -- parameter or metric
    column_name VARCHAR, -- its column; NULL where there are 1,000 that more runs have
    n_runs BIGINT NOT NULL -- runs that have it
);
