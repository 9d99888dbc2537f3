-- A registered model.
-- depends: stage.mlflow_registered_models, stage.mlflow_removed
-- unique: workspace, name
CREATE OR REPLACE TABLE mlflow.registered_models (
    name VARCHAR NOT NULL, -- its name
    creation_time BIGINT, -- when it was registered, epoch ms
    last_updated_time BIGINT, -- when it was last changed, epoch ms
    description VARCHAR, -- what it is
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    created_at TIMESTAMPTZ, -- when it was registered
    updated_at TIMESTAMPTZ, -- when it was last changed
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.registered_models BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_registered_models
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY workspace, name ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.name,
    current.creation_time,
    current.last_updated_time,
    current.description,
    current.workspace,
    ops.time_of_ms(current.creation_time) AS created_at,
    ops.time_of_ms(current.last_updated_time) AS updated_at,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'registered_models'
    AND removed.row_key = concat_ws(chr(31), coalesce(current.workspace, ''), current.name)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.workspace, current.name;
