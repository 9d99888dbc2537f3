-- Each window's part of each workspace that held its host, with energy and carbon: what every figure of usage is summed
-- from. Parts of a window add up to it; what nobody held has no user. `from_ts` is included, `to_ts` is not.
-- group: usage
-- depends: daily.usage_windows, usage_own_windows, usage_settings, usage_statements, host_holders, carbon_intensity, country_intensity
CREATE OR REPLACE MACRO main.usage_attributed(from_ts, to_ts) AS TABLE
WITH windows AS NOT MATERIALIZED (
    SELECT
        windows.usage_day,
        windows.hour_start,
        windows.window_start,
        windows.window_end,
        windows.window_s,
        windows.source_system,
        windows.host,
        windows.port,
        windows.cloud_project_name,
        windows.machine_name,
        windows.country_code,
        CASE WHEN settings.iowait_is_busy THEN coalesce(iowait_s, 0) ELSE 0 END AS busy_iowait_s,
        windows.busy_s + busy_iowait_s AS busy_s,
        windows.idle_s + coalesce(iowait_s, 0) - busy_iowait_s AS idle_s,
        windows.covered_s,
        windows.is_partial OR windows.is_reset OR coalesce(abs(windows.clock_offset_s) > settings.clock_tolerance_s, FALSE)
            AS is_estimated
    FROM daily.usage_windows AS windows
    CROSS JOIN main.usage_settings AS settings
    WHERE windows.set_aside IS NULL AND windows.window_start >= from_ts AND windows.window_start < to_ts
    UNION ALL BY NAME
    SELECT
        own.usage_day,
        own.window_start AS hour_start,
        own.window_start,
        own.window_start + INTERVAL 1 HOUR AS window_end,
        3600 AS window_s,
        'alems-collect' AS source_system,
        own.host,
        own.host AS machine_name,
        own.country_code,
        own.busy_s,
        own.idle_s,
        own.covered_s,
        own.is_partial OR own.is_shared AS is_estimated
    FROM main.usage_own_windows AS own
    WHERE own.set_aside IS NULL AND own.window_start >= from_ts AND own.window_start < to_ts
),
holders AS (
    SELECT * REPLACE (coalesce(held_to, TIMESTAMPTZ 'infinity') AS held_to)
    FROM main.host_holders
),
-- Hours within which a host passed from one to another.
changes AS (
    SELECT host, time_bucket(INTERVAL 1 HOUR, held_from) AS hour_start FROM holders
    UNION
    SELECT host, time_bucket(INTERVAL 1 HOUR, held_to) AS hour_start FROM holders WHERE isfinite(held_to)
),
-- In all other hours whoever held it at the start held it throughout.
undivided AS (
    SELECT
        windows.*,
        holders.* EXCLUDE (host, held_from, held_to, cloud_project_name, machine_name, part),
        coalesce(windows.cloud_project_name, holders.cloud_project_name) AS project,
        coalesce(windows.machine_name, holders.machine_name) AS machine,
        coalesce(holders.part, 1) AS share,
        coalesce(holders.part, 1) < 1 AS is_divided
    FROM windows
    ANTI JOIN changes ON changes.host = windows.host AND changes.hour_start = windows.hour_start
    LEFT JOIN holders
        ON holders.host = windows.host
        AND holders.held_from <= windows.window_start
        AND holders.held_to > windows.window_start
),
changing AS (
    SELECT windows.*, row_number() OVER () AS window_id
    FROM windows
    SEMI JOIN changes ON changes.host = windows.host AND changes.hour_start = windows.hour_start
),
-- A host that was up for a part of the window only was up for those who held it, hence the greater of the two.
pieces AS (
    SELECT
        changing.*,
        holders.* EXCLUDE (host, held_from, held_to, cloud_project_name, machine_name, part),
        coalesce(changing.cloud_project_name, holders.cloud_project_name) AS project,
        coalesce(changing.machine_name, holders.machine_name) AS machine,
        holders.part * epoch(least(window_end, holders.held_to) - greatest(window_start, holders.held_from)) AS held_s,
        held_s / greatest(covered_s, sum(held_s) OVER (PARTITION BY window_id)) AS share
    FROM changing
    JOIN holders
        ON holders.host = changing.host
        AND holders.held_from < changing.window_end
        AND holders.held_to > changing.window_start
),
rests AS (
    SELECT
        changing.*,
        NULL::VARCHAR AS workspace_id,
        NULL::VARCHAR AS user_id,
        changing.cloud_project_name AS project,
        changing.machine_name AS machine,
        1 - coalesce(given.share, 0) AS share
    FROM changing
    LEFT JOIN (SELECT window_id, sum(share) AS share FROM pieces GROUP BY window_id) AS given
        ON given.window_id = changing.window_id
    WHERE coalesce(given.share, 0) < 1 - 1e-9
),
parts AS (
    SELECT * FROM undivided
    UNION ALL BY NAME
    SELECT * EXCLUDE (window_id, held_s), share < 1 AS is_divided FROM pieces
    UNION ALL BY NAME
    SELECT * EXCLUDE (window_id), share < 1 AS is_divided FROM rests
),
-- The intensity of a window is the mean of those that cover it, by the time for which they do.
grid_hours AS (
    SELECT
        region,
        window_start AS grid_start,
        window_end AS grid_end,
        intensity_gco2eq_kwh,
        intensity_source,
        unnest(generate_series(time_bucket(INTERVAL 1 HOUR, window_start), window_end, INTERVAL 1 HOUR)) AS hour_start
    FROM main.carbon_intensity
    WHERE intensity_gco2eq_kwh IS NOT NULL AND window_end > from_ts AND window_start < to_ts + INTERVAL 1 HOUR
),
asked AS (
    SELECT DISTINCT hour_start, window_start, window_end, window_s
    FROM windows
),
covering AS (
    SELECT
        grid_hours.* EXCLUDE (hour_start),
        asked.window_start,
        asked.window_s,
        epoch(least(grid_end, window_end) - greatest(grid_start, window_start)) AS covered_s
    FROM asked
    JOIN grid_hours ON grid_hours.hour_start = asked.hour_start
    WHERE covered_s > 0
),
intensities AS (
    SELECT
        region,
        window_start,
        window_s,
        sum(intensity_gco2eq_kwh * covered_s ORDER BY grid_start) / sum(covered_s ORDER BY grid_start)
            AS intensity_gco2eq_kwh,
        CASE
            WHEN sum(covered_s) < window_s - 0.5 THEN 'partial'
            WHEN bool_or(intensity_source = 'forecast') THEN 'forecast'
            ELSE 'actual'
        END AS intensity_source
    FROM covering
    GROUP BY region, window_start, window_s
),
machines AS (
    SELECT
        machine_name,
        country_code,
        busy_watts,
        idle_watts,
        coalesce(valid_from, TIMESTAMPTZ '-infinity') AS valid_from,
        coalesce(valid_to, TIMESTAMPTZ 'infinity') AS valid_to
    FROM main.usage_statements
    WHERE kind = 'machine'
),
powered AS (
    SELECT
        parts.* EXCLUDE (cloud_project_name, machine_name, country_code, busy_s, idle_s),
        coalesce(parts.country_code, machines.country_code, settings.default_country_code) AS region,
        coalesce(parts.country_code, machines.country_code) IS NULL AS is_region_assumed,
        parts.busy_s * parts.share AS busy_s,
        parts.idle_s * parts.share AS idle_s,
        parts.busy_s * parts.share * coalesce(machines.busy_watts, settings.default_busy_watts) / 3.6e6 AS busy_kwh,
        parts.idle_s * parts.share * coalesce(machines.idle_watts, settings.default_idle_watts) / 3.6e6 AS idle_kwh
    FROM parts
    CROSS JOIN main.usage_settings AS settings
    LEFT JOIN machines
        ON machines.machine_name = parts.machine
        AND machines.valid_from <= parts.window_start
        AND machines.valid_to > parts.window_start
),
-- What a country's grid emits in the mean of a year, where nobody knows what it emitted in the hour.
means AS (
    SELECT country_code, carbon_gco2eq_kwh, 'country' AS intensity_source
    FROM main.country_intensity
    WHERE country_code <> 'WORLD'
),
priced AS (
    SELECT
        powered.*,
        coalesce(
            intensities.intensity_gco2eq_kwh,
            means.carbon_gco2eq_kwh,
            (SELECT carbon_gco2eq_kwh FROM main.country_intensity WHERE country_code = 'WORLD')
        ) AS intensity_gco2eq_kwh,
        coalesce(intensities.intensity_source, means.intensity_source, 'world') AS intensity_source
    FROM powered
    LEFT JOIN intensities
        ON intensities.region = powered.region
        AND intensities.window_start = powered.window_start
        AND intensities.window_s = powered.window_s
    LEFT JOIN means ON means.country_code = powered.region
)
SELECT
    usage_day, -- UTC day
    hour_start, -- start of the base window that it is summed into
    window_start, -- start of the window as landed
    window_s, -- its length
    source_system, -- what gave it
    host, -- host
    port, -- port of its exporter
    workspace_id, -- workspace that held the host; NULL: none
    user_id, -- its owner; NULL: nobody known
    project AS cloud_project_name, -- the source's project, else the workspace's; NULL: unknown
    machine AS machine_name, -- the source's machine, else the workspace's; NULL: unknown
    region, -- grid; where nobody has stated its country, the default one
    share, -- part of the window
    busy_s, -- CPU time busy
    idle_s, -- CPU time idle
    busy_kwh, -- energy of the busy CPUs
    idle_kwh, -- energy of the idle CPUs
    intensity_gco2eq_kwh, -- carbon intensity
    intensity_source, -- where it comes from: actual, forecast, partial, country, world
    busy_kwh * intensity_gco2eq_kwh AS busy_gco2eq, -- carbon of the busy CPUs
    idle_kwh * intensity_gco2eq_kwh AS idle_gco2eq, -- carbon of the idle CPUs
    is_estimated OR is_divided OR is_region_assumed OR intensity_source <> 'actual'
        AS is_estimated -- more than the power model stands between this and a measurement
FROM priced;
