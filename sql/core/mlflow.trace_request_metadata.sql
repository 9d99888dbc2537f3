-- A fact about a trace, fixed when it began.
-- depends: stage.mlflow_trace_request_metadata, mlflow.trace_info
-- unique: request_id, key
CREATE OR REPLACE TABLE mlflow.trace_request_metadata (
    key VARCHAR NOT NULL, -- name
    value VARCHAR, -- its value
    request_id VARCHAR NOT NULL -- trace
);

INSERT INTO mlflow.trace_request_metadata BY NAME
SELECT
    owned.key,
    owned.value,
    owned.request_id
FROM stage.mlflow_trace_request_metadata AS owned
JOIN mlflow.trace_info AS trace_info
    ON trace_info.request_id = owned.request_id
    AND owned.recorded_at >= trace_info.recorded_at
WHERE owned.store = 'mlflow'
ORDER BY owned.request_id, owned.key;
