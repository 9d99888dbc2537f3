-- The names that conditions may have, and the type of their values: as the imported store has them, else as declared by
-- hand, else as measured programs used them first.
-- depends: stage.rcdb_condition_types, stage.rcdb_removed, stage.run_conditions
CREATE OR REPLACE TABLE rcdb.condition_types (
    id BIGINT PRIMARY KEY, -- condition type: its id in the store, else the stable id of its name
    name VARCHAR NOT NULL UNIQUE, -- its name, case-sensitive
    value_type VARCHAR NOT NULL CHECK (value_type IN ('json', 'string', 'float', 'int', 'bool', 'time', 'blob')), -- type of its values
    created TIMESTAMPTZ, -- when it was created
    description VARCHAR -- what it means
);

INSERT INTO rcdb.condition_types BY NAME
WITH landed AS (
    SELECT landed.*
    FROM stage.rcdb_condition_types AS landed
    ANTI JOIN stage.rcdb_removed AS removed
        ON removed.schema_name = landed.schema_name
        AND removed.table_name = 'condition_types'
        AND removed.row_id = landed.type_id
        AND removed.recorded_at > landed.recorded_at
    WHERE landed.schema_name = {store}
),
store_types AS (
    SELECT type_id AS id, name, value_type, created, description
    FROM landed
    WHERE source_system = 'rcdb'
    QUALIFY row_number() OVER (PARTITION BY type_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
-- A store may have two types of one name: the first counts.
imported AS (
    SELECT 1 AS precedence, store_types.*
    FROM store_types
    QUALIFY row_number() OVER (PARTITION BY name ORDER BY id) = 1
),
-- The type that was declared first counts, with the description that was given to it last.
declared AS (
    SELECT
        2 AS precedence,
        any_value(type_id) AS id,
        name,
        arg_min(value_type, (recorded_at, value_type)) AS value_type,
        min(recorded_at) AS created,
        arg_max(description, recorded_at) AS description
    FROM landed
    WHERE source_system <> 'rcdb'
    GROUP BY name
),
-- An int that is elsewhere a float, such as a temperature of 0 and of 0.2, is a float.
implied AS (
    SELECT
        3 AS precedence,
        ops.stable_id(name) AS id,
        name,
        CASE
            WHEN arg_min(value_type, (recorded_at, value_type)) = 'int' AND bool_or(value_type = 'float') THEN 'float'
            ELSE arg_min(value_type, (recorded_at, value_type))
        END AS value_type,
        min(recorded_at) AS created,
        NULL AS description
    FROM stage.run_conditions
    WHERE {store} = 'rcdb'
    GROUP BY name
)
SELECT id, name, value_type, created, description
FROM (
    SELECT * FROM imported
    UNION ALL BY NAME
    SELECT * FROM declared
    UNION ALL BY NAME
    SELECT * FROM implied
)
QUALIFY row_number() OVER (PARTITION BY name ORDER BY precedence) = 1
ORDER BY id;
