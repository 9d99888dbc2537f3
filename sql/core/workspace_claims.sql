-- Who held a workspace from when to when: from its creation, or its owner's getting it, until it was deleted, given back to
-- the pool or got by somebody else. Where its source does not say when it changed hands, that counts from when it was seen.
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
WITH sightings AS (
    SELECT
        * EXCLUDE (workspace_id, host),
        CASE
            WHEN min(source_system) OVER by_id < max(source_system) OVER by_id THEN source_system || ':' || workspace_id
            ELSE workspace_id
        END AS workspace_id,
        greatest(created_at, acquired_at) AS stated_from, -- greatest() passes over NULL
        -- One that is still being built has its host only later.
        first_value(host IGNORE NULLS) OVER (
            PARTITION BY source_system, workspace_id
            ORDER BY recorded_at, greatest(created_at, acquired_at)
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS host,
        -- The last that a source lists of a workspace is how it is; those before it tell its history.
        row_number() OVER (
            PARTITION BY source_system, workspace_id, recorded_at
            ORDER BY greatest(created_at, acquired_at) DESC, user_id DESC NULLS LAST, acquired_at DESC NULLS LAST
        ) = 1 AS is_current
    FROM stage.workspaces
    WINDOW by_id AS (PARTITION BY workspace_id)
),
changes AS (
    SELECT
        *,
        lag(recorded_at) OVER in_time IS NOT NULL
            AND (user_id IS DISTINCT FROM lag(user_id) OVER in_time OR host IS DISTINCT FROM lag(host) OVER in_time)
            AS is_other,
        acquired_at IS DISTINCT FROM lag(acquired_at) OVER in_time AS is_restated,
        -- A new holder with no newer time than one before: it is not said when they got it.
        is_other AND stated_from <= max(stated_from) OVER (
            PARTITION BY workspace_id
            ORDER BY recorded_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS is_unstated
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
        * EXCLUDE (is_other, is_restated, is_unstated, claim, last_seen_change),
        CASE
            WHEN bool_or(is_unstated) OVER of_claim THEN min(recorded_at) OVER of_claim
            ELSE greatest(stated_from, last_seen_change) -- what was seen is not undone by what is said of before it
        END AS started_at
    FROM numbered
    WINDOW of_claim AS (PARTITION BY workspace_id, claim)
    QUALIFY row_number() OVER (PARTITION BY workspace_id, claim ORDER BY recorded_at DESC) = 1
    UNION ALL BY NAME
    SELECT *, stated_from AS started_at
    FROM sightings
    WHERE NOT is_current
),
ordered AS (
    SELECT
        * EXCLUDE (deleted_at),
        lead(started_at) OVER (
            PARTITION BY workspace_id
            ORDER BY started_at, recorded_at, user_id NULLS FIRST, acquired_at NULLS FIRST
        ) AS next_from,
        first_value(deleted_at) OVER (
            PARTITION BY workspace_id
            ORDER BY recorded_at DESC, deleted_at DESC NULLS LAST
        ) AS deleted_at
    FROM claims
    -- A history that is told again is the same history.
    QUALIFY row_number() OVER (PARTITION BY workspace_id, user_id, acquired_at, host, started_at ORDER BY recorded_at DESC) = 1
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
    least(next_from, deleted_at) AS ended_at,
    next_from IS NULL AS is_newest
FROM ordered;
