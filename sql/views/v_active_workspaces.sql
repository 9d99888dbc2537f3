-- An active workspace with the names of its user, project, machine and endpoint.
-- group: usage
-- depends: active_workspace, dim_machine, dim_instance, dim_user, dim_project
CREATE OR REPLACE VIEW main.v_active_workspaces AS
SELECT
    aw.workspace_id, -- workspace
    aw.started_at, -- since when
    u.display_name AS user, -- its owner
    p.cloud_project_name AS project, -- project
    m.machine_name AS machine, -- machine
    i.host, -- host
    i.port -- port
FROM main.active_workspace AS aw
JOIN main.dim_machine AS m ON m.machine_id = aw.machine_id
JOIN main.dim_instance AS i ON i.instance_id = aw.instance_id
LEFT JOIN main.dim_user AS u ON u.user_id = aw.user_id
LEFT JOIN main.dim_project AS p ON p.project_id = aw.project_id;
