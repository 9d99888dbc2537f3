-- Nothing of usage is lost or counted twice: in each window the machines, the projects and the users, with what is
-- unattributed, each add up to everything; so do the days, and all CPU time that counts is in the facts.
-- severity: error
-- depends: fact_usage, usage_daily, daily.usage_windows, usage_own_windows
WITH sums AS (
    SELECT
        ts,
        scope,
        count(*) AS n_rows,
        fsum(busy_cpu_seconds_total) AS busy_s,
        fsum(idle_cpu_seconds_total) AS idle_s,
        fsum(busy_kwh) AS busy_kwh,
        fsum(idle_kwh) AS idle_kwh,
        fsum(busy_gCo2eq) AS busy_g,
        fsum(idle_gCo2eq) AS idle_g
    FROM main.fact_usage
    GROUP BY ts, scope
),
wholes AS (
    SELECT *
    FROM sums
    WHERE scope = 'ada'
),
scopes (scope) AS (
    VALUES ('project'), ('machine'), ('user')
),
differences AS (
    SELECT
        scopes.scope,
        wholes.ts,
        greatest(
            abs(coalesce(sums.busy_s, 0) - wholes.busy_s) / greatest(wholes.busy_s, 1e-6),
            abs(coalesce(sums.idle_s, 0) - wholes.idle_s) / greatest(wholes.idle_s, 1e-6),
            abs(coalesce(sums.busy_kwh, 0) - wholes.busy_kwh) / greatest(wholes.busy_kwh, 1e-9),
            abs(coalesce(sums.idle_kwh, 0) - wholes.idle_kwh) / greatest(wholes.idle_kwh, 1e-9),
            abs(coalesce(sums.busy_g, 0) - wholes.busy_g) / greatest(wholes.busy_g, 1e-6),
            abs(coalesce(sums.idle_g, 0) - wholes.idle_g) / greatest(wholes.idle_g, 1e-6)
        ) AS difference
    FROM wholes
    CROSS JOIN scopes
    LEFT JOIN sums ON sums.ts = wholes.ts AND sums.scope = scopes.scope
    WHERE wholes.busy_s IS NOT NULL
),
-- Hours of which a part is unknown are NULL in the facts.
unknown AS (
    SELECT ts
    FROM wholes
    WHERE busy_s IS NULL
),
totals AS (
    SELECT
        (SELECT coalesce(fsum(busy_s + idle_s), 0) FROM wholes) AS facts_s,
        (SELECT coalesce(fsum(busy_cpu_seconds_total + idle_cpu_seconds_total), 0) FROM main.usage_daily) AS daily_s,
        (
            SELECT coalesce(fsum(seconds), 0)
            FROM (
                SELECT hour_start AS ts, busy_s + idle_s + coalesce(iowait_s, 0) AS seconds
                FROM daily.usage_windows
                WHERE set_aside IS NULL
                UNION ALL
                SELECT window_start, busy_s + idle_s FROM main.usage_own_windows WHERE set_aside IS NULL
            ) AS windows
            ANTI JOIN unknown ON unknown.ts = windows.ts
        ) AS windows_s,
        (SELECT count(*) FROM unknown) AS n_unknown
),
findings AS (
    SELECT
        'fact_usage' AS table_name,
        'windows whose ' || scope || 's do not add up to everything, first ' || min(ts) AS problem,
        count(*) AS n
    FROM differences
    WHERE difference > 1e-9
    GROUP BY scope
    UNION ALL
    SELECT 'fact_usage', 'windows of ' || sums.scope || 's without everything', count(*)
    FROM sums
    ANTI JOIN wholes ON wholes.ts = sums.ts
    GROUP BY sums.scope
    UNION ALL
    SELECT 'fact_usage', 'CPU seconds that landed and are in no fact, or the reverse', abs(facts_s - windows_s)::BIGINT + 1
    FROM totals
    WHERE abs(facts_s - windows_s) > 1e-9 * windows_s
    UNION ALL
    SELECT 'usage_daily', 'CPU seconds that differ from those of the facts', abs(facts_s - daily_s)::BIGINT + 1
    FROM totals
    WHERE n_unknown = 0 AND abs(facts_s - daily_s) > 1e-9 * facts_s
)
SELECT table_name, problem, n
FROM findings;
