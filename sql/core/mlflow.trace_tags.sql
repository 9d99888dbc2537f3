-- A tag of a trace.
-- depends: tracked.trace_tags
-- unique: request_id, key
CREATE OR REPLACE TABLE mlflow.trace_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    request_id VARCHAR NOT NULL -- trace
);

INSERT INTO mlflow.trace_tags BY NAME
SELECT
    key,
    value,
    request_id
FROM tracked.trace_tags
WHERE store = {store}
ORDER BY request_id, key;
