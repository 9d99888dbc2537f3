-- A trace: one call of an instrumented program.
-- depends: tracked.trace_info
-- unique: request_id
CREATE OR REPLACE TABLE mlflow.trace_info (
    request_id VARCHAR NOT NULL, -- trace
    experiment_id BIGINT, -- experiment
    timestamp_ms BIGINT, -- start, epoch ms
    execution_time_ms BIGINT, -- how long it took, ms
    status VARCHAR, -- OK, ERROR, IN_PROGRESS, …
    client_request_id VARCHAR, -- the caller's id of it
    request_preview VARCHAR, -- beginning of the request
    response_preview VARCHAR, -- beginning of the response
    trace_name VARCHAR, -- its name
    session_id VARCHAR, -- session that it belongs to
    input_tokens BIGINT, -- tokens read
    output_tokens BIGINT, -- tokens written
    total_tokens BIGINT, -- both
    cache_read_input_tokens BIGINT, -- tokens read from a cache
    cache_creation_input_tokens BIGINT, -- tokens put into a cache
    input_cost DOUBLE, -- cost of the tokens read, in the store's currency
    output_cost DOUBLE, -- cost of the tokens written
    total_cost DOUBLE, -- both
    started_at TIMESTAMPTZ, -- start
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.trace_info BY NAME
SELECT
    request_id,
    experiment_id,
    timestamp_ms,
    execution_time_ms,
    status,
    client_request_id,
    request_preview,
    response_preview,
    trace_name,
    session_id,
    input_tokens,
    output_tokens,
    total_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    input_cost,
    output_cost,
    total_cost,
    ops.time_of_ms(timestamp_ms) AS started_at,
    extra_json,
    recorded_at
FROM tracked.trace_info
WHERE store = {store}
ORDER BY request_id;
