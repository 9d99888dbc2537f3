-- No usage is negative or no number, and nothing that was used costs nothing.
-- severity: error
-- depends: fact_usage, usage_daily
WITH findings AS (
    SELECT 'fact_usage' AS table_name, 'negative figure' AS problem, count(*) AS n
    FROM main.fact_usage
    WHERE busy_cpu_seconds_total < 0
        OR idle_cpu_seconds_total < 0
        OR busy_kwh < 0
        OR idle_kwh < 0
        OR busy_gCo2eq < 0
        OR idle_gCo2eq < 0
        OR intensity_gCo2eq_kwh < 0
    UNION ALL
    SELECT 'fact_usage', 'figure that is no finite number', count(*)
    FROM main.fact_usage
    WHERE NOT isfinite(
        busy_cpu_seconds_total + idle_cpu_seconds_total + busy_kwh + idle_kwh + busy_gCo2eq + idle_gCo2eq
    )
    UNION ALL
    SELECT 'fact_usage', 'energy without a carbon intensity', count(*)
    FROM main.fact_usage
    WHERE busy_kwh + idle_kwh > 0 AND (busy_gCo2eq IS NULL OR intensity_source IS NULL)
    UNION ALL
    SELECT 'usage_daily', 'negative figure', count(*)
    FROM main.usage_daily
    WHERE busy_cpu_seconds_total < 0
        OR idle_cpu_seconds_total < 0
        OR busy_kwh < 0
        OR idle_kwh < 0
        OR busy_gCo2eq < 0
        OR idle_gCo2eq < 0
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
