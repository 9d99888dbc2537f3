-- What a run's CPU, interrupt and temperature samples say of it: means and extremes of those within its start and end.
-- depends: stage.runs
-- unique: run_id
CREATE TABLE IF NOT EXISTS main.run_telemetry (
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    n_cpu_samples BIGINT NOT NULL, -- CPU samples within the run
    cpu_util_percent DOUBLE, -- mean utilisation of all CPUs
    cpu_busy_mhz DOUBLE, -- mean frequency while busy
    cpu_avg_mhz DOUBLE, -- mean frequency over busy and idle time
    c2_residency DOUBLE, -- mean time in core C2, percent
    c3_residency DOUBLE, -- mean time in core C3, percent
    c6_residency DOUBLE, -- mean time in core C6, percent
    c7_residency DOUBLE, -- mean time in core C7 or deeper, percent
    pkg_c8_residency DOUBLE, -- mean time in package C8, percent
    pkg_c9_residency DOUBLE, -- mean time in package C9, percent
    pkg_c10_residency DOUBLE, -- mean time in package C10, percent
    mean_temp_c DOUBLE, -- mean package temperature
    start_temp_c DOUBLE, -- first package temperature
    max_temp_c DOUBLE, -- highest package temperature
    min_temp_c DOUBLE, -- lowest package temperature
    n_interrupt_samples BIGINT NOT NULL, -- interrupt samples within the run
    interrupt_rate DOUBLE, -- mean interrupts per second
    n_thermal_samples BIGINT NOT NULL, -- thermal samples from the run's start to a second after its end
    is_throttled BOOLEAN -- a sample saw throttling; NULL without samples that look for it
);

DELETE FROM main.run_telemetry
WHERE run_date = getvariable('day');

INSERT INTO main.run_telemetry BY NAME
WITH day_runs AS (
    SELECT run_id, start_time_ns, end_time_ns
    FROM stage.runs
    WHERE landing_date = getvariable('day')
),
cpu AS (
    SELECT
        day_runs.run_id,
        count(*) AS n_cpu_samples,
        avg(cpu_util_percent ORDER BY timestamp_ns) AS cpu_util_percent,
        avg(cpu_busy_mhz ORDER BY timestamp_ns) AS cpu_busy_mhz,
        avg(cpu_avg_mhz ORDER BY timestamp_ns) AS cpu_avg_mhz,
        avg(c2_residency ORDER BY timestamp_ns) AS c2_residency,
        avg(c3_residency ORDER BY timestamp_ns) AS c3_residency,
        avg(c6_residency ORDER BY timestamp_ns) AS c6_residency,
        avg(c7_residency ORDER BY timestamp_ns) AS c7_residency,
        avg(pkg_c8_residency ORDER BY timestamp_ns) AS pkg_c8_residency,
        avg(pkg_c9_residency ORDER BY timestamp_ns) AS pkg_c9_residency,
        avg(pkg_c10_residency ORDER BY timestamp_ns) AS pkg_c10_residency,
        avg(package_temp ORDER BY timestamp_ns) AS mean_temp_c,
        arg_min(package_temp, timestamp_ns) AS start_temp_c,
        max(package_temp) AS max_temp_c,
        min(package_temp) AS min_temp_c
    FROM day_cpu_samples AS samples
    JOIN day_runs
        ON day_runs.run_id = samples.run_id
        AND samples.timestamp_ns BETWEEN day_runs.start_time_ns AND day_runs.end_time_ns
    GROUP BY day_runs.run_id
),
interrupts AS (
    SELECT day_runs.run_id, count(*) AS n_interrupt_samples, avg(interrupts_per_sec ORDER BY timestamp_ns) AS interrupt_rate
    FROM day_interrupt_samples AS samples
    JOIN day_runs
        ON day_runs.run_id = samples.run_id
        AND samples.timestamp_ns BETWEEN day_runs.start_time_ns AND day_runs.end_time_ns
    GROUP BY day_runs.run_id
),
thermal AS (
    -- A sample says what happened since the one before, a second ago: the first after the end tells of the run's end.
    SELECT day_runs.run_id, count(*) AS n_thermal_samples, max(throttle_event) > 0 AS is_throttled
    FROM day_thermal_samples AS samples
    JOIN day_runs
        ON day_runs.run_id = samples.run_id
        AND samples.timestamp_ns BETWEEN day_runs.start_time_ns AND day_runs.end_time_ns + 1000000000
    GROUP BY day_runs.run_id
)
SELECT
    day_runs.run_id,
    getvariable('day') AS run_date,
    coalesce(n_cpu_samples, 0) AS n_cpu_samples,
    cpu_util_percent,
    cpu_busy_mhz,
    cpu_avg_mhz,
    c2_residency,
    c3_residency,
    c6_residency,
    c7_residency,
    pkg_c8_residency,
    pkg_c9_residency,
    pkg_c10_residency,
    mean_temp_c,
    start_temp_c,
    max_temp_c,
    min_temp_c,
    coalesce(n_interrupt_samples, 0) AS n_interrupt_samples,
    interrupt_rate,
    coalesce(n_thermal_samples, 0) AS n_thermal_samples,
    is_throttled
FROM day_runs
LEFT JOIN cpu ON cpu.run_id = day_runs.run_id
LEFT JOIN interrupts ON interrupts.run_id = day_runs.run_id
LEFT JOIN thermal ON thermal.run_id = day_runs.run_id;
