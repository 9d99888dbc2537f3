-- The queries of the SQL Tables & Views Guide as its text gives them, with $name for :name. Run by tests as they stand.

-- Users in a Group
SELECT u.user_id, u.display_name
FROM dim_user u
JOIN dim_group g ON g.group_id = u.group_id
WHERE g.group_name = $group_name;

-- Machines serving a Project
SELECT m.machine_name
FROM map_project_machine pm
JOIN dim_machine m ON m.machine_id = pm.machine_id
JOIN dim_project p ON p.project_id = pm.project_id
WHERE p.cloud_project_name = $project;

-- Projects a User belongs to
SELECT p.cloud_project_name
FROM map_user_project up
JOIN dim_project p ON p.project_id = up.project_id
WHERE up.user_id = $user_id;

SELECT aw.workspace_id,
       aw.started_at,
       u.display_name AS user,
       p.cloud_project_name AS project,
       m.machine_name AS machine,
       i.host, i.port
FROM active_workspace aw
JOIN dim_machine   m ON m.machine_id  = aw.machine_id
JOIN dim_instance  i ON i.instance_id = aw.instance_id
LEFT JOIN dim_user u ON u.user_id     = aw.user_id
LEFT JOIN dim_project p ON p.project_id = aw.project_id
ORDER BY aw.started_at DESC;

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

WITH group_ts AS (
  SELECT g.group_name,
         f.ts,
         (f.busy_kwh + f.idle_kwh) AS kwh
  FROM fact_usage f
  JOIN dim_user u ON u.user_id = f.user_id
  JOIN dim_group g ON g.group_id = u.group_id
  WHERE f.scope = 'user'
    AND f.ts >= $q_start
    AND f.ts <  $q_end
)
SELECT group_name, SUM(kwh) AS energy_kwh
FROM group_ts
GROUP BY group_name
ORDER BY energy_kwh DESC
LIMIT $n;

SELECT m.machine_name,
       f.ts,
       COALESCE(
         f.intensity_gCo2eq_kwh,
         CASE WHEN (f.busy_kwh + f.idle_kwh) > 0
              THEN (f.busy_gCo2eq + f.idle_gCo2eq) / (f.busy_kwh + f.idle_kwh)
         END
       ) AS intensity_g_per_kwh
FROM fact_usage f
JOIN dim_machine m ON m.machine_id = f.machine_id
WHERE f.scope = 'machine' AND m.machine_name = $machine
ORDER BY f.ts;

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

-- Upsert a group
INSERT INTO dim_group(group_name)
VALUES($group)
ON CONFLICT(group_name) DO NOTHING;

-- Upsert a user
INSERT INTO dim_user(user_id, display_name, group_id)
VALUES($user_id, $display_name,
       (SELECT group_id FROM dim_group WHERE group_name = $group))
ON CONFLICT(user_id) DO UPDATE SET
  display_name = EXCLUDED.display_name,
  group_id     = EXCLUDED.group_id;

-- Bridges
INSERT INTO map_user_project(user_id, project_id)
SELECT $user_id, p.project_id
FROM dim_project p
WHERE p.cloud_project_name = $project
ON CONFLICT(user_id, project_id) DO NOTHING;

-- Any fact rows with the wrong key set for its scope?
SELECT * FROM fact_usage f
WHERE NOT (
  (scope='ada'     AND project_id IS NULL AND machine_id IS NULL AND user_id IS NULL) OR
  (scope='project' AND project_id IS NOT NULL AND machine_id IS NULL AND user_id IS NULL) OR
  (scope='machine' AND machine_id IS NOT NULL AND project_id IS NULL AND user_id IS NULL) OR
  (scope='user'    AND user_id    IS NOT NULL AND project_id IS NULL AND machine_id IS NULL)
);

-- Any negative metrics?
SELECT * FROM fact_usage
WHERE busy_cpu_seconds_total < 0 OR idle_cpu_seconds_total < 0
   OR busy_kwh < 0 OR idle_kwh < 0
   OR busy_gCo2eq < 0 OR idle_gCo2eq < 0;

-- Resolve active workspaces with names in one place
CREATE VIEW v_active_workspaces AS
SELECT aw.workspace_id, aw.started_at,
       u.display_name AS user,
       p.cloud_project_name AS project,
       m.machine_name AS machine,
       i.host, i.port
FROM active_workspace aw
JOIN dim_machine   m ON m.machine_id  = aw.machine_id
JOIN dim_instance  i ON i.instance_id = aw.instance_id
LEFT JOIN dim_user u ON u.user_id     = aw.user_id
LEFT JOIN dim_project p ON p.project_id = aw.project_id;

-- User ↔ Project membership with group
CREATE VIEW v_user_project AS
SELECT u.user_id, u.display_name, g.group_name, p.cloud_project_name
FROM map_user_project up
JOIN dim_user u   ON u.user_id     = up.user_id
LEFT JOIN dim_group g ON g.group_id = u.group_id
JOIN dim_project p ON p.project_id  = up.project_id;
