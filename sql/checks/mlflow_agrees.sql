-- What the store itself says of its runs is what their values say; and what is named is there.
-- severity: warn
-- depends: mlflow.latest_metrics, mlflow.runs, mlflow.experiments, mlflow.model_versions
WITH findings AS (
    SELECT
        'mlflow.latest_metrics' AS table_name,
        'latest values that are not those of the store: it lost some of its values' AS problem,
        count(*) AS n
    FROM mlflow.latest_metrics
    WHERE NOT agrees_with_store
    UNION ALL
    SELECT 'mlflow.runs', 'runs of an experiment that is not there', count(*)
    FROM mlflow.runs AS runs
    ANTI JOIN mlflow.experiments AS experiments ON experiments.experiment_id = runs.experiment_id
    UNION ALL
    SELECT 'mlflow.model_versions', 'model versions of a run that is not there', count(*)
    FROM mlflow.model_versions AS versions
    ANTI JOIN mlflow.runs AS runs ON runs.run_uuid = versions.run_id
    WHERE versions.run_id <> ''
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
