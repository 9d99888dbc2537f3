-- The keys of the usage facts: exactly that of the scope is set, each window of each key stands once, and no two windows
-- of a host overlap.
-- severity: error
-- depends: fact_usage, usage_daily, usage_own_windows, daily.usage_windows, daily.usage_window_keys
WITH findings AS (
    SELECT 'fact_usage' AS table_name, 'another key set than that of its scope' AS problem, count(*) AS n
    FROM main.fact_usage
    WHERE NOT (
        (scope = 'ada' AND project_id IS NULL AND machine_id IS NULL AND user_id IS NULL)
        OR (scope = 'project' AND project_id IS NOT NULL AND machine_id IS NULL AND user_id IS NULL)
        OR (scope = 'machine' AND machine_id IS NOT NULL AND project_id IS NULL AND user_id IS NULL)
        OR (scope = 'user' AND user_id IS NOT NULL AND project_id IS NULL AND machine_id IS NULL)
    )
    UNION ALL
    -- Scope by scope: keys of one column are told apart in a fraction of the time and memory.
    SELECT 'fact_usage', 'the same window of the same ' || scope || ' twice', count(*)
    FROM (
        SELECT 'ada' AS scope FROM main.fact_usage WHERE scope = 'ada' GROUP BY ts HAVING count(*) > 1
        UNION ALL
        SELECT 'project' FROM main.fact_usage WHERE scope = 'project' GROUP BY ts, project_id HAVING count(*) > 1
        UNION ALL
        SELECT 'machine' FROM main.fact_usage WHERE scope = 'machine' GROUP BY ts, machine_id HAVING count(*) > 1
        UNION ALL
        SELECT 'user' FROM main.fact_usage WHERE scope = 'user' GROUP BY ts, user_id HAVING count(*) > 1
    )
    GROUP BY scope
    UNION ALL
    SELECT 'fact_usage', 'a window that is not one hour from the full hour', count(*)
    FROM main.fact_usage
    WHERE window_s <> 3600 OR epoch_us(ts) % 3600000000 <> 0
    UNION ALL
    SELECT 'usage_daily', 'the same day of the same workspace, user, project and machine twice', count(*)
    FROM (
        SELECT usage_day
        FROM main.usage_daily
        GROUP BY usage_day, workspace_id, user_id, project_id, machine_id
        HAVING count(*) > 1
    )
    UNION ALL
    SELECT 'usage_windows', 'windows of one host that overlap, first on ' || min(usage_day), sum(n_overlapping)
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL AND n_overlapping > 0
    UNION ALL
    -- Of the sources of windows, the windows of a landing date see to it.
    SELECT 'usage_own_windows', 'hours of a host that another source speaks for too, first ' || min(own.window_start), count(*)
    FROM main.usage_own_windows AS own
    SEMI JOIN daily.usage_windows AS windows
        ON windows.host = own.host AND windows.hour_start = own.window_start AND windows.set_aside IS NULL
    WHERE own.set_aside IS NULL
    UNION ALL
    SELECT 'usage_own_windows', 'the same hour of the same host twice', count(*)
    FROM (SELECT host FROM main.usage_own_windows GROUP BY host, window_start HAVING count(*) > 1)
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
