-- Which measured run a tracked one is, in all stores: the tracked run's tag alems.run_uid holds the measured run's id
-- (run_id, or $ALEMS_RUN_KEY of its program), or the measured run has a condition mlflow_run_uuid.
-- group: mlflow
-- depends: tracked.tags, tracked.runs, stage.runs, runs, rcdb.conditions, rcdb.condition_types
-- unique: store, run_uuid, run_id
CREATE OR REPLACE VIEW main.tracked_measurements AS
WITH named AS (
    SELECT store, run_uuid, try_cast(trim(value) AS BIGINT) AS measured_id
    FROM tracked.tags
    WHERE key = 'alems.run_uid'
),
links AS (
    SELECT store, run_uuid, measured_id AS run_id, 'tag alems.run_uid' AS linked_by
    FROM named
    UNION ALL
    SELECT named.store, named.run_uuid, staged.run_id, 'tag alems.run_uid'
    FROM named
    JOIN stage.runs AS staged ON staged.run_key = named.measured_id
    UNION ALL
    SELECT tracked_runs.store, tracked_runs.run_uuid, conditions.run_number, 'condition mlflow_run_uuid'
    FROM rcdb.conditions AS conditions
    JOIN rcdb.condition_types AS types ON types.id = conditions.condition_type_id
    JOIN tracked.runs AS tracked_runs ON tracked_runs.run_uuid = conditions.text_value
    WHERE types.name = 'mlflow_run_uuid'
)
SELECT
    links.store, -- store of the tracked run
    links.run_uuid, -- tracked run
    links.run_id, -- measured run
    max(links.linked_by) AS linked_by -- tag alems.run_uid or condition mlflow_run_uuid
FROM links
SEMI JOIN main.runs AS measured ON measured.run_id = links.run_id
GROUP BY links.store, links.run_uuid, links.run_id;
