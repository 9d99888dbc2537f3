-- User contribution within projects, each user's whole use counted in every project of theirs: from_utc=… to_utc=…
-- Where the projects have to add up to the user, see usage_user_projects_weighted.sql.
SELECT p.cloud_project_name,
       u.user_id,
       SUM(f.busy_kwh + f.idle_kwh) AS user_energy_kwh
FROM fact_usage f
JOIN dim_user    u ON u.user_id    = f.user_id
JOIN map_user_project up ON up.user_id = u.user_id
JOIN dim_project p ON p.project_id = up.project_id
WHERE f.scope = 'user'
  AND f.ts >= $from_utc AND f.ts < $to_utc
GROUP BY p.cloud_project_name, u.user_id
ORDER BY p.cloud_project_name, user_energy_kwh DESC;
