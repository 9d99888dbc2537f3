-- Versions of the store's own schema.
-- depends: stage.rcdb_schema_versions
CREATE OR REPLACE TABLE rcdb.schema_versions (
    version BIGINT PRIMARY KEY, -- version
    created TIMESTAMPTZ, -- when the store got it
    comment VARCHAR -- comment
);

INSERT INTO rcdb.schema_versions BY NAME
SELECT version, created, comment
FROM stage.rcdb_schema_versions
WHERE schema_name = {store}
QUALIFY row_number() OVER (PARTITION BY version ORDER BY recorded_at DESC, landing_date DESC) = 1
ORDER BY version;
