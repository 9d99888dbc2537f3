-- What has been measured and what is still wanted: a row per combination of the hardware, models, tasks and forms that were
-- seen at all, also where nothing was run. Wanted are 30 usable runs each (run_quality), all measured or all estimated:
-- the two are never averaged together.
-- depends: runs, experiments, run_quality
CREATE OR REPLACE VIEW main.coverage_matrix AS
WITH placed AS (
    SELECT
        runs.hw_id,
        experiments.model_name,
        experiments.task_name,
        runs.workflow_type,
        runs.start_time_ns,
        runs.is_estimated,
        quality.experiment_valid
    FROM main.runs AS runs
    JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    JOIN main.run_quality AS quality ON quality.run_id = runs.run_id
),
counted AS (
    SELECT
        hw_id,
        model_name,
        task_name,
        workflow_type,
        count(*) AS run_count,
        count(*) FILTER (WHERE experiment_valid AND NOT is_estimated) AS n_measured,
        count(*) FILTER (WHERE experiment_valid AND is_estimated) AS n_estimated,
        max(start_time_ns) AS last_ns
    FROM placed
    GROUP BY hw_id, model_name, task_name, workflow_type
),
wanted AS (
    SELECT hw_id, model_name, task_name, workflow_type
    FROM (SELECT DISTINCT hw_id FROM placed)
    CROSS JOIN (SELECT DISTINCT model_name FROM placed)
    CROSS JOIN (SELECT DISTINCT task_name FROM placed)
    CROSS JOIN (SELECT DISTINCT workflow_type FROM placed)
)
SELECT
    wanted.hw_id, -- hardware
    wanted.model_name, -- model
    wanted.task_name, -- task
    wanted.workflow_type, -- linear or agentic
    coalesce(counted.run_count, 0) AS run_count, -- runs, usable or not
    to_timestamp(counted.last_ns / 1e9) AS last_updated, -- start of the newest; NULL where there is none
    coalesce(counted.n_measured, 0) AS n_measured, -- usable runs with measured energy
    coalesce(counted.n_estimated, 0) AS n_estimated, -- usable runs with estimated energy
    30 AS n_wanted, -- usable runs wanted
    greatest(30 - coalesce(greatest(counted.n_measured, counted.n_estimated), 0), 0) AS n_missing -- still to be run
FROM wanted
LEFT JOIN counted
    ON counted.hw_id IS NOT DISTINCT FROM wanted.hw_id
    AND counted.model_name IS NOT DISTINCT FROM wanted.model_name
    AND counted.task_name IS NOT DISTINCT FROM wanted.task_name
    AND counted.workflow_type IS NOT DISTINCT FROM wanted.workflow_type;
