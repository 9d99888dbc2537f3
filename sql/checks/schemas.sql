-- Every table and view has the columns that its contract names: the files of sql/, and the landing contract for stage.
-- depends: ops.contract_columns
-- severity: error
WITH present AS (
    SELECT schema_name || '.' || table_name AS table_name, column_name, data_type
    FROM duckdb_columns()
    WHERE NOT internal
),
missing AS (
    SELECT contract.table_name, 'column ' || contract.column_name || ' is missing' AS problem
    FROM ops.contract_columns AS contract
    LEFT JOIN present
        ON present.table_name = contract.table_name
        AND present.column_name = contract.column_name
    WHERE present.column_name IS NULL
),
of_another_type AS (
    SELECT
        contract.table_name,
        'column ' || contract.column_name || ' is ' || present.data_type || ', not ' || contract.data_type AS problem
    FROM ops.contract_columns AS contract
    JOIN present
        ON present.table_name = contract.table_name
        AND present.column_name = contract.column_name
    WHERE contract.data_type <> present.data_type
),
unknown AS (
    SELECT present.table_name, 'column ' || present.column_name || ' is not in its contract' AS problem
    FROM present
    JOIN (SELECT DISTINCT table_name FROM ops.contract_columns) AS known
        ON known.table_name = present.table_name
    LEFT JOIN ops.contract_columns AS contract
        ON contract.table_name = present.table_name
        AND contract.column_name = present.column_name
    WHERE contract.column_name IS NULL
)
SELECT table_name, problem, 1 AS n
FROM missing
UNION ALL
SELECT table_name, problem, 1 AS n
FROM of_another_type
UNION ALL
SELECT table_name, problem, 1 AS n
FROM unknown
ORDER BY ALL;
