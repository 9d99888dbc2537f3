-- Which project ran on a machine from when to when: as stated; where nobody has stated anything about the two, from its
-- first use of the machine.
-- group: usage
-- depends: usage_statements, workspace_claims, daily.usage_window_keys
CREATE OR REPLACE TABLE main.project_machine_history (
    project_id BIGINT NOT NULL, -- project: stable id of its name
    cloud_project_name VARCHAR NOT NULL, -- its name
    machine_id BIGINT NOT NULL, -- machine: stable id of its name
    machine_name VARCHAR NOT NULL, -- its name
    valid_from TIMESTAMPTZ, -- from when on; NULL: from ever
    valid_to TIMESTAMPTZ -- until when; NULL: to this day
);

INSERT INTO main.project_machine_history BY NAME
WITH stated AS (
    SELECT cloud_project_name, machine_name, valid_from, valid_to
    FROM main.usage_statements
    WHERE kind = 'project_machine'
),
used AS (
    SELECT cloud_project_name, machine_name, min(first_start) AS valid_from
    FROM daily.usage_window_keys
    WHERE set_aside IS NULL AND cloud_project_name IS NOT NULL AND machine_name IS NOT NULL
    GROUP BY cloud_project_name, machine_name
    UNION ALL
    SELECT cloud_project_name, machine_name, min(started_at) AS valid_from
    FROM main.workspace_claims
    WHERE cloud_project_name IS NOT NULL AND machine_name IS NOT NULL
    GROUP BY cloud_project_name, machine_name
),
seen AS (
    SELECT cloud_project_name, machine_name, min(valid_from) AS valid_from, NULL::TIMESTAMPTZ AS valid_to
    FROM used
    GROUP BY cloud_project_name, machine_name
),
links AS (
    SELECT cloud_project_name, machine_name, valid_from, valid_to FROM stated
    UNION ALL
    SELECT seen.cloud_project_name, seen.machine_name, seen.valid_from, seen.valid_to
    FROM seen
    ANTI JOIN stated
        ON stated.cloud_project_name = seen.cloud_project_name
        AND stated.machine_name = seen.machine_name
)
SELECT
    ops.stable_id(cloud_project_name) AS project_id,
    cloud_project_name,
    ops.stable_id(machine_name) AS machine_id,
    machine_name,
    valid_from,
    valid_to
FROM links
WHERE coalesce(valid_from < valid_to, TRUE);
