-- CPU time of one host of our own in one hour, from all runs that were measured in it, on whatever day they started; set
-- aside where another source watches the host by the same name all the time.
-- group: usage
-- depends: daily.usage_own_windows, daily.usage_windows, hardware_config, experiments
-- unique: host, window_start
CREATE OR REPLACE TABLE main.usage_own_windows (
    usage_day DATE NOT NULL, -- UTC day of the hour
    window_start TIMESTAMPTZ NOT NULL, -- start of the hour
    host VARCHAR NOT NULL, -- host
    country_code VARCHAR, -- grid, as the experiment says it that has most of the hour; else as in the host's hours before, or after
    busy_s DOUBLE, -- CPU time busy; NULL where nobody knows how many CPUs the host has
    idle_s DOUBLE, -- CPU time idle; NULL likewise
    covered_s DOUBLE NOT NULL, -- part of the hour that samples account for
    is_partial BOOLEAN NOT NULL, -- less than 95 % of the hour is accounted for
    is_shared BOOLEAN NOT NULL, -- runs that started on different days overlap in it
    set_aside VARCHAR -- why it is in no figure; NULL: it counts
);

INSERT INTO main.usage_own_windows BY NAME
WITH hardware AS (
    SELECT hw_id, cpu_threads
    FROM main.hardware_config
    WHERE cpu_threads BETWEEN 1 AND 1000000
),
hours AS (
    SELECT
        own.host,
        own.window_start,
        arg_max(upper(experiments.country_code), (own.covered_s, own.exp_key))
            FILTER (experiments.country_code IS NOT NULL) AS country_code,
        bool_or(hardware.cpu_threads IS NULL) AS is_unknown,
        ops.exact_sum(own.busy_s * hardware.cpu_threads) AS busy_s,
        ops.exact_sum(own.idle_s * hardware.cpu_threads) AS idle_s,
        ops.exact_sum(own.covered_s) AS sampled_s,
        -- Within a day the samples share out the time; of several days each second counts once.
        CASE WHEN count(DISTINCT own.landing_date) > 1 THEN bit_count(bit_or(own.seen_seconds)) ELSE 3600 END AS seen_s
    FROM daily.usage_own_windows AS own
    LEFT JOIN hardware ON hardware.hw_id = own.hw_id
    LEFT JOIN main.experiments AS experiments ON experiments.exp_key = own.exp_key
    GROUP BY own.host, own.window_start
),
others AS (
    SELECT DISTINCT windows.host, windows.hour_start
    FROM daily.usage_windows AS windows
    SEMI JOIN hours ON hours.host = windows.host
)
SELECT
    (hours.window_start AT TIME ZONE 'UTC')::DATE AS usage_day,
    hours.window_start,
    hours.host,
    coalesce(
        last_value(country_code IGNORE NULLS) OVER (PARTITION BY hours.host ORDER BY hours.window_start),
        first_value(country_code IGNORE NULLS) OVER (
            PARTITION BY hours.host ORDER BY hours.window_start ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        )
    ) AS country_code,
    CASE WHEN NOT is_unknown THEN busy_s * least(1, seen_s / sampled_s) END AS busy_s,
    CASE WHEN NOT is_unknown THEN idle_s * least(1, seen_s / sampled_s) END AS idle_s,
    least(sampled_s, seen_s) AS covered_s,
    least(sampled_s, seen_s) < 0.95 * 3600 AS is_partial,
    sampled_s > seen_s AS is_shared,
    CASE WHEN others.host IS NOT NULL THEN 'another source speaks for this host in this hour' END AS set_aside
FROM hours
LEFT JOIN others ON others.host = hours.host AND others.hour_start = hours.window_start
ORDER BY hours.window_start, hours.host;
