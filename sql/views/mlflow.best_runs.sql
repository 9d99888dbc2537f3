-- The best runs of each experiment by the latest value of a metric: `best_runs('accuracy')`, or
-- `best_runs('loss', minimise := TRUE)`, n of each experiment. Deleted runs and values that are NaN are left out.
-- depends: mlflow.runs, mlflow.experiments, mlflow.latest_metrics
CREATE OR REPLACE MACRO mlflow.best_runs(metric, minimise := FALSE, n := 1) AS TABLE
SELECT
    experiments.experiment_id, -- experiment
    experiments.name AS experiment_name, -- its name
    row_number() OVER by_value AS place, -- 1 is the best
    runs.run_uuid, -- run
    runs.name AS run_name, -- its name
    runs.status, -- RUNNING, FINISHED, FAILED or KILLED
    latest.value, -- latest value of the metric
    latest.step, -- step at which it was logged
    runs.started_at -- start of the run
FROM mlflow.latest_metrics AS latest
JOIN mlflow.runs AS runs ON runs.run_uuid = latest.run_uuid
JOIN mlflow.experiments AS experiments ON experiments.experiment_id = runs.experiment_id
WHERE latest.key = metric
    AND latest.value IS NOT NULL
    AND runs.lifecycle_stage = 'active'
WINDOW by_value AS (
    PARTITION BY runs.experiment_id
    ORDER BY CASE WHEN minimise THEN latest.value ELSE -latest.value END, runs.start_time, runs.run_uuid
)
QUALIFY place <= n
ORDER BY experiments.experiment_id, place;
