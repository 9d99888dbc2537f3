-- A fact about a trace, fixed when it began.
-- depends: tracked.trace_request_metadata
-- unique: request_id, key
CREATE OR REPLACE TABLE mlflow.trace_request_metadata (
    key VARCHAR NOT NULL, -- name
    value VARCHAR, -- its value
    request_id VARCHAR NOT NULL -- trace
);

INSERT INTO mlflow.trace_request_metadata BY NAME
SELECT
    key,
    value,
    request_id
FROM tracked.trace_request_metadata
WHERE store = {store}
ORDER BY request_id, key;
