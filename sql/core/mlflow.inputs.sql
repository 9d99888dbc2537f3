-- What one thing used of another: a run a dataset, or a model.
-- depends: stage.mlflow_inputs, stage.mlflow_removed
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
WITH current AS (
    SELECT *
    FROM stage.mlflow_inputs
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY source_type, source_id, destination_type, destination_id ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.input_uuid,
    current.source_type,
    current.source_id,
    current.destination_type,
    current.destination_id,
    current.step,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'inputs'
    AND removed.row_key = concat_ws(chr(31), current.source_type, current.source_id, current.destination_type, current.destination_id)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.source_type, current.source_id, current.destination_type, current.destination_id;
