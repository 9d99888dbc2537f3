-- A tracked run of any store, as it stands; one of a store that was imported under two names stands once.
-- group: mlflow
-- depends: tracked.runs, tracked.experiments, tracked.tags
-- unique: run_uuid
CREATE OR REPLACE VIEW main.tracked_runs AS
WITH once AS (
    SELECT *
    FROM tracked.runs
    QUALIFY row_number() OVER (PARTITION BY run_uuid ORDER BY removed_at IS NULL DESC, recorded_at DESC, store) = 1
),
tagged AS (
    SELECT
        store,
        run_uuid,
        any_value(value) FILTER (key = 'mlflow.parentRunId') AS parent_run_uuid,
        any_value(value) FILTER (key = 'mlflow.source.git.commit') AS git_commit
    FROM tracked.tags
    WHERE key IN ('mlflow.parentRunId', 'mlflow.source.git.commit')
    GROUP BY store, run_uuid
)
SELECT
    once.run_uuid, -- run
    once.store, -- schema that its store goes to
    once.name, -- its name
    once.experiment_id, -- experiment, in its store
    experiments.name AS experiment_name, -- its name
    once.status, -- RUNNING, SCHEDULED, FINISHED, FAILED or KILLED
    once.lifecycle_stage, -- active or deleted
    ops.time_of_ms(once.start_time) AS started_at, -- start
    ops.time_of_ms(once.end_time) AS ended_at, -- end
    once.source_version, -- commit of the program, as the run says
    tagged.git_commit, -- commit of the program, as its tag says
    once.artifact_uri, -- where its artifacts lie
    tagged.parent_run_uuid -- run that it is a part of: its tag mlflow.parentRunId
FROM once
LEFT JOIN tracked.experiments AS experiments
    ON experiments.store = once.store
    AND experiments.experiment_id = once.experiment_id
LEFT JOIN tagged
    ON tagged.store = once.store
    AND tagged.run_uuid = once.run_uuid;
