-- CPU time of one host in one window, as landed, or for hosts of our own as the live collector's CPU samples give it;
-- a window that another one of the same host already covers is kept here and set aside.
-- depends: stage.cpu_usage, stage.runs
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
    machine_name VARCHAR, -- machine type, where the source says it; of our own hosts the hostname
    country_code VARCHAR, -- grid, where the source says it
    is_per_cpu BOOLEAN NOT NULL, -- the CPU time is the mean over the CPUs of hw_id, still to be multiplied by their number
    hw_id BIGINT, -- of our own hosts: the hardware
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
WITH landed AS (
    SELECT
        window_start,
        window_s,
        source_system,
        host,
        port,
        raw_label,
        cloud_project_name,
        machine_name,
        country_code,
        FALSE AS is_per_cpu,
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
-- Samples of different runs that overlap share out the time: a sample stands for the time since the one before it on
-- the host, where that is at most a second.
own_samples AS (
    SELECT
        runs.host,
        runs.hw_id,
        samples.cpu_util_percent,
        make_timestamptz(samples.timestamp_ns // 3600000000000 * 3600000000) AS window_start,
        samples.timestamp_ns
            - lag(samples.timestamp_ns) OVER (PARTITION BY runs.host ORDER BY samples.timestamp_ns, samples.run_id)
            AS step_ns
    FROM day_cpu_samples AS samples
    JOIN stage.runs AS runs ON runs.run_id = samples.run_id AND runs.landing_date = getvariable('day')
    WHERE runs.source_system = 'alems-collect'
),
own_windows AS (
    SELECT
        window_start,
        3600 AS window_s,
        'alems-collect' AS source_system,
        host,
        host AS machine_name,
        TRUE AS is_per_cpu,
        hw_id,
        sum((cpu_util_percent * 1e6)::BIGINT * step_ns) / 1e17 AS busy_s,
        sum(step_ns) / 1e9 - sum((cpu_util_percent * 1e6)::BIGINT * step_ns) / 1e17 AS idle_s,
        sum(step_ns) / 1e9 AS covered_s
    FROM own_samples
    WHERE cpu_util_percent IS NOT NULL AND step_ns BETWEEN 1 AND 1000000000
    GROUP BY window_start, host, hw_id
),
windows AS (
    SELECT *, make_timestamptz(epoch_us(window_start) // 3600000000 * 3600000000) AS hour_start
    FROM (
        SELECT * FROM landed
        UNION ALL BY NAME
        SELECT * FROM own_windows
    )
),
-- One source speaks for a host in an hour: not our own sampler where somebody watches the host all the time.
sources AS (
    SELECT host, hour_start, source_system
    FROM windows
    GROUP BY host, hour_start, source_system
    QUALIFY row_number() OVER (
        PARTITION BY host, hour_start
        ORDER BY source_system = 'alems-collect', sum(coalesce(covered_s, window_s)) DESC, source_system
    ) = 1
),
-- And it speaks in windows of one length: the one that covers most of the hour, of equal ones the longest.
lengths AS (
    SELECT source_system, host, port, cloud_project_name, machine_name, hour_start, window_s
    FROM windows
    GROUP BY source_system, host, port, cloud_project_name, machine_name, hour_start, window_s
    QUALIFY row_number() OVER (
        PARTITION BY source_system, host, port, cloud_project_name, machine_name, hour_start
        ORDER BY sum(window_s) DESC, window_s DESC
    ) = 1
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
    windows.is_per_cpu,
    windows.hw_id,
    windows.busy_s,
    windows.idle_s,
    windows.iowait_s,
    coalesce(windows.covered_s, windows.window_s) AS covered_s,
    coalesce(windows.covered_s < 0.95 * windows.window_s, FALSE) AS is_partial,
    coalesce(windows.is_reset, FALSE) AS is_reset,
    coalesce(windows.has_unknown_mode, FALSE) AS has_unknown_mode,
    windows.clock_offset_s,
    CASE
        WHEN sources.host IS NULL THEN 'another source speaks for this host in this hour'
        WHEN lengths.host IS NULL THEN 'windows of another length cover this host in this hour'
    END AS set_aside
FROM windows
LEFT JOIN sources
    ON sources.host = windows.host
    AND sources.hour_start = windows.hour_start
    AND sources.source_system = windows.source_system
LEFT JOIN lengths
    ON lengths.host = windows.host
    AND lengths.hour_start = windows.hour_start
    AND lengths.window_s = windows.window_s
    AND lengths.source_system = windows.source_system
    AND lengths.port IS NOT DISTINCT FROM windows.port
    AND lengths.cloud_project_name IS NOT DISTINCT FROM windows.cloud_project_name
    AND lengths.machine_name IS NOT DISTINCT FROM windows.machine_name;
