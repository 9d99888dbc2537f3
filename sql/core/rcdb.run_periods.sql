-- Named ranges of runs, both ends included.
-- depends: stage.rcdb_run_periods, stage.rcdb_removed
CREATE OR REPLACE TABLE rcdb.run_periods (
    id BIGINT PRIMARY KEY, -- run period
    name VARCHAR NOT NULL, -- its name
    description VARCHAR, -- what was done in it
    run_min BIGINT NOT NULL, -- first run
    run_max BIGINT NOT NULL, -- last run
    start_date DATE, -- first day
    end_date DATE -- last day
);

INSERT INTO rcdb.run_periods BY NAME
SELECT period_id AS id, name, description, run_min, run_max, start_date, end_date
FROM stage.rcdb_run_periods AS landed
ANTI JOIN stage.rcdb_removed AS removed
    ON removed.schema_name = landed.schema_name
    AND removed.table_name = 'run_periods'
    AND removed.row_id = landed.period_id
    AND removed.recorded_at > landed.recorded_at
WHERE landed.schema_name = {store}
QUALIFY
    row_number() OVER (PARTITION BY period_id ORDER BY recorded_at DESC, landing_date DESC) = 1
    AND NOT coalesce(is_deleted, FALSE)
ORDER BY id;
