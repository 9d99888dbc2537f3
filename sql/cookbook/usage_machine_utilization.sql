-- Machine utilization, busy against idle: from_utc=2026-01-01 to_utc=2026-02-01
SELECT m.machine_name,
       SUM(f.busy_cpu_seconds_total) AS busy_s,
       SUM(f.idle_cpu_seconds_total) AS idle_s,
       ROUND(100.0 * SUM(f.busy_cpu_seconds_total)
                  / NULLIF(SUM(f.busy_cpu_seconds_total + f.idle_cpu_seconds_total), 0), 1)
         AS busy_pct
FROM fact_usage f
JOIN dim_machine m ON m.machine_id = f.machine_id
WHERE f.scope = 'machine'
  AND f.ts BETWEEN $from_utc AND $to_utc
GROUP BY m.machine_name
ORDER BY busy_pct DESC;
