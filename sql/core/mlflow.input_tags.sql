-- A tag of an input.
-- depends: stage.mlflow_input_tags, stage.mlflow_removed
-- unique: input_uuid, name
CREATE OR REPLACE TABLE mlflow.input_tags (
    input_uuid VARCHAR NOT NULL, -- id of the link
    name VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.input_tags BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_input_tags
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY input_uuid, name ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.input_uuid,
    current.name,
    current.value,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'input_tags'
    AND removed.row_key = concat_ws(chr(31), current.input_uuid, current.name)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.input_uuid, current.name;
