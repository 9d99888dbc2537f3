-- A run with its parameters and latest metrics as columns: "params.<key>" (text, as logged) and "metrics.<key>". The columns
-- are those of wide_columns, made from what was logged each time that it changes.
-- depends: mlflow.runs, mlflow.experiments, mlflow.runs_wide
CREATE OR REPLACE VIEW mlflow.v_runs_wide AS
SELECT
    runs.run_uuid, -- run
    runs.name AS run_name, -- its name
    runs.experiment_id, -- experiment
    experiments.name AS experiment_name, -- its name
    runs.status, -- RUNNING, SCHEDULED, FINISHED, FAILED or KILLED
    runs.lifecycle_stage, -- active or deleted
    runs.user_id, -- who ran it
    runs.started_at, -- start
    runs.ended_at, -- end
    wide.* EXCLUDE (run_uuid)
FROM mlflow.runs AS runs
JOIN mlflow.runs_wide AS wide ON wide.run_uuid = runs.run_uuid
LEFT JOIN mlflow.experiments AS experiments ON experiments.experiment_id = runs.experiment_id;
