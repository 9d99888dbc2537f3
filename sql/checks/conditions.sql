-- Run conditions: one value of each condition of each run, in the column of its type; every reference finds its row.
-- severity: error
-- depends: rcdb.conditions, rcdb.condition_types, rcdb.runs, rcdb.file_paths, rcdb.file_contents
WITH findings AS (
    -- Type by type: keys of one column are told apart in a fraction of the time and memory.
    SELECT 'rcdb.conditions' AS table_name, 'two values of one condition of one run' AS problem, sum(n_rows - n_runs) AS n
    FROM (
        SELECT count(*) AS n_rows, count(DISTINCT run_number) AS n_runs
        FROM rcdb.conditions
        GROUP BY condition_type_id
    )
    UNION ALL
    SELECT 'rcdb.conditions', 'a value in another column than that of its type', count(*)
    FROM rcdb.conditions AS conditions
    JOIN rcdb.condition_types AS types ON types.id = conditions.condition_type_id
    WHERE (text_value IS NOT NULL AND types.value_type NOT IN ('string', 'json', 'blob'))
        OR (int_value IS NOT NULL AND types.value_type <> 'int')
        OR (float_value IS NOT NULL AND types.value_type <> 'float')
        OR (bool_value IS NOT NULL AND types.value_type <> 'bool')
        OR (time_value IS NOT NULL AND types.value_type <> 'time')
    UNION ALL
    SELECT 'rcdb.conditions', 'condition_type_id is in no row of condition_types', count(*)
    FROM rcdb.conditions AS conditions
    ANTI JOIN rcdb.condition_types AS types ON types.id = conditions.condition_type_id
    UNION ALL
    SELECT 'rcdb.conditions', 'run_number is in no row of runs', count(*)
    FROM rcdb.conditions AS conditions
    ANTI JOIN rcdb.runs AS runs ON runs.number = conditions.run_number
    UNION ALL
    SELECT 'rcdb.file_paths', 'its content is in no row of file_contents', count(*)
    FROM rcdb.file_paths AS paths
    ANTI JOIN rcdb.file_contents AS contents ON contents.content_sha256 = paths.content_sha256
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
