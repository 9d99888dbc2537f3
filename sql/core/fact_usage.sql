-- CPU time, energy and carbon of one base window of an hour: of everything (scope ada), of a project, a machine or a user.
-- Kept from run to run: a day is replaced as a whole when anything that it is made from has changed.
-- group: usage
-- depends: usage_stale_days, usage_attributed, dim_project, dim_machine
-- unique: scope, ts, project_id, machine_id, user_id
-- again while: SELECT count(*) > 0 FROM main.usage_stale_days('fact_usage')
CREATE TABLE IF NOT EXISTS main.fact_usage (
    ts TIMESTAMPTZ NOT NULL, -- start of the window
    scope VARCHAR NOT NULL, -- ada, project, machine or user
    project_id BIGINT, -- project, of scope project only
    machine_id BIGINT, -- machine, of scope machine only
    user_id VARCHAR, -- user, of scope user only
    busy_cpu_seconds_total DOUBLE, -- CPU time busy; NULL where a part of it is unknown
    idle_cpu_seconds_total DOUBLE, -- CPU time idle
    busy_kwh DOUBLE, -- energy of busy CPUs by the power model
    idle_kwh DOUBLE, -- energy of idle CPUs by the power model
    busy_gCo2eq DOUBLE, -- carbon of busy CPUs, g CO2e
    idle_gCo2eq DOUBLE, -- carbon of idle CPUs, g CO2e
    intensity_gCo2eq_kwh DOUBLE, -- carbon intensity where all of the window has the same; else the views compute it
    window_s BIGINT NOT NULL, -- length of the window
    intensity_source VARCHAR, -- the weakest source among its parts: actual, forecast, partial, country, world
    is_estimated BOOLEAN NOT NULL, -- more than the power model stands between this and a measurement: a partial or divided window, a counter reset, a clock that is off, or an intensity other than the measured one
    CHECK (
        (scope = 'ada' AND project_id IS NULL AND machine_id IS NULL AND user_id IS NULL)
        OR (scope = 'project' AND project_id IS NOT NULL AND machine_id IS NULL AND user_id IS NULL)
        OR (scope = 'machine' AND machine_id IS NOT NULL AND project_id IS NULL AND user_id IS NULL)
        OR (scope = 'user' AND user_id IS NOT NULL AND project_id IS NULL AND machine_id IS NULL)
    )
);

-- Of a table that has just been made, whatever the books say, every day is stale.
DELETE FROM ops.usage_days
WHERE table_name = 'fact_usage' AND (SELECT count(*) FROM main.fact_usage) = 0;

CREATE OR REPLACE TEMP TABLE stale_days AS
SELECT usage_day, fingerprint
FROM main.usage_stale_days('fact_usage');

SET VARIABLE usage_from = (SELECT make_timestamptz(epoch_us(min(usage_day))) FROM stale_days);
SET VARIABLE usage_to = (SELECT make_timestamptz(epoch_us(max(usage_day) + 1)) FROM stale_days);

CREATE OR REPLACE TEMP TABLE stale_parts AS
SELECT
    parts.hour_start AS ts,
    coalesce(dim_project.project_id, unattributed_project.project_id) AS project_id,
    coalesce(dim_machine.machine_id, unattributed_machine.machine_id) AS machine_id,
    coalesce(parts.user_id, '(unattributed)') AS user_id,
    parts.busy_s,
    parts.idle_s,
    parts.busy_kwh,
    parts.idle_kwh,
    parts.busy_gco2eq,
    parts.idle_gco2eq,
    parts.intensity_gco2eq_kwh,
    list_position(['actual', 'forecast', 'partial', 'country', 'world'], parts.intensity_source) AS weakness,
    parts.is_estimated
FROM main.usage_attributed(getvariable('usage_from'), getvariable('usage_to')) AS parts
SEMI JOIN stale_days ON stale_days.usage_day = parts.usage_day
JOIN main.dim_project AS unattributed_project ON unattributed_project.cloud_project_name = '(unattributed)'
JOIN main.dim_machine AS unattributed_machine ON unattributed_machine.machine_name = '(unattributed)'
LEFT JOIN main.dim_project AS dim_project ON dim_project.cloud_project_name = parts.cloud_project_name
LEFT JOIN main.dim_machine AS dim_machine ON dim_machine.machine_name = parts.machine_name;

DELETE FROM main.fact_usage
WHERE ts >= getvariable('usage_from')
    AND ts < getvariable('usage_to')
    AND (ts AT TIME ZONE 'UTC')::DATE IN (SELECT usage_day FROM stale_days);

CREATE OR REPLACE TEMP MACRO facts_by(key_column) AS TABLE
SELECT
    ts,
    key_column AS key,
    -- NULL where any part is unknown: a sum of the rest would look whole.
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(busy_s) END AS busy_cpu_seconds_total,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(idle_s) END AS idle_cpu_seconds_total,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(busy_kwh) END AS busy_kwh,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(idle_kwh) END AS idle_kwh,
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(busy_gco2eq) END AS "busy_gCo2eq",
    CASE WHEN NOT bool_or(busy_s IS NULL) THEN ops.exact_sum(idle_gco2eq) END AS "idle_gCo2eq",
    CASE WHEN min(intensity_gco2eq_kwh) = max(intensity_gco2eq_kwh) THEN min(intensity_gco2eq_kwh) END
        AS "intensity_gCo2eq_kwh",
    3600 AS window_s,
    ['actual', 'forecast', 'partial', 'country', 'world'][max(weakness)] AS intensity_source,
    bool_or(is_estimated) AS is_estimated
FROM stale_parts
GROUP BY ts, key
ORDER BY ts;

INSERT INTO main.fact_usage BY NAME
SELECT 'ada' AS scope, * EXCLUDE (key)
FROM facts_by(NULL::BIGINT);

INSERT INTO main.fact_usage BY NAME
SELECT 'project' AS scope, key AS project_id, * EXCLUDE (key)
FROM facts_by(project_id);

INSERT INTO main.fact_usage BY NAME
SELECT 'machine' AS scope, key AS machine_id, * EXCLUDE (key)
FROM facts_by(machine_id);

INSERT INTO main.fact_usage BY NAME
SELECT 'user' AS scope, key AS user_id, * EXCLUDE (key)
FROM facts_by(user_id);

DELETE FROM ops.usage_days
WHERE table_name = 'fact_usage' AND usage_day IN (SELECT usage_day FROM stale_days);

INSERT INTO ops.usage_days BY NAME
SELECT 'fact_usage' AS table_name, usage_day, fingerprint
FROM stale_days
WHERE fingerprint IS NOT NULL;

DROP TABLE stale_parts;
DROP TABLE stale_days;
