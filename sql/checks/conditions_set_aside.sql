-- Conditions that were not taken, and why; and rows of a store that stand beside a newer one of the same run and condition.
-- severity: warn
-- depends: rcdb.condition_statements
SELECT
    'rcdb.condition_statements' AS table_name,
    coalesce(reason, 'the store has two values of one condition of one run; the newest counts') AS problem,
    count(*) AS n
FROM rcdb.condition_statements
WHERE outcome IN ('refused', 'duplicate')
GROUP BY ALL
ORDER BY ALL;
