-- A tag of a registered model.
-- depends: stage.mlflow_registered_model_tags, stage.mlflow_removed
-- unique: workspace, name, key
CREATE OR REPLACE TABLE mlflow.registered_model_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    name VARCHAR NOT NULL, -- registered model
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.registered_model_tags BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_registered_model_tags
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY workspace, name, key ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.key,
    current.value,
    current.name,
    current.workspace,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'registered_model_tags'
    AND removed.row_key = concat_ws(chr(31), coalesce(current.workspace, ''), current.name, current.key)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.workspace, current.name, current.key;
