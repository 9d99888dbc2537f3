-- Project energy and carbon for a time window: from_utc=2026-01-01 to_utc=2026-02-01
SELECT p.cloud_project_name,
       SUM(f.busy_kwh + f.idle_kwh)      AS energy_kwh,
       SUM(f.busy_gCo2eq + f.idle_gCo2eq) AS carbon_g
FROM fact_usage f
JOIN dim_project p ON p.project_id = f.project_id
WHERE f.scope = 'project'
  AND f.ts >= $from_utc
  AND f.ts <  $to_utc
GROUP BY p.cloud_project_name
ORDER BY energy_kwh DESC;
