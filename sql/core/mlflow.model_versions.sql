-- A version of a registered model.
-- depends: tracked.model_versions
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
SELECT
    name,
    version,
    creation_time,
    last_updated_time,
    description,
    user_id,
    current_stage,
    source,
    run_id,
    status,
    status_message,
    run_link,
    storage_location,
    workspace,
    ops.time_of_ms(creation_time) AS created_at,
    ops.time_of_ms(last_updated_time) AS updated_at,
    extra_json,
    recorded_at
FROM tracked.model_versions
WHERE store = {store}
ORDER BY workspace, name, version;
