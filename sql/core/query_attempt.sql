-- One attempt at a query, where a source records them.
-- depends: stage.query_attempt, query_execution
CREATE OR REPLACE TABLE main.query_attempt (
    attempt_id BIGINT PRIMARY KEY, -- stable id of the run and the attempt's id in its source
    exec_id BIGINT NOT NULL, -- query
    attempt_number BIGINT NOT NULL, -- position among the query's attempts
    status VARCHAR, -- success, failure or retry
    failure_type VARCHAR, -- what went wrong
    energy_uj BIGINT, -- energy that the source had written
    latency_ms DOUBLE, -- how long it took
    created_at TIMESTAMPTZ, -- when the source recorded it
    source_attempt_id VARCHAR NOT NULL -- the attempt's id in its source
);

INSERT INTO main.query_attempt BY NAME
SELECT
    ops.stable_id(concat_ws(chr(31), attempts.run_id, attempts.source_attempt_id)) AS attempt_id,
    queries.exec_id,
    attempts.attempt_number,
    attempts.status,
    attempts.failure_type,
    attempts.energy_uj,
    attempts.latency_ms,
    attempts.created_at,
    attempts.source_attempt_id
FROM stage.query_attempt AS attempts
JOIN main.query_execution AS queries
    ON queries.run_id = attempts.run_id
    AND queries.source_exec_id = attempts.source_exec_id;
