-- Usage that nobody can be given, users whom no group counts, and hosts that no grid is known to feed.
-- severity: warn
-- depends: fact_usage, dim_user, host_holders, usage_statements, usage_own_windows, daily.usage_window_keys
WITH hosts AS (
    SELECT DISTINCT host, machine_name, country_code
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL
    UNION
    SELECT DISTINCT host, host AS machine_name, country_code
    FROM main.usage_own_windows
    WHERE set_aside IS NULL
),
placed_machines AS (
    SELECT DISTINCT machine_name
    FROM main.usage_statements
    WHERE kind = 'machine' AND country_code IS NOT NULL
),
findings AS (
    SELECT 'usage_windows' AS table_name, 'hosts that no workspace ever held, first ' || min(host) AS problem,
        count(DISTINCT host) AS n
    FROM (
        SELECT hosts.host
        FROM hosts
        ANTI JOIN main.host_holders AS holders ON holders.host = hosts.host
    )
    UNION ALL
    SELECT 'usage_windows', 'hosts without a country, taken to be on the default grid, first ' || min(host),
        count(DISTINCT host)
    FROM (
        SELECT hosts.host
        FROM hosts
        LEFT JOIN main.host_holders AS holders ON holders.host = hosts.host
        ANTI JOIN placed_machines
            ON placed_machines.machine_name = coalesce(hosts.machine_name, holders.machine_name)
        WHERE hosts.country_code IS NULL
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
