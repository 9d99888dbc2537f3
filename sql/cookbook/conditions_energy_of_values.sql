-- Energy of measured runs by the value that they have of a condition: condition=temperature
SELECT
    coalesce(
        conditions.text_value, conditions.int_value::VARCHAR, conditions.float_value::VARCHAR,
        conditions.bool_value::VARCHAR, conditions.time_value::VARCHAR
    ) AS value,
    runs.workflow_type,
    runs.is_estimated,
    count(*) AS runs,
    median(runs.total_energy_uj) / 1e6 AS median_j,
    sum(runs.total_energy_uj) / 1e6 AS total_j
FROM rcdb.condition_types AS types
JOIN rcdb.conditions AS conditions ON conditions.condition_type_id = types.id
JOIN main.runs AS runs ON runs.run_id = conditions.run_number
WHERE types.name = $condition
GROUP BY ALL
ORDER BY value, workflow_type, is_estimated;
