-- Who held a workspace from when to when: from its creation, or its owner's getting it, until it was deleted or somebody
-- else got it.
-- group: usage
-- depends: stage.workspaces
CREATE OR REPLACE TABLE main.workspace_claims (
    workspace_id VARCHAR NOT NULL, -- workspace
    host VARCHAR, -- host that it runs on
    port BIGINT, -- port that it answers on
    user_id VARCHAR, -- owner; NULL: nobody
    cloud_project_name VARCHAR, -- project
    machine_name VARCHAR, -- machine type
    state VARCHAR, -- READY, CLAIMED, … in capitals
    started_at TIMESTAMPTZ NOT NULL, -- from when on
    ended_at TIMESTAMPTZ, -- until when; NULL: to this day
    is_newest BOOLEAN NOT NULL -- the workspace's newest claim
);

INSERT INTO main.workspace_claims BY NAME
WITH newest AS (
    -- The same claim may have landed on several days, where the source changed its mind about the creation.
    SELECT *
    FROM stage.workspaces
    QUALIFY row_number() OVER (
        PARTITION BY source_system, workspace_id, user_id, acquired_at
        ORDER BY recorded_at DESC, landing_date DESC
    ) = 1
),
ordered AS (
    SELECT
        *,
        greatest(created_at, acquired_at) AS started_at, -- greatest() passes over NULL
        lead(greatest(created_at, acquired_at)) OVER in_time AS next_from,
        max(deleted_at) OVER (PARTITION BY source_system, workspace_id) AS workspace_deleted_at
    FROM newest
    WINDOW in_time AS (
        PARTITION BY source_system, workspace_id
        ORDER BY greatest(created_at, acquired_at), recorded_at, user_id NULLS FIRST
    )
)
SELECT
    workspace_id,
    host,
    port,
    user_id,
    cloud_project_name,
    machine_name,
    upper(state) AS state,
    started_at,
    least(next_from, workspace_deleted_at) AS ended_at,
    next_from IS NULL AS is_newest
FROM ordered;
