-- A session that is going on: a workspace READY or CLAIMED and not deleted.
-- group: usage
-- depends: workspace_claims, usage_own_windows, daily.usage_window_keys, dim_machine, dim_project, dim_instance
CREATE OR REPLACE TABLE main.active_workspace (
    workspace_id VARCHAR PRIMARY KEY, -- the workspace's id in its source
    instance_id BIGINT NOT NULL, -- endpoint that it runs on
    machine_id BIGINT NOT NULL, -- machine
    user_id VARCHAR, -- owner; NULL: nobody yet
    project_id BIGINT, -- project; NULL where no source says it
    started_at TIMESTAMPTZ NOT NULL -- since when: its creation, or its owner's getting it
);

INSERT INTO main.active_workspace BY NAME
WITH active AS (
    SELECT
        workspace_id,
        coalesce(host, '(no host)') AS host,
        port,
        machine_name,
        user_id,
        cloud_project_name,
        started_at
    FROM main.workspace_claims
    WHERE is_newest AND ended_at IS NULL AND state IN ('READY', 'CLAIMED')
),
-- What a host is, as its newest window says, for workspaces that do not say it themselves.
hosts AS (
    SELECT host, arg_max(machine_name, (seen_at, machine_name)) AS machine_name
    FROM (
        SELECT host, machine_name, last_start AS seen_at FROM daily.usage_window_keys WHERE machine_name IS NOT NULL
        UNION ALL
        SELECT host, host AS machine_name, window_start AS seen_at FROM main.usage_own_windows
    )
    SEMI JOIN active USING (host)
    GROUP BY host
)
SELECT
    active.workspace_id,
    dim_instance.instance_id,
    dim_machine.machine_id,
    active.user_id,
    dim_project.project_id,
    active.started_at
FROM active
LEFT JOIN hosts ON hosts.host = active.host
JOIN main.dim_machine AS dim_machine
    ON dim_machine.machine_name = coalesce(active.machine_name, hosts.machine_name, '(unattributed)')
JOIN main.dim_instance AS dim_instance
    ON dim_instance.host = active.host
    AND dim_instance.port IS NOT DISTINCT FROM active.port
LEFT JOIN main.dim_project AS dim_project ON dim_project.cloud_project_name = active.cloud_project_name
ORDER BY active.workspace_id;
