-- A version of a registered model.
-- depends: stage.mlflow_model_versions, stage.mlflow_removed
-- unique: workspace, name, version
CREATE OR REPLACE TABLE mlflow.model_versions (
    name VARCHAR NOT NULL, -- registered model
    version BIGINT NOT NULL, -- version, from 1
    creation_time BIGINT, -- when it was made, epoch ms
    last_updated_time BIGINT, -- when it was last changed, epoch ms
    description VARCHAR, -- what it is
    user_id VARCHAR, -- who made it
    current_stage VARCHAR, -- None, Staging, Production or Archived
    source VARCHAR, -- where the model lies
    run_id VARCHAR, -- run that made it
    status VARCHAR, -- READY, PENDING_REGISTRATION, …
    status_message VARCHAR, -- why it is so
    run_link VARCHAR, -- link to the run
    storage_location VARCHAR, -- where the registry keeps it
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    created_at TIMESTAMPTZ, -- when it was made
    updated_at TIMESTAMPTZ, -- when it was last changed
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.model_versions BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_model_versions
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY workspace, name, version ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.name,
    current.version,
    current.creation_time,
    current.last_updated_time,
    current.description,
    current.user_id,
    current.current_stage,
    current.source,
    current.run_id,
    current.status,
    current.status_message,
    current.run_link,
    current.storage_location,
    current.workspace,
    ops.time_of_ms(current.creation_time) AS created_at,
    ops.time_of_ms(current.last_updated_time) AS updated_at,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'model_versions'
    AND removed.row_key = concat_ws(chr(31), coalesce(current.workspace, ''), current.name, current.version)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.workspace, current.name, current.version;
