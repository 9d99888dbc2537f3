-- A user in a project now, with their group.
-- group: usage
-- depends: map_user_project, dim_user, dim_group, dim_project
CREATE OR REPLACE VIEW main.v_user_project AS
SELECT
    u.user_id, -- user
    u.display_name, -- their name
    g.group_name, -- their group; NULL: none
    p.cloud_project_name -- project
FROM main.map_user_project AS up
JOIN main.dim_user AS u ON u.user_id = up.user_id
LEFT JOIN main.dim_group AS g ON g.group_id = u.group_id
JOIN main.dim_project AS p ON p.project_id = up.project_id;
