-- One attempt of a benchmark workflow's run, of which artifacts count. Its times are those of its own description where
-- that landed, else what the collector knew, by its newest collection.
-- depends: inference.artifacts
CREATE OR REPLACE TABLE inference.workflow_runs (
    workflow_run_id BIGINT PRIMARY KEY, -- stable id of run_name and run_attempt
    run_name VARCHAR NOT NULL, -- the GitHub run id where known, else the commit or what was collected
    github_run_id BIGINT, -- the run's id at GitHub
    run_attempt BIGINT NOT NULL, -- attempt, from 1
    name VARCHAR, -- the workflow's name
    status VARCHAR, -- completed, …
    conclusion VARCHAR, -- success, failure or cancelled
    head_sha VARCHAR, -- commit that it ran on
    head_branch VARCHAR, -- branch that it ran on
    html_url VARCHAR, -- its page
    created_at TIMESTAMPTZ NOT NULL, -- when it was created
    run_started_at TIMESTAMPTZ, -- when this attempt began
    date DATE NOT NULL, -- UTC day of its creation
    UNIQUE (run_name, run_attempt)
);

INSERT INTO inference.workflow_runs BY NAME
WITH newest AS (
    SELECT run_name, run_attempt, max(recorded_at) AS recorded_at, max(github_run_id) AS github_run_id
    FROM inference.artifacts
    WHERE kind <> 'withdrawn'
    GROUP BY run_name, run_attempt
),
timed AS (
    SELECT artifacts.run_name, artifacts.run_attempt, min(artifacts.created_at) AS created_at
    FROM inference.artifacts AS artifacts
    JOIN newest
        ON newest.run_name = artifacts.run_name
        AND newest.run_attempt = artifacts.run_attempt
        AND newest.recorded_at = artifacts.recorded_at
    WHERE artifacts.kind <> 'withdrawn'
    GROUP BY artifacts.run_name, artifacts.run_attempt
),
descriptions AS (
    SELECT
        run_name,
        run_attempt,
        raw,
        try_cast(json_extract_string(raw, '$.created_at') AS TIMESTAMPTZ) AS created_at,
        try_cast(json_extract_string(raw, '$.run_started_at') AS TIMESTAMPTZ) AS run_started_at,
        TIMESTAMPTZ '2019-01-01 00:00:00Z' AS first_time,
        recorded_at + INTERVAL 1 DAY AS last_time
    FROM inference.artifacts
    WHERE kind = 'workflow_run' AND json_valid(raw)
    QUALIFY row_number() OVER (
        PARTITION BY run_name, run_attempt
        ORDER BY json_extract_string(raw, '$.run_attempt') IS NULL, recorded_at DESC, document_path, artifact_path, landing_date DESC
    ) = 1
),
described AS (
    SELECT
        run_name,
        run_attempt,
        raw,
        -- To DuckDB 'infinity' and years before Christ are times, too.
        CASE WHEN created_at BETWEEN first_time AND last_time THEN created_at END AS created_at,
        CASE WHEN run_started_at BETWEEN first_time AND last_time THEN run_started_at END AS run_started_at
    FROM descriptions
),
known AS (
    SELECT
        newest.run_name,
        newest.run_attempt,
        newest.github_run_id,
        json_extract_string(described.raw, '$.name') AS name,
        json_extract_string(described.raw, '$.status') AS status,
        json_extract_string(described.raw, '$.conclusion') AS conclusion,
        json_extract_string(described.raw, '$.head_sha') AS head_sha,
        json_extract_string(described.raw, '$.head_branch') AS head_branch,
        json_extract_string(described.raw, '$.html_url') AS html_url,
        coalesce(described.created_at, timed.created_at) AS created_at,
        described.run_started_at
    FROM newest
    JOIN timed ON timed.run_name = newest.run_name AND timed.run_attempt = newest.run_attempt
    LEFT JOIN described ON described.run_name = newest.run_name AND described.run_attempt = newest.run_attempt
)
SELECT
    ops.stable_id(concat_ws(chr(31), run_name, run_attempt)) AS workflow_run_id,
    *,
    (created_at AT TIME ZONE 'UTC')::DATE AS date
FROM known
ORDER BY date, run_name, run_attempt;
