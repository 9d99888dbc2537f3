-- A stretch of time in which a host was held by the same workspaces, one row for each of them with its part of the host.
-- group: usage
-- depends: workspace_claims
CREATE OR REPLACE TABLE main.host_holders (
    host VARCHAR NOT NULL, -- host
    held_from TIMESTAMPTZ NOT NULL, -- start of the stretch
    held_to TIMESTAMPTZ, -- its end; NULL: to this day
    workspace_id VARCHAR NOT NULL, -- workspace
    user_id VARCHAR, -- its owner
    cloud_project_name VARCHAR, -- its project
    machine_name VARCHAR, -- its machine type
    part DOUBLE NOT NULL -- 1, or less where several workspaces were on the host at once: equal parts
);

INSERT INTO main.host_holders BY NAME
WITH claims AS (
    SELECT host, workspace_id, user_id, cloud_project_name, machine_name, started_at, ended_at
    FROM main.workspace_claims
    WHERE host IS NOT NULL AND (ended_at IS NULL OR ended_at > started_at)
),
edges AS (
    SELECT host, started_at AS moment FROM claims
    UNION
    SELECT host, ended_at AS moment FROM claims WHERE ended_at IS NOT NULL
),
stretches AS (
    SELECT host, moment AS held_from, lead(moment) OVER (PARTITION BY host ORDER BY moment) AS held_to
    FROM edges
)
SELECT
    stretches.host,
    held_from,
    held_to,
    workspace_id,
    user_id,
    cloud_project_name,
    machine_name,
    1 / count(*) OVER (PARTITION BY stretches.host, held_from) AS part
FROM stretches
JOIN claims
    ON claims.host = stretches.host
    AND claims.started_at <= stretches.held_from
    AND coalesce(claims.ended_at > stretches.held_from, TRUE);
