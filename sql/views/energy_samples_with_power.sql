-- Energy samples with the power since the sample before that was read: NULL for a run's first sample, for a failed read,
-- and across a counter reset.
-- depends: energy_samples
CREATE OR REPLACE VIEW main.energy_samples_with_power AS
WITH intervals AS (
    SELECT
        *,
        timestamp_ns - first_value(timestamp_ns) OVER by_time AS since_first_ns,
        pkg_energy_uj - lag(pkg_energy_uj IGNORE NULLS) OVER by_time AS pkg_uj,
        timestamp_ns - lag(CASE WHEN pkg_energy_uj IS NOT NULL THEN timestamp_ns END IGNORE NULLS) OVER by_time AS pkg_ns,
        core_energy_uj - lag(core_energy_uj IGNORE NULLS) OVER by_time AS core_uj,
        timestamp_ns - lag(CASE WHEN core_energy_uj IS NOT NULL THEN timestamp_ns END IGNORE NULLS) OVER by_time AS core_ns,
        uncore_energy_uj - lag(uncore_energy_uj IGNORE NULLS) OVER by_time AS uncore_uj,
        timestamp_ns - lag(CASE WHEN uncore_energy_uj IS NOT NULL THEN timestamp_ns END IGNORE NULLS) OVER by_time AS uncore_ns,
        dram_energy_uj - lag(dram_energy_uj IGNORE NULLS) OVER by_time AS dram_uj,
        timestamp_ns - lag(CASE WHEN dram_energy_uj IS NOT NULL THEN timestamp_ns END IGNORE NULLS) OVER by_time AS dram_ns,
        model_energy_uj - lag(model_energy_uj IGNORE NULLS) OVER by_time AS model_uj,
        timestamp_ns - lag(CASE WHEN model_energy_uj IS NOT NULL THEN timestamp_ns END IGNORE NULLS) OVER by_time AS model_ns
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
    CASE WHEN is_reset IS NOT true THEN pkg_uj * 1e3 / pkg_ns END AS pkg_power_watts, -- power of all packages
    CASE WHEN is_reset IS NOT true THEN core_uj * 1e3 / core_ns END AS core_power_watts, -- power of all cores
    CASE WHEN is_reset IS NOT true THEN uncore_uj * 1e3 / uncore_ns END AS uncore_power_watts, -- power of the uncore
    CASE WHEN is_reset IS NOT true THEN dram_uj * 1e3 / dram_ns END AS dram_power_watts, -- power of DRAM
    CASE WHEN is_reset IS NOT true THEN model_uj * 1e3 / model_ns END AS model_power_watts, -- power by the CPU-time model, on hosts without a counter
    run_date -- day under which the run landed
FROM intervals;
