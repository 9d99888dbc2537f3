-- The points that may be shown on a day: of each run its latest attempt's, without error. Where the latest attempt's row
-- of a point failed, the attempt before counts: a failed attempt never replaces a good row. `age` orders runs, the
-- newest last: by day, start, run id and attempt.
-- depends: inference.workflow_runs, inference.mapped_rows
CREATE OR REPLACE MACRO inference.valid_points(as_of) AS TABLE
WITH attempts AS (
    SELECT
        workflow_run_id,
        run_name,
        run_attempt,
        date,
        row_number() OVER (
            ORDER BY date, coalesce(run_started_at, created_at), github_run_id NULLS FIRST, run_name, run_attempt
        ) AS age
    FROM inference.workflow_runs
    -- An attempt of which only a log or the run's record landed has no say over the points of the one before.
    SEMI JOIN (
        SELECT workflow_run_id
        FROM inference.mapped_rows
        WHERE reason IS NULL AND is_current
    ) AS with_rows
        ON with_rows.workflow_run_id = workflow_runs.workflow_run_id
    WHERE date <= as_of
),
-- All attempts of a run have the date and age of the latest one: together they are one snapshot.
runs AS (
    SELECT
        workflow_run_id,
        run_name,
        run_attempt,
        run_attempt = max(run_attempt) OVER (PARTITION BY run_name) AS is_latest,
        max(date) OVER (PARTITION BY run_name) AS date,
        max(age) OVER (PARTITION BY run_name) AS age
    FROM attempts
),
points AS (
    SELECT
        mapped.rowid AS row_id,
        mapped.config_id,
        mapped.isl,
        mapped.osl,
        mapped.conc,
        mapped.error,
        runs.*
    FROM inference.mapped_rows AS mapped
    JOIN runs ON runs.workflow_run_id = mapped.workflow_run_id
    WHERE mapped.reason IS NULL AND mapped.is_current
),
failed_last AS (
    SELECT run_name, config_id, isl, osl, conc
    FROM points
    WHERE is_latest AND error IS NOT NULL
),
retried AS (
    SELECT points.*
    FROM points
    SEMI JOIN failed_last
        ON failed_last.run_name = points.run_name
        AND failed_last.config_id = points.config_id
        AND failed_last.isl = points.isl
        AND failed_last.osl = points.osl
        AND failed_last.conc = points.conc
    WHERE points.error IS NULL AND NOT points.is_latest
    QUALIFY row_number() OVER (
        PARTITION BY points.run_name, points.config_id, points.isl, points.osl, points.conc
        ORDER BY points.run_attempt DESC
    ) = 1
)
SELECT
    row_id, -- rowid in mapped_rows
    workflow_run_id, -- workflow run and attempt
    date, -- UTC day of the run
    age, -- place of the run among all, the newest last
    config_id, -- how it was served
    isl, -- input tokens per request
    osl, -- output tokens per request
    conc -- concurrent requests
FROM points
WHERE is_latest AND error IS NULL
UNION ALL
SELECT row_id, workflow_run_id, date, age, config_id, isl, osl, conc
FROM retried;
