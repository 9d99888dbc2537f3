-- An experiment, as the store had it when it was read last. Deleted ones are kept, and so are those no longer in the store.
-- depends: stage.mlflow_experiments, stage.mlflow_removed
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
WITH current AS (
    SELECT *
    FROM stage.mlflow_experiments
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY experiment_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
removed AS (
    SELECT row_key, max(recorded_at) AS removed_at
    FROM stage.mlflow_removed
    WHERE store = 'mlflow' AND table_name = 'experiments'
    GROUP BY row_key
)
SELECT
    current.experiment_id,
    current.name,
    current.artifact_location,
    current.lifecycle_stage,
    current.creation_time,
    current.last_update_time,
    current.workspace,
    ops.time_of_ms(current.creation_time) AS created_at,
    ops.time_of_ms(current.last_update_time) AS updated_at,
    current.extra_json,
    current.recorded_at,
    removed.removed_at
FROM current
LEFT JOIN removed
    ON removed.row_key = current.experiment_id::VARCHAR
    AND removed.removed_at > current.recorded_at
ORDER BY current.experiment_id;
