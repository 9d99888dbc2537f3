-- Names for pieces of queries: @name stands for its code.
-- depends: stage.rcdb_aliases, stage.rcdb_removed
CREATE OR REPLACE TABLE rcdb.aliases (
    id BIGINT PRIMARY KEY, -- alias
    name VARCHAR NOT NULL UNIQUE, -- its name, without the @
    code VARCHAR NOT NULL, -- the expression that it stands for
    description VARCHAR -- what it means
);

INSERT INTO rcdb.aliases BY NAME
WITH newest AS (
    SELECT landed.*
    FROM stage.rcdb_aliases AS landed
    ANTI JOIN stage.rcdb_removed AS removed
        ON removed.schema_name = landed.schema_name
        AND removed.table_name = 'aliases'
        AND removed.row_id = landed.alias_id
        AND removed.recorded_at > landed.recorded_at
    WHERE landed.schema_name = {store}
    QUALIFY row_number() OVER (PARTITION BY alias_id ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT alias_id AS id, name, code, description
FROM newest
QUALIFY row_number() OVER (PARTITION BY name ORDER BY recorded_at DESC, alias_id DESC) = 1
ORDER BY id;
