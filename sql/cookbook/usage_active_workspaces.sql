-- Active workspaces right now.
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
