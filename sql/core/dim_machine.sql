-- A machine: in a cloud a machine type, of our own hosts the host. One that is deleted stays while there is use of it.
-- group: usage
-- depends: usage_statements, workspace_claims, usage_own_windows, daily.usage_window_keys
CREATE OR REPLACE TABLE main.dim_machine (
    machine_id BIGINT PRIMARY KEY, -- stable id of the name
    machine_name VARCHAR NOT NULL UNIQUE -- name, by which its power is looked up; '(unattributed)' where no source gives one
);

INSERT INTO main.dim_machine BY NAME
WITH deleted AS (
    SELECT machine_name
    FROM main.usage_statements
    WHERE kind = 'machine' AND is_newest AND is_deleted
),
named AS (
    SELECT statements.machine_name
    FROM main.usage_statements AS statements
    ANTI JOIN deleted ON deleted.machine_name = statements.machine_name
    WHERE statements.machine_name IS NOT NULL
    UNION
    SELECT machine_name FROM main.workspace_claims WHERE machine_name IS NOT NULL
    UNION
    SELECT machine_name FROM daily.usage_window_keys WHERE machine_name IS NOT NULL
    UNION
    SELECT host AS machine_name FROM main.usage_own_windows
    UNION
    SELECT '(unattributed)' AS machine_name
)
SELECT ops.stable_id(machine_name) AS machine_id, machine_name
FROM named
ORDER BY machine_name;
