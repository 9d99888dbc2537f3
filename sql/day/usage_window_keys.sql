-- Which hosts, machines and projects have windows on a day, and a hash of these windows, so that later steps need not
-- read every window to know what there is and whether it has changed.
-- depends: daily.usage_windows
CREATE TABLE IF NOT EXISTS daily.usage_window_keys (
    landing_date DATE NOT NULL, -- day under which the windows landed
    usage_day DATE NOT NULL, -- UTC day of the windows
    source_system VARCHAR NOT NULL, -- what gave them
    host VARCHAR NOT NULL, -- host
    port BIGINT, -- port of its exporter
    cloud_project_name VARCHAR, -- project
    machine_name VARCHAR, -- machine
    hw_id BIGINT, -- of our own hosts: the hardware
    is_used BOOLEAN NOT NULL, -- whether the windows count, or are set aside
    raw_label VARCHAR, -- the source's label, of the newest window
    first_start TIMESTAMPTZ NOT NULL, -- start of the first window
    last_start TIMESTAMPTZ NOT NULL, -- start of the last window
    n_windows BIGINT NOT NULL, -- windows
    content_hash UBIGINT NOT NULL -- hash of the windows, whatever their order
);

DELETE FROM daily.usage_window_keys
WHERE landing_date = getvariable('day');

INSERT INTO daily.usage_window_keys BY NAME
SELECT
    landing_date,
    (window_start AT TIME ZONE 'UTC')::DATE AS usage_day,
    source_system,
    host,
    port,
    cloud_project_name,
    machine_name,
    hw_id,
    set_aside IS NULL AS is_used,
    arg_max(raw_label, window_start) AS raw_label,
    min(window_start) AS first_start,
    max(window_start) AS last_start,
    count(*) AS n_windows,
    bit_xor(hash(
        window_start, window_s, country_code, is_per_cpu, busy_s, idle_s, iowait_s, covered_s, is_partial, is_reset,
        clock_offset_s
    )) AS content_hash
FROM daily.usage_windows
WHERE landing_date = getvariable('day')
GROUP BY ALL;
