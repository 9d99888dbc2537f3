-- Machines serving a project: project=fusion
SELECT m.machine_name
FROM map_project_machine pm
JOIN dim_machine m ON m.machine_id = pm.machine_id
JOIN dim_project p ON p.project_id = pm.project_id
WHERE p.cloud_project_name = $project;
