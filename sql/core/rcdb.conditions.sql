-- One value of one condition of one run: the column of the type is set, the others are NULL. One row per run and type, which
-- a check guards: an index over millions of rows would cost more than they do. In the order of type and run, so that the
-- row groups of one type lie together: a query reads only the types that it names.
-- depends: stage.rcdb_conditions, rcdb.condition_types, rcdb.condition_statements
CREATE OR REPLACE TABLE rcdb.conditions (
    id BIGINT NOT NULL, -- condition: its id in the store, else the stable id of run and type
    text_value VARCHAR, -- value of a string, json or blob
    int_value BIGINT, -- value of an int
    float_value DOUBLE CHECK (NOT isnan(float_value)), -- value of a float
    bool_value BOOLEAN, -- value of a bool
    time_value TIMESTAMPTZ, -- value of a time
    run_number BIGINT NOT NULL, -- run
    condition_type_id BIGINT NOT NULL, -- condition type
    created TIMESTAMPTZ -- when the value was written
);

INSERT INTO rcdb.conditions BY NAME
SELECT
    imported.condition_id AS id,
    imported.text_value, imported.int_value, imported.float_value, imported.bool_value, imported.time_value,
    imported.run_number,
    imported.condition_type_id,
    imported.created
FROM stage.rcdb_conditions AS imported
SEMI JOIN rcdb.condition_types AS types ON types.id = imported.condition_type_id
ANTI JOIN rcdb.condition_statements AS weighed
    ON weighed.run_number = imported.run_number
    AND weighed.store_type_id = imported.condition_type_id
WHERE imported.schema_name = {store}
UNION ALL BY NAME
SELECT
    coalesce(condition_id, ops.stable_id(concat_ws(chr(31), 'condition', run_number, condition_type_id))) AS id,
    text_value, int_value, float_value, bool_value, time_value,
    run_number,
    condition_type_id,
    created
FROM rcdb.condition_statements
WHERE outcome = 'current'
ORDER BY condition_type_id, run_number;
