-- A tag of a trace.
-- depends: stage.mlflow_trace_tags, mlflow.trace_info
-- unique: request_id, key
CREATE OR REPLACE TABLE mlflow.trace_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    request_id VARCHAR NOT NULL -- trace
);

INSERT INTO mlflow.trace_tags BY NAME
SELECT
    owned.key,
    owned.value,
    owned.request_id
FROM stage.mlflow_trace_tags AS owned
JOIN mlflow.trace_info AS trace_info
    ON trace_info.request_id = owned.request_id
    AND owned.recorded_at >= trace_info.recorded_at
WHERE owned.store = 'mlflow'
ORDER BY owned.request_id, owned.key;
