-- Which group a user was counted in from when to when.
-- group: usage
-- depends: usage_statements
CREATE OR REPLACE TABLE main.user_group_history (
    user_id VARCHAR NOT NULL, -- user
    group_id BIGINT NOT NULL, -- group: stable id of its name
    group_name VARCHAR NOT NULL, -- its name
    valid_from TIMESTAMPTZ, -- from when on; NULL: from ever
    valid_to TIMESTAMPTZ -- until when; NULL: to this day
);

INSERT INTO main.user_group_history BY NAME
WITH deletions AS (
    SELECT group_name, valid_to AS deleted_at
    FROM main.usage_statements
    WHERE kind = 'group' AND is_deleted
),
memberships AS (
    SELECT
        users.user_id,
        users.group_name,
        users.valid_from,
        -- A group that is deleted takes its memberships with it.
        least(users.valid_to, min(deletions.deleted_at)) AS valid_to
    FROM main.usage_statements AS users
    LEFT JOIN deletions
        ON deletions.group_name = users.group_name
        AND coalesce(deletions.deleted_at >= users.valid_from, TRUE)
    WHERE users.kind = 'user' AND users.group_name IS NOT NULL
    GROUP BY users.user_id, users.group_name, users.valid_from, users.valid_to
)
SELECT user_id, ops.stable_id(group_name) AS group_id, group_name, valid_from, valid_to
FROM memberships
WHERE coalesce(valid_from < valid_to, TRUE);
