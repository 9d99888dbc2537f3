-- The energy of each run that has a baseline, above idle, once per way to take the idle power: 'mean' is what
-- runs.dynamic_energy_uj is; 'mean_minus_2sigma', clipped at 0, is what A-LEMS stores, so that its figures compare.
-- depends: runs, idle_baselines
CREATE OR REPLACE VIEW main.v_energy_by_method AS
WITH methods AS (
    SELECT 'mean' AS baseline_method, 0 AS sigmas
    UNION ALL
    SELECT 'mean_minus_2sigma' AS baseline_method, 2 AS sigmas
),
idle AS (
    SELECT
        runs.run_id,
        methods.baseline_method,
        runs.total_energy_uj,
        runs.energy_source,
        runs.is_estimated,
        runs.dram_energy_uj IS NOT NULL AS has_dram,
        trunc((package_power_watts - CASE WHEN sigmas > 0 THEN sigmas * package_std ELSE 0 END) * duration_ns / 1e3) AS package_uj,
        trunc((dram_power_watts - CASE WHEN sigmas > 0 THEN sigmas * dram_std ELSE 0 END) * duration_ns / 1e3) AS dram_uj,
        -- The spread of idle GPU power is not kept, so only its mean is known.
        CASE WHEN sigmas = 0 THEN trunc(gpu_power_watts * duration_ns / 1e3) END AS gpu_uj,
        trunc((model_power_watts - CASE WHEN sigmas > 0 THEN sigmas * package_std ELSE 0 END) * duration_ns / 1e3) AS model_uj
    FROM main.runs AS runs
    JOIN main.idle_baselines AS idle_baselines ON idle_baselines.baseline_id = runs.baseline_id
    CROSS JOIN methods
),
baselines AS (
    SELECT
        *,
        try_cast(
            CASE energy_source
                WHEN 'reported' THEN package_uj
                WHEN 'rapl' THEN package_uj + CASE WHEN has_dram THEN dram_uj ELSE 0 END
                WHEN 'rapl+nvml' THEN package_uj + CASE WHEN has_dram THEN dram_uj ELSE 0 END + gpu_uj
                WHEN 'nvml' THEN gpu_uj
                WHEN 'model:cpu_time' THEN model_uj
            END AS BIGINT
        ) AS baseline_energy_uj
    FROM idle
)
SELECT
    run_id, -- run
    baseline_method, -- mean or mean_minus_2sigma
    total_energy_uj, -- package, DRAM where measured and GPU where measured; or the model
    baseline_energy_uj, -- idle power by the method × duration, of the domains of the total
    CASE
        WHEN baseline_method = 'mean_minus_2sigma' AND total_energy_uj < baseline_energy_uj THEN 0
        ELSE total_energy_uj - baseline_energy_uj
    END AS dynamic_energy_uj, -- total − baseline; of mean_minus_2sigma at least 0
    is_estimated -- the energy is modelled, not measured
FROM baselines;
