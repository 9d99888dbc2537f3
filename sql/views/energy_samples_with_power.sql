-- Energy samples with the power since the sample before: NULL for a run's first sample and across a counter reset.
-- depends: energy_samples
CREATE OR REPLACE VIEW main.energy_samples_with_power AS
WITH intervals AS (
    SELECT
        *,
        timestamp_ns - first_value(timestamp_ns) OVER by_time AS since_first_ns,
        CASE WHEN is_reset IS NOT true THEN timestamp_ns - lag(timestamp_ns) OVER by_time END AS interval_ns,
        pkg_energy_uj - lag(pkg_energy_uj) OVER by_time AS pkg_uj,
        core_energy_uj - lag(core_energy_uj) OVER by_time AS core_uj,
        uncore_energy_uj - lag(uncore_energy_uj) OVER by_time AS uncore_uj,
        dram_energy_uj - lag(dram_energy_uj) OVER by_time AS dram_uj,
        model_energy_uj - lag(model_energy_uj) OVER by_time AS model_uj
    FROM main.energy_samples
    WINDOW by_time AS (PARTITION BY run_id ORDER BY timestamp_ns)
)
SELECT
    run_id, -- run
    sample_id, -- position within its run, from 1
    timestamp_ns, -- time of the sample, ns UTC
    since_first_ns / 1e9 AS time_s, -- time since the run's first sample
    pkg_energy_uj, -- energy of all packages since the first sample
    core_energy_uj, -- energy of all cores since the first sample
    uncore_energy_uj, -- energy of the uncore since the first sample
    dram_energy_uj, -- energy of DRAM since the first sample
    pkg_uj * 1e3 / interval_ns AS pkg_power_watts, -- power of all packages
    core_uj * 1e3 / interval_ns AS core_power_watts, -- power of all cores
    uncore_uj * 1e3 / interval_ns AS uncore_power_watts, -- power of the uncore
    dram_uj * 1e3 / interval_ns AS dram_power_watts, -- power of DRAM
    model_uj * 1e3 / interval_ns AS model_power_watts, -- power by the CPU-time model, on hosts without a counter
    run_date -- day under which the run landed
FROM intervals;
