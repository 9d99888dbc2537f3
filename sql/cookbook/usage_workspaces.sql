-- Energy and carbon of each workspace, with its owner, project and machine: from_day=2026-01-01 to_day=2026-02-01 (not included)
SELECT
    d.workspace_id,
    u.display_name AS user,
    p.cloud_project_name AS project,
    m.machine_name AS machine,
    sum(d.busy_kwh + d.idle_kwh) AS energy_kwh,
    sum(d.busy_gCo2eq + d.idle_gCo2eq) AS carbon_g,
    100 * sum(d.busy_cpu_seconds_total) / nullif(sum(d.busy_cpu_seconds_total + d.idle_cpu_seconds_total), 0) AS busy_pct,
    bool_or(d.is_estimated) AS is_estimated,
    count(*) - count(d.busy_kwh) AS unknown_days
FROM usage_daily d
JOIN dim_user u ON u.user_id = d.user_id
JOIN dim_project p ON p.project_id = d.project_id
JOIN dim_machine m ON m.machine_id = d.machine_id
WHERE d.workspace_id IS NOT NULL
    AND d.usage_day >= $from_day
    AND d.usage_day < $to_day
GROUP BY ALL
ORDER BY energy_kwh DESC;
