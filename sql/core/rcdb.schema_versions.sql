-- Versions of the store's own schema.
-- depends: stage.rcdb_schema_versions, stage.rcdb_removed
CREATE OR REPLACE TABLE rcdb.schema_versions (
    version BIGINT PRIMARY KEY, -- version
    created TIMESTAMPTZ, -- when the store got it
    comment VARCHAR -- comment
);

INSERT INTO rcdb.schema_versions BY NAME
SELECT version, created, comment
FROM stage.rcdb_schema_versions AS landed
ANTI JOIN stage.rcdb_removed AS removed
    ON removed.schema_name = landed.schema_name
    AND removed.table_name = 'schema_versions'
    AND removed.row_id = landed.version
    AND removed.recorded_at > landed.recorded_at
WHERE landed.schema_name = {store}
QUALIFY row_number() OVER (PARTITION BY version ORDER BY recorded_at DESC, landing_date DESC) = 1
ORDER BY version;
