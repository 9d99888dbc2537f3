-- Windows of usage that are not as they should be: they count, flagged as estimated, or are set aside.
-- severity: warn
-- depends: daily.usage_window_keys
WITH used AS (
    SELECT *
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL
),
series AS (
    SELECT
        greatest(
            (epoch(max(last_start)) - epoch(min(first_start))) // max(window_s) + 1 - sum(n_windows * window_s) // max(window_s),
            0
        ) AS n_missing
    FROM used
    WHERE source_system <> 'alems-collect'
    GROUP BY source_system, host, port, cloud_project_name, machine_name
),
findings AS (
    SELECT 'usage_windows' AS table_name, 'missing between the first and the last of their host: scrape gaps' AS problem,
        sum(n_missing) AS n
    FROM series
    UNION ALL
    SELECT 'usage_windows', 'partial: less than 95 % of the window is accounted for', sum(n_partial) FROM used
    UNION ALL
    SELECT 'usage_windows', 'with a counter that began anew', sum(n_reset) FROM used
    UNION ALL
    SELECT 'usage_windows', 'with CPU time in an unknown mode, which is in no figure', sum(n_unknown_mode) FROM used
    UNION ALL
    SELECT 'usage_windows', 'from a source whose clock is off', sum(n_clock_off) FROM used
    UNION ALL
    SELECT 'usage_windows', 'set aside: ' || set_aside, sum(n_windows)
    FROM daily.usage_window_keys
    WHERE set_aside IS NOT NULL
    GROUP BY set_aside
)
SELECT table_name, problem, n::BIGINT AS n
FROM findings
WHERE n > 0;
