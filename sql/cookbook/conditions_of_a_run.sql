-- All conditions of one run, with what they were before: run_number=51269
SELECT
    coalesce(types.name, held.name) AS name,
    types.value_type,
    coalesce(
        text_value, int_value::VARCHAR, float_value::VARCHAR, bool_value::VARCHAR, time_value::VARCHAR
    ) AS value,
    held.created AS written,
    loaded_at AS held_until,
    coalesce(reason, 'current') AS state
FROM (
    SELECT *, NULL AS name FROM rcdb.conditions
    UNION ALL BY NAME
    SELECT * FROM rcdb.condition_history
) AS held
LEFT JOIN rcdb.condition_types AS types ON types.id = held.condition_type_id
WHERE held.run_number = $run_number
ORDER BY name, loaded_at NULLS LAST;
