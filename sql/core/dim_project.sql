-- A cloud project. One that is deleted stays while there is use of it.
-- group: usage
-- depends: usage_statements, workspace_claims, daily.usage_window_keys
CREATE OR REPLACE TABLE main.dim_project (
    project_id BIGINT PRIMARY KEY, -- stable id of the name
    cloud_project_name VARCHAR NOT NULL UNIQUE -- name; '(unattributed)' stands for use that belongs to no known project
);

INSERT INTO main.dim_project BY NAME
WITH deleted AS (
    SELECT cloud_project_name
    FROM main.usage_statements
    WHERE kind = 'project' AND is_newest AND is_deleted
),
named AS (
    SELECT statements.cloud_project_name
    FROM main.usage_statements AS statements
    ANTI JOIN deleted ON deleted.cloud_project_name = statements.cloud_project_name
    WHERE statements.cloud_project_name IS NOT NULL
    UNION
    SELECT cloud_project_name FROM main.workspace_claims WHERE cloud_project_name IS NOT NULL
    UNION
    SELECT cloud_project_name FROM daily.usage_window_keys WHERE cloud_project_name IS NOT NULL
    UNION
    SELECT '(unattributed)' AS cloud_project_name
)
SELECT ops.stable_id(cloud_project_name) AS project_id, cloud_project_name
FROM named
ORDER BY cloud_project_name;
