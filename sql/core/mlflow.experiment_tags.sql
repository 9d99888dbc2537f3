-- A tag of an experiment.
-- depends: tracked.experiment_tags
-- unique: experiment_id, key
CREATE OR REPLACE TABLE mlflow.experiment_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    experiment_id BIGINT NOT NULL, -- experiment
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.experiment_tags BY NAME
SELECT
    key,
    value,
    experiment_id,
    extra_json,
    recorded_at
FROM tracked.experiment_tags
WHERE store = {store}
ORDER BY experiment_id, key;
