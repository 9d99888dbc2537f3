-- Windows of usage that count, flagged as estimated, and are not as they should be.
-- severity: warn
-- depends: daily.usage_window_keys, usage_own_windows
WITH used AS (
    SELECT *
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL
),
findings AS (
    SELECT 'partial: less than 95 % of the window is accounted for' AS problem, sum(n_partial) AS n
    FROM used
    UNION ALL
    SELECT 'hours of hosts of our own of which runs cover less than 95 %', count(*)
    FROM main.usage_own_windows
    WHERE set_aside IS NULL AND is_partial
    UNION ALL
    SELECT 'with a counter that began anew', sum(n_reset)
    FROM used
    UNION ALL
    SELECT 'with CPU time in an unknown mode, which is in no figure', sum(n_unknown_mode)
    FROM used
    UNION ALL
    SELECT 'from a source whose clock is off', sum(n_clock_off)
    FROM used
)
SELECT 'usage_windows' AS table_name, problem, n::BIGINT AS n
FROM findings
WHERE n > 0;
