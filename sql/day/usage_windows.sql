-- CPU time of one host in one window, as landed. A window of time that others of the same host already cover is kept here
-- and set aside; all windows of an hour land on one day, so that this is decided here.
-- depends: stage.cpu_usage
-- unique: landing_date, source_system, host, port, cloud_project_name, machine_name, window_start, window_s
CREATE TABLE IF NOT EXISTS daily.usage_windows (
    landing_date DATE NOT NULL, -- day under which it landed
    usage_day DATE NOT NULL, -- UTC day of the window
    hour_start TIMESTAMPTZ NOT NULL, -- start of the base window that it is summed into
    window_start TIMESTAMPTZ NOT NULL, -- start of the window
    window_end TIMESTAMPTZ NOT NULL, -- its end
    window_s BIGINT NOT NULL, -- its length
    source_system VARCHAR NOT NULL, -- what gave it
    host VARCHAR NOT NULL, -- host
    port BIGINT, -- port of its exporter
    raw_label VARCHAR, -- the source's label of the instance
    cloud_project_name VARCHAR, -- project, where the source says it
    machine_name VARCHAR, -- machine type, where the source says it
    country_code VARCHAR, -- grid, where the source says it
    busy_s DOUBLE NOT NULL, -- CPU time in user, nice, system, irq, softirq and steal
    idle_s DOUBLE NOT NULL, -- CPU time idle, without that waiting for I/O
    iowait_s DOUBLE, -- CPU time waiting for I/O, where the source tells it apart
    covered_s DOUBLE NOT NULL, -- part of the window that the CPU time accounts for
    is_partial BOOLEAN NOT NULL, -- less than 95 % of the window is accounted for
    is_reset BOOLEAN NOT NULL, -- a counter began anew in the window: the host was booted
    has_unknown_mode BOOLEAN NOT NULL, -- some CPU time was in a mode that is not known here; it is in no figure
    clock_offset_s DOUBLE, -- how far the source's clock was ahead
    set_aside VARCHAR -- why it is in no figure; NULL: it counts
);

DELETE FROM daily.usage_windows
WHERE landing_date = getvariable('day');

INSERT INTO daily.usage_windows BY NAME
WITH windows AS (
    SELECT
        window_start,
        window_s,
        make_timestamptz(epoch_us(window_start) // 3600000000 * 3600000000) AS hour_start,
        source_system,
        host,
        port,
        raw_label,
        cloud_project_name,
        machine_name,
        upper(country_code) AS country_code,
        recorded_at,
        user_s + system_s + coalesce(nice_s, 0) + coalesce(irq_s, 0) + coalesce(softirq_s, 0) + coalesce(steal_s, 0)
            AS busy_s,
        idle_s,
        iowait_s,
        -- The modes of a CPU add up to the time for which it was seen.
        least((busy_s + idle_s + coalesce(iowait_s, 0)) / nullif(n_cpus, 0), window_s) AS covered_s,
        coalesce(n_resets, 0) > 0 AS is_reset,
        other_modes_json IS NOT NULL AS has_unknown_mode,
        clock_offset_s
    FROM stage.cpu_usage
    WHERE landing_date = getvariable('day')
),
-- One source speaks for a host in an hour: the one that saw most of it.
sources AS (
    SELECT host, hour_start, source_system
    FROM windows
    GROUP BY host, hour_start, source_system
    QUALIFY row_number() OVER (
        PARTITION BY host, hour_start
        ORDER BY sum(coalesce(covered_s, window_s)) DESC, source_system
    ) = 1
),
-- And it speaks in windows of one length: the one that covers most of the hour, of equal ones the longest.
lengths AS (
    SELECT
        source_system,
        host,
        port,
        cloud_project_name,
        machine_name,
        hour_start,
        window_s,
        max(raw_label) AS raw_label,
        max(recorded_at) AS recorded_at,
        sum(covered_s) AS covered_s
    FROM windows
    GROUP BY source_system, host, port, cloud_project_name, machine_name, hour_start, window_s
    QUALIFY row_number() OVER (
        PARTITION BY source_system, host, port, cloud_project_name, machine_name, hour_start
        ORDER BY sum(window_s) DESC, window_s DESC
    ) = 1
),
-- An exporter has no more time than the hour. Where project or machine changed, its series share the hour; where two
-- servers name them differently, or one was asked again for other labels, each series has all of it: then the one that
-- names more counts, of equal ones the newer.
series AS (
    SELECT
        *,
        sum(covered_s) OVER (
            PARTITION BY source_system, host, port, raw_label, hour_start
            ORDER BY
                (cloud_project_name IS NULL)::INTEGER + (machine_name IS NULL)::INTEGER,
                recorded_at DESC,
                cloud_project_name,
                machine_name
        ) > 1.2 * 3600 AND raw_label IS NOT NULL AS is_repeated
    FROM lengths
)
SELECT
    getvariable('day') AS landing_date,
    (windows.hour_start AT TIME ZONE 'UTC')::DATE AS usage_day,
    windows.hour_start,
    windows.window_start,
    make_timestamptz(epoch_us(windows.window_start) + windows.window_s * 1000000) AS window_end,
    windows.window_s,
    windows.source_system,
    windows.host,
    windows.port,
    windows.raw_label,
    windows.cloud_project_name,
    windows.machine_name,
    windows.country_code,
    windows.busy_s,
    windows.idle_s,
    windows.iowait_s,
    coalesce(windows.covered_s, windows.window_s) AS covered_s,
    coalesce(windows.covered_s < 0.95 * windows.window_s, FALSE) AS is_partial,
    windows.is_reset,
    windows.has_unknown_mode,
    windows.clock_offset_s,
    CASE
        WHEN sources.host IS NULL THEN 'another source speaks for this host in this hour'
        WHEN series.host IS NULL THEN 'windows of another length cover this host in this hour'
        WHEN series.is_repeated THEN 'the same exporter with other labels covers this host in this hour'
    END AS set_aside
FROM windows
LEFT JOIN sources
    ON sources.host = windows.host
    AND sources.hour_start = windows.hour_start
    AND sources.source_system = windows.source_system
LEFT JOIN series
    ON series.host = windows.host
    AND series.hour_start = windows.hour_start
    AND series.window_s = windows.window_s
    AND series.source_system = windows.source_system
    AND series.port IS NOT DISTINCT FROM windows.port
    AND series.cloud_project_name IS NOT DISTINCT FROM windows.cloud_project_name
    AND series.machine_name IS NOT DISTINCT FROM windows.machine_name;
