-- A dataset that runs of an experiment logged.
-- depends: stage.mlflow_datasets, stage.mlflow_removed
-- unique: experiment_id, name, digest
CREATE OR REPLACE TABLE mlflow.datasets (
    dataset_uuid VARCHAR, -- its id in the store
    experiment_id BIGINT NOT NULL, -- experiment that logged it
    name VARCHAR NOT NULL, -- its name
    digest VARCHAR NOT NULL, -- hash of its content
    dataset_source_type VARCHAR, -- kind of its source: local, http, s3, …
    dataset_source VARCHAR, -- where it is from, JSON
    dataset_schema VARCHAR, -- its columns, JSON
    dataset_profile VARCHAR, -- its size, JSON
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.datasets BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_datasets
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY experiment_id, name, digest ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.dataset_uuid,
    current.experiment_id,
    current.name,
    current.digest,
    current.dataset_source_type,
    current.dataset_source,
    current.dataset_schema,
    current.dataset_profile,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'datasets'
    AND removed.row_key = concat_ws(chr(31), current.experiment_id, current.name, current.digest)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.experiment_id, current.name, current.digest;
