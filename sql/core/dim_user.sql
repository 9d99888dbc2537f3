-- A user. One who is deleted stays while there is use of theirs, without a group.
-- group: usage
-- depends: usage_statements, workspace_claims, dim_group
CREATE OR REPLACE TABLE main.dim_user (
    user_id VARCHAR PRIMARY KEY, -- stable external id; '(unattributed)' stands for use that nobody can be given
    display_name VARCHAR, -- name, for display only
    group_id BIGINT -- the group they are counted in now; NULL: none
);

INSERT INTO main.dim_user BY NAME
WITH stated AS (
    SELECT user_id, display_name, group_name, is_deleted
    FROM main.usage_statements
    WHERE kind = 'user' AND is_newest
),
named AS (
    SELECT statements.user_id
    FROM main.usage_statements AS statements
    ANTI JOIN stated ON stated.user_id = statements.user_id AND stated.is_deleted
    WHERE statements.user_id IS NOT NULL
    UNION
    SELECT user_id FROM main.workspace_claims WHERE user_id IS NOT NULL
    UNION
    SELECT '(unattributed)' AS user_id
)
SELECT
    named.user_id,
    coalesce(stated.display_name, named.user_id) AS display_name,
    dim_group.group_id
FROM named
LEFT JOIN stated ON stated.user_id = named.user_id
LEFT JOIN main.dim_group AS dim_group ON dim_group.group_name = stated.group_name AND NOT stated.is_deleted
ORDER BY named.user_id;
