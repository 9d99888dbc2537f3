-- What a value was before another replaced it or its store removed it, and the rows of a store that stood beside a newer one.
-- depends: rcdb.condition_statements
CREATE OR REPLACE TABLE rcdb.condition_history (
    run_number BIGINT NOT NULL, -- run
    name VARCHAR NOT NULL, -- name of the condition; what its store called it last, where the value is of the store
    condition_type_id BIGINT, -- condition type; NULL where none has this name now
    text_value VARCHAR, -- value of a string, json or blob
    int_value BIGINT, -- value of an int
    float_value DOUBLE, -- value of a float
    bool_value BOOLEAN, -- value of a bool
    time_value TIMESTAMPTZ, -- value of a time
    created TIMESTAMPTZ, -- when the value was written
    loaded_at TIMESTAMPTZ NOT NULL, -- when the pipeline was told that it no longer holds
    reason VARCHAR NOT NULL CHECK (reason IN ('replaced', 'removed', 'duplicate')) -- another value came, the store has it no more, or it had two rows
);

INSERT INTO rcdb.condition_history BY NAME
SELECT
    run_number,
    name,
    condition_type_id,
    text_value, int_value, float_value, bool_value, time_value,
    created,
    replaced_at AS loaded_at,
    outcome AS reason
FROM rcdb.condition_statements
WHERE outcome IN ('replaced', 'removed', 'duplicate')
ORDER BY run_number, name, recorded_at, condition_id;
