-- How many jobs of a workflow run succeeded on one GPU type; runners of one type are added up.
-- depends: inference.artifacts, name_keys, inference.workflow_runs
CREATE OR REPLACE TABLE inference.run_stats (
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    hardware VARCHAR NOT NULL CHECK (hardware = lower(hardware)), -- GPU type
    date DATE NOT NULL, -- UTC day of the workflow run
    n_success BIGINT NOT NULL CHECK (n_success >= 0), -- jobs that succeeded
    total BIGINT NOT NULL, -- jobs
    PRIMARY KEY (workflow_run_id, hardware),
    CHECK (n_success <= total)
);

INSERT INTO inference.run_stats BY NAME
WITH counted AS (
    SELECT
        run_name,
        run_attempt,
        json_extract_string(raw, '$.hardware') AS raw_hardware,
        try_cast(json_extract_string(raw, '$.n_success') AS BIGINT) AS n_success,
        try_cast(json_extract_string(raw, '$.total') AS BIGINT) AS total,
        recorded_at,
        document_path,
        artifact_path,
        landing_date
    FROM inference.artifacts
    WHERE kind = 'run_stats' AND json_valid(raw)
),
newest AS (
    SELECT *
    FROM counted
    WHERE n_success BETWEEN 0 AND total AND total <= 1000000 -- the collector refuses others; here they could overflow the sum
    QUALIFY row_number() OVER (
        PARTITION BY run_name, run_attempt, raw_hardware
        ORDER BY recorded_at DESC, document_path DESC, artifact_path DESC, landing_date DESC
    ) = 1
)
SELECT
    workflow_runs.workflow_run_id,
    names.key AS hardware,
    any_value(workflow_runs.date) AS date,
    sum(newest.n_success)::BIGINT AS n_success,
    sum(newest.total)::BIGINT AS total
FROM newest
JOIN inference.workflow_runs AS workflow_runs
    ON workflow_runs.run_name = newest.run_name
    AND workflow_runs.run_attempt = newest.run_attempt
JOIN main.name_keys AS names ON names.kind = 'hardware' AND names.raw_value = newest.raw_hardware
WHERE names.key IS NOT NULL
GROUP BY workflow_runs.workflow_run_id, names.key
ORDER BY workflow_runs.workflow_run_id, names.key;
