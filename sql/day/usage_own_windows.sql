-- CPU time of one host of our own in one hour, as the CPU samples of the runs that started on one day give it. A run that
-- lasts over midnight gives hours of the next day too: what counts of them main.usage_own_windows decides.
-- depends: stage.runs
-- unique: landing_date, host, hw_id, window_start
CREATE TABLE IF NOT EXISTS daily.usage_own_windows (
    landing_date DATE NOT NULL, -- day on which the runs started
    window_start TIMESTAMPTZ NOT NULL, -- start of the hour
    host VARCHAR NOT NULL, -- host
    hw_id BIGINT, -- its hardware, which has the number of its CPUs
    busy_s DOUBLE NOT NULL, -- CPU time busy, mean over the CPUs
    idle_s DOUBLE NOT NULL, -- CPU time idle, mean over the CPUs
    covered_s DOUBLE NOT NULL, -- part of the hour that samples account for
    seen_seconds BIT NOT NULL -- seconds of the hour in which there is a sample, the first on the left
);

DELETE FROM daily.usage_own_windows
WHERE landing_date = getvariable('day');

INSERT INTO daily.usage_own_windows BY NAME
-- Samples of different runs that overlap share out the time: a sample stands for the time since the one before it on
-- the host, where that is at most a second. What no CPU can do is not measured, so that its part of the hour is missing.
WITH samples AS (
    SELECT
        runs.host,
        runs.hw_id,
        samples.cpu_util_percent,
        make_timestamptz(samples.timestamp_ns // 3600000000000 * 3600000000) AS window_start,
        (samples.timestamp_ns // 1000000000 % 3600)::INTEGER AS second,
        samples.timestamp_ns
            - lag(samples.timestamp_ns) OVER (PARTITION BY runs.host ORDER BY samples.timestamp_ns, samples.run_id)
            AS step_ns
    FROM day_cpu_samples AS samples
    JOIN stage.runs AS runs ON runs.run_id = samples.run_id AND runs.landing_date = getvariable('day')
    WHERE runs.source_system = 'alems-collect'
)
SELECT
    getvariable('day') AS landing_date,
    window_start,
    host,
    hw_id,
    sum((cpu_util_percent * 1e6)::BIGINT * step_ns) / 1e17 AS busy_s,
    sum(step_ns) / 1e9 - sum((cpu_util_percent * 1e6)::BIGINT * step_ns) / 1e17 AS idle_s,
    sum(step_ns) / 1e9 AS covered_s,
    bitstring_agg(second, 0, 3599) AS seen_seconds
FROM samples
WHERE cpu_util_percent BETWEEN 0 AND 100 AND step_ns BETWEEN 1 AND 1000000000
GROUP BY window_start, host, hw_id;
