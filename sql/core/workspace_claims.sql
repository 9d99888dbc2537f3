-- Who held a workspace for which project, from when to when: from its creation, or its owner's getting it, until it was
-- deleted, given back to the pool, got by somebody else, or moved to another host, project or machine type. Where its
-- source does not say when that was, it counts from when it was seen.
-- group: usage
-- depends: stage.workspaces
CREATE OR REPLACE TABLE main.workspace_claims (
    workspace_id VARCHAR NOT NULL, -- workspace; with its source before it where several sources have the same id
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
WITH deletions AS (
    SELECT DISTINCT source_system, workspace_id, deleted_at
    FROM stage.workspaces
    WHERE deleted_at IS NOT NULL
),
-- An id that comes back after a deletion is another workspace; one that goes on from before it was not deleted after all.
lives AS (
    SELECT
        workspaces.*,
        greatest(workspaces.created_at, workspaces.acquired_at) AS stated_from, -- greatest() passes over NULL
        deletions.deleted_at AS born_after
    FROM stage.workspaces AS workspaces
    ASOF LEFT JOIN deletions
        ON deletions.source_system = workspaces.source_system
        AND deletions.workspace_id = workspaces.workspace_id
        AND deletions.deleted_at < greatest(workspaces.created_at, workspaces.acquired_at)
),
sightings AS (
    SELECT
        CASE
            WHEN min(source_system) OVER by_id < max(source_system) OVER by_id THEN source_system || ':' || workspace_id
            ELSE workspace_id
        END AS workspace_id,
        port,
        user_id,
        cloud_project_name,
        machine_name,
        upper(state) AS state,
        acquired_at,
        recorded_at,
        stated_from,
        born_after,
        -- One that is still being built has its host only later.
        first_value(host IGNORE NULLS) OVER (in_time ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS host,
        last_value(deleted_at) OVER (
            PARTITION BY source_system, workspace_id, born_after
            ORDER BY recorded_at, stated_from, user_id NULLS FIRST, acquired_at NULLS FIRST, landing_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS deleted_at,
        -- The last that a source lists of a workspace is how it is; what comes before it tells its history.
        recorded_at IS DISTINCT FROM lead(recorded_at) OVER in_time AS is_current
    FROM lives
    WINDOW
        by_id AS (PARTITION BY workspace_id),
        in_time AS (
            PARTITION BY source_system, workspace_id
            ORDER BY recorded_at, stated_from, user_id NULLS FIRST, acquired_at NULLS FIRST, landing_date
        )
),
changes AS (
    SELECT
        *,
        lag(recorded_at) OVER in_time IS NOT NULL
            AND (
                user_id IS DISTINCT FROM lag(user_id) OVER in_time
                OR host IS DISTINCT FROM lag(host) OVER in_time
                -- Where none was named before, what is named now completes it.
                OR coalesce(lag(cloud_project_name) OVER in_time <> coalesce(cloud_project_name, ''), FALSE)
                OR coalesce(lag(machine_name) OVER in_time <> coalesce(machine_name, ''), FALSE)
            ) AS is_other,
        acquired_at IS DISTINCT FROM lag(acquired_at) OVER in_time
            OR born_after IS DISTINCT FROM lag(born_after) OVER in_time AS is_restated,
        -- A new holder with no newer time than one before: it is not said when they got it.
        is_other AND stated_from <= max(stated_from) OVER (in_time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS is_unstated
    FROM sightings
    WHERE is_current
    WINDOW in_time AS (PARTITION BY workspace_id ORDER BY recorded_at)
),
numbered AS (
    SELECT
        *,
        count(*) FILTER (is_other OR is_restated) OVER in_time AS claim,
        max(recorded_at) FILTER (is_unstated) OVER in_time AS last_seen_change
    FROM changes
    WINDOW in_time AS (PARTITION BY workspace_id ORDER BY recorded_at)
),
claims AS (
    SELECT
        workspace_id,
        user_id,
        host,
        acquired_at,
        max(recorded_at) AS recorded_at,
        arg_max(
            struct_pack(port := port, project := cloud_project_name, machine := machine_name, state := state, deleted_at := deleted_at), recorded_at
        ) AS newest,
        CASE
            WHEN bool_or(is_unstated) THEN min(recorded_at)
            -- What is said later does not undo what was seen.
            ELSE greatest(arg_max(stated_from, recorded_at), max(last_seen_change))
        END AS started_at
    FROM (
        SELECT * FROM numbered
        UNION ALL BY NAME
        SELECT * FROM sightings WHERE NOT is_current
    )
    GROUP BY
        workspace_id, user_id, host, acquired_at, born_after, claim,
        CASE WHEN NOT is_current THEN (cloud_project_name, machine_name) END
),
ordered AS (
    SELECT
        *,
        lead(started_at) OVER (
            PARTITION BY workspace_id
            ORDER BY started_at, recorded_at, user_id NULLS FIRST, acquired_at NULLS FIRST
        ) AS next_from
    FROM claims
)
SELECT
    workspace_id,
    host,
    newest.port AS port,
    user_id,
    newest.project AS cloud_project_name,
    newest.machine AS machine_name,
    newest.state AS state,
    started_at,
    least(next_from, newest.deleted_at) AS ended_at, -- least() passes over NULL
    next_from IS NULL AS is_newest
FROM ordered;
