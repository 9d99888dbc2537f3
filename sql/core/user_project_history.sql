-- Which project a user belonged to from when to when: as stated; where nobody has stated anything about the two, from the
-- user's first workspace in the project.
-- group: usage
-- depends: usage_statements, workspace_claims
CREATE OR REPLACE TABLE main.user_project_history (
    user_id VARCHAR NOT NULL, -- user
    project_id BIGINT NOT NULL, -- project: stable id of its name
    cloud_project_name VARCHAR NOT NULL, -- its name
    valid_from TIMESTAMPTZ, -- from when on; NULL: from ever
    valid_to TIMESTAMPTZ -- until when; NULL: to this day
);

INSERT INTO main.user_project_history BY NAME
WITH stated AS (
    SELECT user_id, cloud_project_name, valid_from, valid_to
    FROM main.usage_statements
    WHERE kind = 'user_project'
),
seen AS (
    SELECT user_id, cloud_project_name, min(started_at) AS valid_from, NULL::TIMESTAMPTZ AS valid_to
    FROM main.workspace_claims
    WHERE user_id IS NOT NULL AND cloud_project_name IS NOT NULL
    GROUP BY user_id, cloud_project_name
),
links AS (
    SELECT user_id, cloud_project_name, valid_from, valid_to FROM stated
    UNION ALL
    SELECT seen.user_id, seen.cloud_project_name, seen.valid_from, seen.valid_to
    FROM seen
    ANTI JOIN stated
        ON stated.user_id = seen.user_id
        AND stated.cloud_project_name = seen.cloud_project_name
)
SELECT user_id, ops.stable_id(cloud_project_name) AS project_id, cloud_project_name, valid_from, valid_to
FROM links
WHERE coalesce(valid_from < valid_to, TRUE);
