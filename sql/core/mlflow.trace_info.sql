-- A trace: one call of an instrumented program.
-- depends: stage.mlflow_trace_info, stage.mlflow_removed
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
WITH current AS (
    SELECT *
    FROM stage.mlflow_trace_info
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.request_id,
    current.experiment_id,
    current.timestamp_ms,
    current.execution_time_ms,
    current.status,
    current.client_request_id,
    current.request_preview,
    current.response_preview,
    current.trace_name,
    current.session_id,
    current.input_tokens,
    current.output_tokens,
    current.total_tokens,
    current.cache_read_input_tokens,
    current.cache_creation_input_tokens,
    current.input_cost,
    current.output_cost,
    current.total_cost,
    ops.time_of_ms(current.timestamp_ms) AS started_at,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'trace_info'
    AND removed.row_key = concat_ws(chr(31), current.request_id)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.request_id;
