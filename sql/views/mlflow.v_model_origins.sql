-- Where a version of a registered model is from: its run, experiment and datasets; a row per dataset, one where there is none.
-- depends: mlflow.model_versions, mlflow.registered_model_aliases, mlflow.runs, mlflow.experiments, mlflow.v_run_datasets
CREATE OR REPLACE VIEW mlflow.v_model_origins AS
WITH aliases AS (
    SELECT workspace, name, version, list(alias ORDER BY alias) AS aliases
    FROM mlflow.registered_model_aliases
    GROUP BY workspace, name, version
)
SELECT
    versions.name AS model_name, -- registered model
    versions.version, -- version
    versions.current_stage, -- None, Staging, Production or Archived
    aliases.aliases, -- names that stand for this version
    versions.created_at, -- when it was made
    versions.source, -- where the model lies
    versions.run_id AS run_uuid, -- run that made it
    runs.name AS run_name, -- its name
    runs.source_version, -- commit of the program that ran
    experiments.name AS experiment_name, -- experiment of the run
    data.dataset_name, -- dataset that the run used
    data.dataset_digest, -- hash of its content
    data.context -- what for: training, testing, …
FROM mlflow.model_versions AS versions
LEFT JOIN aliases
    ON aliases.workspace IS NOT DISTINCT FROM versions.workspace
    AND aliases.name = versions.name
    AND aliases.version = versions.version
LEFT JOIN mlflow.runs AS runs ON runs.run_uuid = versions.run_id
LEFT JOIN mlflow.experiments AS experiments ON experiments.experiment_id = runs.experiment_id
LEFT JOIN mlflow.v_run_datasets AS data ON data.run_uuid = versions.run_id;
