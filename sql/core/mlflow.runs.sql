-- A tracked run, as the store had it when it was read last. Deleted runs are kept, and so are those that are no longer
-- in the store.
-- depends: tracked.runs
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
SELECT
    run_uuid,
    name,
    source_type,
    source_name,
    entry_point_name,
    user_id,
    status,
    start_time,
    end_time,
    source_version,
    lifecycle_stage,
    artifact_uri,
    experiment_id,
    deleted_time,
    ops.time_of_ms(start_time) AS started_at,
    ops.time_of_ms(end_time) AS ended_at,
    ops.time_of_ms(deleted_time) AS deleted_at,
    extra_json,
    recorded_at,
    removed_at
FROM tracked.runs
WHERE store = {store}
ORDER BY run_uuid;
