-- What one thing used of another: a run a dataset, or a model.
-- depends: tracked.inputs
-- unique: source_type, source_id, destination_type, destination_id
CREATE OR REPLACE TABLE mlflow.inputs (
    input_uuid VARCHAR, -- id of the link
    source_type VARCHAR NOT NULL, -- what was used: DATASET, RUN_OUTPUT, …
    source_id VARCHAR NOT NULL, -- its id
    destination_type VARCHAR NOT NULL, -- what used it: RUN, …
    destination_id VARCHAR NOT NULL, -- its id
    step BIGINT, -- step at which it was used
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.inputs BY NAME
SELECT
    input_uuid,
    source_type,
    source_id,
    destination_type,
    destination_id,
    step,
    extra_json,
    recorded_at
FROM tracked.inputs
WHERE store = {store}
ORDER BY source_type, source_id, destination_type, destination_id;
