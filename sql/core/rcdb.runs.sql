-- Every run that may have conditions: of the imported store under its number there, measured runs under their run_id.
-- depends: stage.rcdb_runs, stage.rcdb_removed, runs
CREATE OR REPLACE TABLE rcdb.runs (
    number BIGINT PRIMARY KEY, -- run number; run_id of a measured run
    started TIMESTAMPTZ, -- when the run started
    finished TIMESTAMPTZ -- when it ended
);

INSERT INTO rcdb.runs BY NAME
WITH imported AS (
    SELECT number, started, finished
    FROM stage.rcdb_runs AS landed
    ANTI JOIN stage.rcdb_removed AS removed
        ON removed.schema_name = landed.schema_name
        AND removed.table_name = 'runs'
        AND removed.row_id = landed.number
        AND removed.recorded_at > landed.recorded_at
    WHERE landed.schema_name = {store}
    QUALIFY row_number() OVER (PARTITION BY number ORDER BY recorded_at DESC, landing_date DESC) = 1
),
measured AS (
    SELECT
        run_id AS number,
        make_timestamptz(start_time_ns // 1000) AS started,
        make_timestamptz(end_time_ns // 1000) AS finished
    FROM main.runs
    WHERE {store} = 'rcdb'
)
SELECT number, started, finished
FROM imported
UNION ALL
SELECT measured.number, measured.started, measured.finished
FROM measured
ANTI JOIN imported ON imported.number = measured.number
ORDER BY number;
