-- A user belongs to a project now. Deleting either deletes the row.
-- group: usage
-- depends: user_project_history, usage_statements, dim_user, dim_project
CREATE OR REPLACE TABLE main.map_user_project (
    user_id VARCHAR NOT NULL, -- user
    project_id BIGINT NOT NULL, -- project
    PRIMARY KEY (user_id, project_id)
);

INSERT INTO main.map_user_project BY NAME
WITH deleted AS (
    SELECT kind, user_id, cloud_project_name
    FROM main.usage_statements
    WHERE is_newest AND is_deleted AND kind IN ('user', 'project')
),
current_links AS (
    SELECT DISTINCT user_id, project_id, cloud_project_name
    FROM main.user_project_history
    WHERE valid_to IS NULL
)
SELECT links.user_id, links.project_id
FROM current_links AS links
JOIN main.dim_user AS dim_user ON dim_user.user_id = links.user_id
JOIN main.dim_project AS dim_project ON dim_project.project_id = links.project_id
ANTI JOIN deleted
    ON (deleted.kind = 'user' AND deleted.user_id = links.user_id)
    OR (deleted.kind = 'project' AND deleted.cloud_project_name = links.cloud_project_name)
ORDER BY links.user_id, links.project_id;
