-- A tracked run, as the store had it when it was read last. Deleted runs are kept, and so are those that are no longer
-- in the store.
-- depends: stage.mlflow_runs, stage.mlflow_removed
-- unique: run_uuid
CREATE OR REPLACE TABLE mlflow.runs (
    run_uuid VARCHAR NOT NULL, -- run
    name VARCHAR, -- its name
    source_type VARCHAR, -- what it was started by: LOCAL, NOTEBOOK, …
    source_name VARCHAR, -- program that ran
    entry_point_name VARCHAR, -- entry point of the project
    user_id VARCHAR, -- who ran it
    status VARCHAR, -- RUNNING, SCHEDULED, FINISHED, FAILED or KILLED
    start_time BIGINT, -- start, epoch ms
    end_time BIGINT, -- end, epoch ms
    source_version VARCHAR, -- commit of the program
    lifecycle_stage VARCHAR, -- active or deleted
    artifact_uri VARCHAR, -- where its artifacts lie
    experiment_id BIGINT, -- experiment
    deleted_time BIGINT, -- when it was deleted, epoch ms
    started_at TIMESTAMPTZ, -- start
    ended_at TIMESTAMPTZ, -- end
    deleted_at TIMESTAMPTZ, -- when it was deleted
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL, -- when it was read from the store
    removed_at TIMESTAMPTZ -- when it was found to be no longer in the store; NULL while it is
);

INSERT INTO mlflow.runs BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_runs
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY run_uuid ORDER BY recorded_at DESC, landing_date DESC) = 1
),
removed AS (
    SELECT row_key, max(recorded_at) AS removed_at
    FROM stage.mlflow_removed
    WHERE store = 'mlflow' AND table_name = 'runs'
    GROUP BY row_key
)
SELECT
    current.run_uuid,
    current.name,
    current.source_type,
    current.source_name,
    current.entry_point_name,
    current.user_id,
    current.status,
    current.start_time,
    current.end_time,
    current.source_version,
    current.lifecycle_stage,
    current.artifact_uri,
    current.experiment_id,
    current.deleted_time,
    ops.time_of_ms(current.start_time) AS started_at,
    ops.time_of_ms(current.end_time) AS ended_at,
    ops.time_of_ms(current.deleted_time) AS deleted_at,
    current.extra_json,
    current.recorded_at,
    removed.removed_at
FROM current
LEFT JOIN removed
    ON removed.row_key = current.run_uuid
    AND removed.removed_at > current.recorded_at
ORDER BY current.run_uuid;
