-- CPU time, energy and carbon of one UTC day by workspace, user, project and machine together, where fact_usage has each
-- by itself: for figures of workspaces, and for a user's use by project. Kept from run to run as fact_usage is.
-- group: usage
-- depends: usage_stale_days, usage_attributed, dim_project, dim_machine
-- unique: usage_day, workspace_id, user_id, project_id, machine_id
-- again while: SELECT count(*) > 0 FROM main.usage_stale_days('usage_daily')
CREATE TABLE IF NOT EXISTS main.usage_daily (
    usage_day DATE NOT NULL, -- UTC day
    workspace_id VARCHAR, -- workspace; NULL: none held the host
    user_id VARCHAR NOT NULL, -- its owner, or (unattributed)
    project_id BIGINT NOT NULL, -- project, or (unattributed)
    machine_id BIGINT NOT NULL, -- machine, or (unattributed)
    busy_cpu_seconds_total DOUBLE, -- CPU time busy; NULL where a part of it is unknown
    idle_cpu_seconds_total DOUBLE, -- CPU time idle
    busy_kwh DOUBLE, -- energy of busy CPUs by the power model
    idle_kwh DOUBLE, -- energy of idle CPUs by the power model
    busy_gCo2eq DOUBLE, -- carbon of busy CPUs, g CO2e
    idle_gCo2eq DOUBLE, -- carbon of idle CPUs, g CO2e
    is_estimated BOOLEAN NOT NULL -- more than the power model stands between this and a measurement
);

-- Of a table that has just been made, whatever the books say, every day is stale.
DELETE FROM ops.usage_days
WHERE table_name = 'usage_daily' AND (SELECT count(*) FROM main.usage_daily) = 0;

CREATE OR REPLACE TEMP TABLE stale_days AS
SELECT usage_day, fingerprint
FROM main.usage_stale_days('usage_daily');

SET VARIABLE usage_from = (SELECT make_timestamptz(epoch_us(min(usage_day))) FROM stale_days);
SET VARIABLE usage_to = (SELECT make_timestamptz(epoch_us(max(usage_day) + 1)) FROM stale_days);

DELETE FROM main.usage_daily
WHERE usage_day IN (SELECT usage_day FROM stale_days);

INSERT INTO main.usage_daily BY NAME
SELECT
    parts.usage_day,
    parts.workspace_id,
    coalesce(parts.user_id, '(unattributed)') AS user_id,
    coalesce(dim_project.project_id, unattributed_project.project_id) AS project_id,
    coalesce(dim_machine.machine_id, unattributed_machine.machine_id) AS machine_id,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(busy_s) END AS busy_cpu_seconds_total,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(idle_s) END AS idle_cpu_seconds_total,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(busy_kwh) END AS busy_kwh,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(idle_kwh) END AS idle_kwh,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(busy_gco2eq) END AS busy_gCo2eq,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(idle_gco2eq) END AS idle_gCo2eq,
    bool_or(is_estimated) AS is_estimated
FROM main.usage_attributed(getvariable('usage_from'), getvariable('usage_to')) AS parts
SEMI JOIN stale_days ON stale_days.usage_day = parts.usage_day
JOIN main.dim_project AS unattributed_project ON unattributed_project.cloud_project_name = '(unattributed)'
JOIN main.dim_machine AS unattributed_machine ON unattributed_machine.machine_name = '(unattributed)'
LEFT JOIN main.dim_project AS dim_project ON dim_project.cloud_project_name = parts.cloud_project_name
LEFT JOIN main.dim_machine AS dim_machine ON dim_machine.machine_name = parts.machine_name
GROUP BY ALL;

DELETE FROM ops.usage_days
WHERE table_name = 'usage_daily' AND usage_day IN (SELECT usage_day FROM stale_days);

INSERT INTO ops.usage_days BY NAME
SELECT 'usage_daily' AS table_name, usage_day, fingerprint
FROM stale_days
WHERE fingerprint IS NOT NULL;

DROP TABLE stale_days;
