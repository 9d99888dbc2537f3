-- Every key of the tables of experiment tracking stands once.
-- severity: error
-- depends: mlflow.runs, mlflow.experiments, mlflow.params, mlflow.tags, mlflow.latest_metrics, mlflow.model_versions, mlflow.trace_info, mlflow.runs_wide
WITH counts AS (
    SELECT 'mlflow.runs' AS table_name, count(*) AS n_rows, count(DISTINCT run_uuid) AS n_keys FROM mlflow.runs
    UNION ALL
    SELECT 'mlflow.experiments', count(*), count(DISTINCT experiment_id) FROM mlflow.experiments
    UNION ALL
    SELECT 'mlflow.params', count(*), count(DISTINCT (run_uuid, key)) FROM mlflow.params
    UNION ALL
    SELECT 'mlflow.tags', count(*), count(DISTINCT (run_uuid, key)) FROM mlflow.tags
    UNION ALL
    SELECT 'mlflow.model_versions', count(*), count(DISTINCT (coalesce(workspace, ''), name, version))
    FROM mlflow.model_versions
    UNION ALL
    SELECT 'mlflow.trace_info', count(*), count(DISTINCT request_id) FROM mlflow.trace_info
    UNION ALL
    SELECT 'mlflow.latest_metrics', count(*), count(DISTINCT (run_uuid, key)) FROM mlflow.latest_metrics
    UNION ALL
    SELECT 'mlflow.runs_wide', count(*), count(DISTINCT run_uuid) FROM mlflow.runs_wide
)
SELECT table_name, 'rows whose key stands twice' AS problem, n_rows - n_keys AS n
FROM counts
WHERE n_rows <> n_keys;
