-- A parameter of a run.
-- depends: stage.mlflow_params, mlflow.runs
-- unique: run_uuid, key
CREATE OR REPLACE TABLE mlflow.params (
    key VARCHAR NOT NULL, -- parameter
    value VARCHAR, -- its value
    run_uuid VARCHAR NOT NULL -- run
);

INSERT INTO mlflow.params BY NAME
SELECT
    owned.key,
    owned.value,
    owned.run_uuid
FROM stage.mlflow_params AS owned
JOIN mlflow.runs AS runs
    ON runs.run_uuid = owned.run_uuid
    AND owned.recorded_at >= runs.recorded_at
WHERE owned.store = 'mlflow'
ORDER BY owned.run_uuid, owned.key;
