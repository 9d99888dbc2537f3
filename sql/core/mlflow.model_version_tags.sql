-- A tag of a version of a registered model.
-- depends: stage.mlflow_model_version_tags, stage.mlflow_removed
-- unique: workspace, name, version, key
CREATE OR REPLACE TABLE mlflow.model_version_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    name VARCHAR NOT NULL, -- registered model
    version BIGINT NOT NULL, -- version
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.model_version_tags BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_model_version_tags
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY workspace, name, version, key ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.key,
    current.value,
    current.name,
    current.version,
    current.workspace,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'model_version_tags'
    AND removed.row_key = concat_ws(chr(31), coalesce(current.workspace, ''), current.name, current.version, current.key)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.workspace, current.name, current.version, current.key;
