-- Which hosts, machines and projects have windows on a day, how good these are, and a hash of them, so that later steps
-- need not read every window to know what there is and whether it has changed.
-- depends: daily.usage_windows
CREATE TABLE IF NOT EXISTS daily.usage_window_keys (
    landing_date DATE NOT NULL, -- day under which the windows landed
    usage_day DATE NOT NULL, -- UTC day of the windows
    source_system VARCHAR NOT NULL, -- what gave them
    host VARCHAR NOT NULL, -- host
    port BIGINT, -- port of its exporter
    cloud_project_name VARCHAR, -- project
    machine_name VARCHAR, -- machine
    country_code VARCHAR, -- grid, where the source says it
    window_s BIGINT NOT NULL, -- length of the windows
    set_aside VARCHAR, -- why they are in no figure; NULL: they count
    raw_label VARCHAR, -- the source's label, of the newest window
    first_start TIMESTAMPTZ NOT NULL, -- start of the first window
    last_start TIMESTAMPTZ NOT NULL, -- start of the last window
    n_windows BIGINT NOT NULL, -- windows
    n_partial BIGINT NOT NULL, -- of these: less than 95 % accounted for
    n_reset BIGINT NOT NULL, -- of these: a counter began anew
    n_unknown_mode BIGINT NOT NULL, -- of these: some CPU time in a mode that is not known
    n_clock_off BIGINT NOT NULL, -- of these: the source's clock more than a minute off
    n_overlapping BIGINT NOT NULL, -- of these: begins before the window before it ends
    content_hash UBIGINT NOT NULL -- hash of the windows, whatever their order
);

DELETE FROM daily.usage_window_keys
WHERE landing_date = getvariable('day');

INSERT INTO daily.usage_window_keys BY NAME
WITH windows AS (
    SELECT
        *,
        lag(window_end) OVER (
            PARTITION BY source_system, host, port, cloud_project_name, machine_name, set_aside
            ORDER BY window_start
        ) > window_start AS is_overlapping
    FROM daily.usage_windows
    WHERE landing_date = getvariable('day')
)
SELECT
    landing_date,
    usage_day,
    source_system,
    host,
    port,
    cloud_project_name,
    machine_name,
    country_code,
    window_s,
    set_aside,
    arg_max(raw_label, (window_start, raw_label)) FILTER (raw_label IS NOT NULL) AS raw_label,
    min(window_start) AS first_start,
    max(window_start) AS last_start,
    count(*) AS n_windows,
    count(*) FILTER (is_partial) AS n_partial,
    count(*) FILTER (is_reset) AS n_reset,
    count(*) FILTER (has_unknown_mode) AS n_unknown_mode,
    count(*) FILTER (abs(clock_offset_s) > 60) AS n_clock_off,
    count(*) FILTER (is_overlapping) AS n_overlapping,
    bit_xor(hash(
        window_start, busy_s, idle_s, iowait_s, covered_s, is_partial, is_reset, clock_offset_s
    )) AS content_hash
FROM windows
GROUP BY ALL;
