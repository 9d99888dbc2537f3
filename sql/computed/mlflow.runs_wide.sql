-- The parameters and latest metrics of a run as columns, listed in wide_columns: what v_runs_wide is read from.
-- A pivot has at least one column, so there is one for the key NULL, which no row has.
-- depends: mlflow.runs, mlflow.params, mlflow.latest_metrics, mlflow.wide_columns
-- made by: alems_pipeline/tracking_tables.py
CREATE OR REPLACE TABLE mlflow.runs_wide AS
SELECT
    run_uuid, -- run
    params.* EXCLUDE (run_uuid, no_key),
    metrics.* EXCLUDE (run_uuid, no_key)
FROM (SELECT run_uuid FROM mlflow.runs) AS runs
LEFT JOIN (
    PIVOT (SELECT run_uuid, key, value FROM mlflow.params)
    ON key IN (NULL AS no_key{params})
    USING any_value(value)
    GROUP BY run_uuid
) AS params USING (run_uuid)
LEFT JOIN (
    PIVOT (SELECT run_uuid, key, value FROM mlflow.latest_metrics)
    ON key IN (NULL AS no_key{metrics})
    USING any_value(value)
    GROUP BY run_uuid
) AS metrics USING (run_uuid)
ORDER BY run_uuid;
