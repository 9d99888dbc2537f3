-- A statement of the directory: from when to when it holds, until the next one about the same thing, and whether it is
-- the newest. Where it does not say since when, the first that was recorded holds from ever, others from their recording.
-- group: usage
-- depends: stage.usage_directory
CREATE OR REPLACE TABLE main.usage_statements (
    kind VARCHAR NOT NULL, -- group, user, project, machine, user_project or project_machine
    group_name VARCHAR, -- group; of a user: the one they are counted in
    user_id VARCHAR, -- user
    display_name VARCHAR, -- user's name
    cloud_project_name VARCHAR, -- project
    machine_name VARCHAR, -- machine
    country_code VARCHAR, -- machine's grid
    busy_watts DOUBLE, -- power of a busy CPU of the machine
    idle_watts DOUBLE, -- power of an idle CPU of the machine
    valid_from TIMESTAMPTZ, -- from when on it holds; NULL: from ever
    valid_to TIMESTAMPTZ, -- until when; NULL: to this day
    is_newest BOOLEAN NOT NULL, -- no later statement about the same thing
    is_deleted BOOLEAN NOT NULL -- it says that the thing is no more
);

INSERT INTO main.usage_statements BY NAME
WITH named AS (
    SELECT
        *,
        -- What the statement is about; a user's group is what is said of the user, not part of who they are.
        concat_ws(
            chr(31),
            kind,
            CASE WHEN kind = 'group' THEN group_name END,
            CASE WHEN kind IN ('user', 'user_project') THEN user_id END,
            CASE WHEN kind IN ('project', 'user_project', 'project_machine') THEN cloud_project_name END,
            CASE WHEN kind IN ('machine', 'project_machine') THEN machine_name END
        ) AS thing
    FROM stage.usage_directory
),
dated AS (
    SELECT
        *,
        CASE
            WHEN valid_from IS NOT NULL THEN valid_from
            WHEN row_number() OVER as_recorded > 1 THEN coalesce(deleted_at, recorded_at)
        END AS stated_from
    FROM named
    WINDOW as_recorded AS (
        PARTITION BY thing
        ORDER BY recorded_at, valid_from NULLS FIRST, deleted_at NULLS FIRST, group_name, display_name, landing_date
    )
),
ordered AS (
    SELECT
        *,
        lead(stated_from) OVER in_time AS next_from,
        lead(TRUE) OVER in_time IS NULL AS is_newest
    FROM dated
    WINDOW in_time AS (
        PARTITION BY thing
        ORDER BY
            stated_from NULLS FIRST, recorded_at, deleted_at NULLS FIRST, group_name, display_name, landing_date
    )
)
SELECT
    kind,
    group_name,
    user_id,
    display_name,
    cloud_project_name,
    machine_name,
    upper(country_code) AS country_code,
    busy_watts,
    idle_watts,
    stated_from AS valid_from,
    least(next_from, deleted_at) AS valid_to, -- least() passes over NULL
    is_newest,
    deleted_at IS NOT NULL AS is_deleted
FROM ordered;
