-- An experiment, as the store had it when it was read last. Deleted ones are kept, and so are those no longer in the store.
-- depends: tracked.experiments
-- unique: experiment_id
CREATE OR REPLACE TABLE mlflow.experiments (
    experiment_id BIGINT NOT NULL, -- experiment
    name VARCHAR, -- its name
    artifact_location VARCHAR, -- where its runs' artifacts lie
    lifecycle_stage VARCHAR, -- active or deleted
    creation_time BIGINT, -- when it was created, epoch ms
    last_update_time BIGINT, -- when it was last changed, epoch ms
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    created_at TIMESTAMPTZ, -- when it was created
    updated_at TIMESTAMPTZ, -- when it was last changed
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL, -- when it was read from the store
    removed_at TIMESTAMPTZ -- when it was found to be no longer in the store; NULL while it is
);

INSERT INTO mlflow.experiments BY NAME
SELECT
    experiment_id,
    name,
    artifact_location,
    lifecycle_stage,
    creation_time,
    last_update_time,
    workspace,
    ops.time_of_ms(creation_time) AS created_at,
    ops.time_of_ms(last_update_time) AS updated_at,
    extra_json,
    recorded_at,
    removed_at
FROM tracked.experiments
WHERE store = {store}
ORDER BY experiment_id;
