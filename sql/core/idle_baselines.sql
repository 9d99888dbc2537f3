-- The idle power of a host, by its newest record. Where two hosts use one id, '@host' is appended to both.
-- depends: stage.idle_baselines, stage.hardware_config
CREATE OR REPLACE TABLE main.idle_baselines (
    baseline_id VARCHAR PRIMARY KEY, -- id in the source, made unique
    timestamp DOUBLE, -- when it was measured, Unix seconds
    package_power_watts DOUBLE, -- mean idle power of all packages
    core_power_watts DOUBLE, -- mean idle power of the cores
    uncore_power_watts DOUBLE, -- mean idle power of the uncore
    dram_power_watts DOUBLE, -- mean idle power of DRAM
    duration_seconds BIGINT, -- length of the measurement
    sample_count BIGINT, -- windows averaged
    package_std DOUBLE, -- standard deviation of the windows, W (of the modelled power where no counter exists)
    core_std DOUBLE, -- standard deviation of the windows, W
    uncore_std DOUBLE, -- standard deviation of the windows, W
    dram_std DOUBLE, -- standard deviation of the windows, W
    governor VARCHAR, -- CPU frequency governor
    turbo VARCHAR, -- enabled or disabled
    background_cpu DOUBLE, -- CPU utilisation while idle, percent
    process_count BIGINT, -- processes present
    method VARCHAR, -- how it was measured
    hw_id BIGINT, -- hardware measured; NULL where no record of it landed
    gpu_power_watts DOUBLE, -- mean idle power of all GPUs
    model_power_watts DOUBLE, -- mean idle power by the CPU-time model, on hosts without a counter
    package_autocorr_lag1 DOUBLE, -- lag-1 autocorrelation of the windows of package (or modelled) power
    source_system VARCHAR NOT NULL, -- what recorded it
    host VARCHAR NOT NULL, -- host measured
    source_baseline_id VARCHAR NOT NULL, -- id in the source
    source_hw_id BIGINT -- hardware that it names, whether or not its record landed
);

INSERT INTO main.idle_baselines BY NAME
WITH newest AS (
    SELECT *
    FROM stage.idle_baselines
    QUALIFY row_number() OVER (
        PARTITION BY source_system, host, baseline_id
        ORDER BY recorded_at DESC, landing_date DESC
    ) = 1
),
counted AS (
    SELECT
        newest.*,
        count(*) OVER (PARTITION BY baseline_id) AS n_with_id,
        count(*) OVER (PARTITION BY baseline_id, host) AS n_with_id_on_host
    FROM newest
)
SELECT
    CASE
        WHEN n_with_id = 1 THEN baseline_id
        WHEN n_with_id_on_host = 1 THEN baseline_id || '@' || host
        ELSE baseline_id || '@' || host || '/' || source_system
    END AS baseline_id,
    timestamp,
    package_power_watts,
    core_power_watts,
    uncore_power_watts,
    dram_power_watts,
    duration_seconds,
    sample_count,
    package_std,
    core_std,
    uncore_std,
    dram_std,
    governor,
    turbo,
    background_cpu,
    process_count,
    method,
    hardware.hw_id,
    gpu_power_watts,
    model_power_watts,
    package_autocorr_lag1,
    source_system,
    host,
    baseline_id AS source_baseline_id,
    counted.hw_id AS source_hw_id
FROM counted
LEFT JOIN (SELECT DISTINCT hw_id FROM stage.hardware_config) AS hardware ON hardware.hw_id = counted.hw_id;
