-- A tag of a run.
-- depends: stage.mlflow_tags, mlflow.runs
-- unique: run_uuid, key
CREATE OR REPLACE TABLE mlflow.tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    run_uuid VARCHAR NOT NULL -- run
);

INSERT INTO mlflow.tags BY NAME
SELECT
    owned.key,
    owned.value,
    owned.run_uuid
FROM stage.mlflow_tags AS owned
JOIN mlflow.runs AS runs
    ON runs.run_uuid = owned.run_uuid
    AND owned.recorded_at >= runs.recorded_at
WHERE owned.store = 'mlflow'
ORDER BY owned.run_uuid, owned.key;
