-- Windows of usage that are missing, or that landed and are in no figure since others cover the same time of the host.
-- severity: warn
-- depends: daily.usage_window_keys, usage_own_windows
WITH series AS (
    SELECT
        (epoch(max(last_start)) - epoch(min(first_start)) + max(window_s)) // max(window_s) AS n_expected,
        sum(n_windows * window_s) // max(window_s) AS n_found
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL
    GROUP BY source_system, host, port, cloud_project_name, machine_name
),
all_set_aside AS (
    SELECT set_aside, n_windows FROM daily.usage_window_keys WHERE set_aside IS NOT NULL
    UNION ALL
    SELECT set_aside, 1 AS n_windows FROM main.usage_own_windows WHERE set_aside IS NOT NULL
),
findings AS (
    SELECT 'missing between the first and the last of their host: scrape gaps' AS problem,
        sum(greatest(n_expected - n_found, 0)) AS n
    FROM series
    UNION ALL
    SELECT 'set aside: ' || set_aside, sum(n_windows)
    FROM all_set_aside
    GROUP BY set_aside
)
SELECT 'usage_windows' AS table_name, problem, n::BIGINT AS n
FROM findings
WHERE n > 0;
