-- A project runs on a machine now. Deleting either deletes the row.
-- group: usage
-- depends: project_machine_history, usage_statements, dim_project, dim_machine
CREATE OR REPLACE TABLE main.map_project_machine (
    project_id BIGINT NOT NULL, -- project
    machine_id BIGINT NOT NULL, -- machine
    PRIMARY KEY (project_id, machine_id)
);

INSERT INTO main.map_project_machine BY NAME
WITH deleted AS (
    SELECT kind, machine_name, cloud_project_name
    FROM main.usage_statements
    WHERE is_newest AND is_deleted AND kind IN ('machine', 'project')
),
current_links AS (
    SELECT DISTINCT project_id, machine_id, cloud_project_name, machine_name
    FROM main.project_machine_history
    WHERE valid_to IS NULL
)
SELECT links.project_id, links.machine_id
FROM current_links AS links
JOIN main.dim_project AS dim_project ON dim_project.project_id = links.project_id
JOIN main.dim_machine AS dim_machine ON dim_machine.machine_id = links.machine_id
ANTI JOIN deleted
    ON (deleted.kind = 'machine' AND deleted.machine_name = links.machine_name)
    OR (deleted.kind = 'project' AND deleted.cloud_project_name = links.cloud_project_name)
ORDER BY links.project_id, links.machine_id;
