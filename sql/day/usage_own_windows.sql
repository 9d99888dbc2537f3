-- CPU time of one host of our own in one hour, as the CPU samples of the runs that started on one day give it. A run that
-- lasts over midnight gives hours of the next day too: what counts of them main.usage_own_windows decides.
-- depends: stage.runs
-- unique: landing_date, host, hw_id, exp_key, window_start
CREATE TABLE IF NOT EXISTS daily.usage_own_windows (
    landing_date DATE NOT NULL, -- day on which the runs started
    window_start TIMESTAMPTZ NOT NULL, -- start of the hour
    host VARCHAR NOT NULL, -- host
    hw_id BIGINT, -- its hardware, which has the number of its CPUs
    exp_key BIGINT, -- experiment of the runs, which has the country
    busy_s DOUBLE NOT NULL, -- CPU time busy, mean over the CPUs
    idle_s DOUBLE NOT NULL, -- CPU time idle, mean over the CPUs
    covered_s DOUBLE NOT NULL, -- part of the hour that samples account for
    seen_seconds BIT NOT NULL -- seconds of the hour that samples account for, the first on the left
);

DELETE FROM daily.usage_own_windows
WHERE landing_date = getvariable('day');

INSERT INTO daily.usage_own_windows BY NAME
-- Samples of different runs that overlap share out the time: a sample stands for the time since the one before it on
-- the host, the first of a run for no more than since the run's start, unless that is a gap. What no CPU can do is not measured, so that its part of the hour is missing.
WITH samples AS (
    SELECT
        runs.run_id,
        runs.host,
        runs.hw_id,
        runs.exp_key,
        samples.cpu_util_percent,
        samples.timestamp_ns AS to_ns,
        samples.timestamp_ns - lag(samples.timestamp_ns) OVER (PARTITION BY runs.run_id ORDER BY samples.timestamp_ns)
            AS interval_ns,
        greatest(
            lag(samples.timestamp_ns) OVER (PARTITION BY runs.host ORDER BY samples.timestamp_ns, samples.run_id),
            CASE WHEN interval_ns IS NULL THEN runs.start_time_ns END
        ) AS from_ns
    FROM day_cpu_samples AS samples
    JOIN stage.runs AS runs ON runs.run_id = samples.run_id AND runs.landing_date = getvariable('day')
    WHERE runs.source_system = 'alems-collect'
),
-- As of the energy samples: three medians of the run's own intervals, at least a second.
runs AS (
    SELECT
        run_id,
        least(greatest(3 * coalesce(median(interval_ns), 0), 1000000000), 3600000000000) AS gap_threshold_ns
    FROM samples
    GROUP BY run_id
),
steps AS (
    SELECT samples.*, (to_ns - 1) // 3600000000000 * 3600000000000 AS hour_ns
    FROM samples
    JOIN runs ON runs.run_id = samples.run_id
    WHERE cpu_util_percent BETWEEN 0 AND 100 AND to_ns - from_ns BETWEEN 1 AND gap_threshold_ns
),
-- A step over the hour is of both.
pieces AS (
    SELECT * REPLACE (greatest(from_ns, hour_ns) AS from_ns)
    FROM steps
    UNION ALL
    SELECT * REPLACE (hour_ns AS to_ns, hour_ns - 3600000000000 AS hour_ns)
    FROM steps
    WHERE from_ns < hour_ns
),
seen AS (
    SELECT host, hw_id, exp_key, hour_ns, bitstring_agg(second, 0, 3599) AS seconds
    FROM (
        SELECT DISTINCT
            host,
            hw_id,
            exp_key,
            hour_ns,
            unnest(range((from_ns - hour_ns) // 1000000000, (to_ns - 1 - hour_ns) // 1000000000 + 1))::INTEGER AS second
        FROM pieces
    )
    GROUP BY host, hw_id, exp_key, hour_ns
),
sums AS (
    SELECT
        host,
        hw_id,
        exp_key,
        hour_ns,
        sum(to_ns - from_ns) AS ns,
        sum((cpu_util_percent * 1e6)::HUGEINT * (to_ns - from_ns)) / 1e17 AS busy_s
    FROM pieces
    GROUP BY host, hw_id, exp_key, hour_ns
)
SELECT
    getvariable('day') AS landing_date,
    make_timestamptz(sums.hour_ns // 1000) AS window_start,
    sums.host,
    sums.hw_id,
    sums.exp_key,
    sums.busy_s,
    sums.ns / 1e9 - sums.busy_s AS idle_s,
    sums.ns / 1e9 AS covered_s,
    seen.seconds AS seen_seconds
FROM sums
JOIN seen
    ON seen.host = sums.host
    AND seen.hour_ns = sums.hour_ns
    AND seen.hw_id IS NOT DISTINCT FROM sums.hw_id
    AND seen.exp_key IS NOT DISTINCT FROM sums.exp_key;
