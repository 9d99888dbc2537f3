-- A dataset that runs of an experiment logged.
-- depends: tracked.datasets
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
SELECT
    dataset_uuid,
    experiment_id,
    name,
    digest,
    dataset_source_type,
    dataset_source,
    dataset_schema,
    dataset_profile,
    extra_json,
    recorded_at
FROM tracked.datasets
WHERE store = {store}
ORDER BY experiment_id, name, digest;
