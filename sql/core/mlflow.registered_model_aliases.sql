-- A name for one version of a registered model.
-- depends: stage.mlflow_registered_model_aliases, stage.mlflow_removed
-- unique: workspace, name, alias
CREATE OR REPLACE TABLE mlflow.registered_model_aliases (
    alias VARCHAR NOT NULL, -- alias
    version BIGINT, -- version that it stands for
    name VARCHAR NOT NULL, -- registered model
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.registered_model_aliases BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_registered_model_aliases
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY workspace, name, alias ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.alias,
    current.version,
    current.name,
    current.workspace,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'registered_model_aliases'
    AND removed.row_key = concat_ws(chr(31), coalesce(current.workspace, ''), current.name, current.alias)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.workspace, current.name, current.alias;
