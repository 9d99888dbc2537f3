-- Usage that nobody can be given, and users whom no group counts.
-- severity: warn
-- depends: fact_usage, dim_user, host_holders, daily.usage_window_keys
WITH findings AS (
    SELECT 'usage_windows' AS table_name, 'hosts that no workspace ever held, first ' || min(host) AS problem,
        count(DISTINCT host) AS n
    FROM (
        SELECT keys.host
        FROM daily.usage_window_keys AS keys
        ANTI JOIN main.host_holders AS holders ON holders.host = keys.host
        WHERE keys.set_aside IS NULL
    )
    UNION ALL
    SELECT 'dim_user', 'users with use and without a group, first ' || min(users.user_id), count(DISTINCT users.user_id)
    FROM main.dim_user AS users
    SEMI JOIN main.fact_usage AS facts ON facts.user_id = users.user_id
    WHERE users.group_id IS NULL AND users.user_id <> '(unattributed)'
    UNION ALL
    SELECT 'fact_usage', 'hours with CPU time of a host whose number of CPUs is not known', count(*)
    FROM main.fact_usage
    WHERE scope = 'ada' AND busy_cpu_seconds_total IS NULL
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
