-- A group of users. A deleted group is gone; user_group_history still names it.
-- group: usage
-- depends: usage_statements
CREATE OR REPLACE TABLE main.dim_group (
    group_id BIGINT PRIMARY KEY, -- stable id of the name
    group_name VARCHAR NOT NULL UNIQUE -- name
);

INSERT INTO main.dim_group BY NAME
WITH deleted AS (
    SELECT group_name
    FROM main.usage_statements
    WHERE kind = 'group' AND is_newest AND is_deleted
),
named AS (
    SELECT DISTINCT group_name
    FROM main.usage_statements
    WHERE group_name IS NOT NULL
)
SELECT ops.stable_id(group_name) AS group_id, group_name
FROM named
ANTI JOIN deleted ON deleted.group_name = named.group_name
ORDER BY group_name;
