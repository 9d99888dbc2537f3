-- The temperature of a run and whether the CPU was throttled: before it, during it, ever since boot.
-- depends: runs, run_telemetry
CREATE OR REPLACE VIEW main.thermal_profile AS
SELECT
    runs.run_id, -- run
    runs.hw_id, -- hardware
    runs.workflow_type, -- linear or agentic
    runs.baseline_temp_celsius, -- package temperature before the run, °C
    runs.start_temp_c, -- first package temperature, °C
    runs.package_temp_celsius AS mean_temp_c, -- mean package temperature, °C
    runs.max_temp_c, -- highest package temperature, °C
    runs.min_temp_c, -- lowest package temperature, °C
    runs.thermal_delta_c, -- highest − first, °C
    runs.thermal_delta_c * 1e9 / nullif(runs.duration_ns, 0) AS rise_c_per_s, -- that / duration
    runs.avg_power_watts, -- total energy / duration
    runs.cpu_busy_mhz, -- mean frequency while busy: it falls where heat limits it
    telemetry.n_thermal_samples, -- thermal samples within the run
    runs.thermal_now_active AS throttled_before, -- the CPU was being throttled when the run began; NULL where not read
    runs.thermal_during_experiment AS throttled_during, -- a sample saw throttling; NULL where nothing looked for it
    runs.thermal_since_boot AS throttled_since_boot -- the CPU had been throttled since boot when the run began
FROM main.runs AS runs
LEFT JOIN main.run_telemetry AS telemetry
    ON telemetry.run_id = runs.run_id
    AND telemetry.run_date = runs.run_date;
