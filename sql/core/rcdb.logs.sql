-- What was done to the store, when and by whom.
-- depends: stage.rcdb_logs, stage.rcdb_removed
CREATE OR REPLACE TABLE rcdb.logs (
    id BIGINT PRIMARY KEY, -- log record
    table_ids VARCHAR, -- rows concerned, as table_id
    description VARCHAR, -- what was done
    related_run BIGINT, -- run concerned
    created TIMESTAMPTZ, -- when
    user_name VARCHAR -- by whom
);

INSERT INTO rcdb.logs BY NAME
SELECT log_id AS id, table_ids, description, related_run, created, user_name
FROM stage.rcdb_logs AS landed
ANTI JOIN stage.rcdb_removed AS removed
    ON removed.schema_name = landed.schema_name
    AND removed.table_name = 'logs'
    AND removed.row_id = landed.log_id
    AND removed.recorded_at > landed.recorded_at
WHERE landed.schema_name = {store}
QUALIFY row_number() OVER (PARTITION BY log_id ORDER BY recorded_at DESC, landing_date DESC) = 1
ORDER BY id;
