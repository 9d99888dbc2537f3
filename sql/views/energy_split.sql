-- The energy of each run that has a baseline, split above idle, once per way to take the idle power: 'mean' is what
-- runs.dynamic_energy_uj uses; 'mean_minus_2sigma', clipped at 0, is what A-LEMS stores, so that its figures compare.
-- depends: runs, idle_baselines
CREATE OR REPLACE VIEW main.energy_split AS
WITH methods AS (
    SELECT 'mean' AS baseline_method, 0 AS sigmas
    UNION ALL
    SELECT 'mean_minus_2sigma' AS baseline_method, 2 AS sigmas
),
idle AS (
    SELECT
        runs.run_id,
        methods.baseline_method,
        runs.pkg_energy_uj,
        runs.core_energy_uj,
        runs.uncore_energy_uj,
        try_cast(trunc((package_power_watts - CASE WHEN sigmas > 0 THEN sigmas * package_std ELSE 0 END) * duration_ns / 1e3) AS BIGINT) AS idle_pkg_uj,
        try_cast(trunc((core_power_watts - CASE WHEN sigmas > 0 THEN sigmas * core_std ELSE 0 END) * duration_ns / 1e3) AS BIGINT) AS idle_core_uj,
        try_cast(trunc((uncore_power_watts - CASE WHEN sigmas > 0 THEN sigmas * uncore_std ELSE 0 END) * duration_ns / 1e3) AS BIGINT) AS idle_uncore_uj
    FROM main.runs AS runs
    JOIN main.idle_baselines AS idle_baselines ON idle_baselines.baseline_id = runs.baseline_id
    CROSS JOIN methods
),
differences AS (
    SELECT
        *,
        pkg_energy_uj - idle_pkg_uj AS workload_uj,
        core_energy_uj - idle_core_uj AS reasoning_uj,
        CASE
            WHEN uncore_energy_uj IS NOT NULL THEN uncore_energy_uj - idle_uncore_uj
            ELSE pkg_energy_uj - core_energy_uj - (idle_pkg_uj - idle_core_uj)
        END AS orchestration_uj,
        baseline_method = 'mean_minus_2sigma' AS is_clipped
    FROM idle
)
SELECT
    run_id, -- run
    baseline_method, -- mean or mean_minus_2sigma
    idle_pkg_uj, -- idle power of the packages × duration, cut to whole µJ
    idle_core_uj, -- idle power of the cores × duration, cut to whole µJ
    idle_uncore_uj, -- idle power of the uncore × duration, cut to whole µJ
    CASE WHEN is_clipped AND workload_uj < 0 THEN 0 ELSE workload_uj END AS workload_energy_uj, -- package above idle
    CASE WHEN is_clipped AND reasoning_uj < 0 THEN 0 ELSE reasoning_uj END AS reasoning_energy_uj, -- core above idle
    CASE WHEN is_clipped AND orchestration_uj < 0 THEN 0 ELSE orchestration_uj END AS orchestration_energy_uj, -- uncore above idle
    CASE
        WHEN uncore_energy_uj IS NOT NULL THEN 'rapl'
        WHEN pkg_energy_uj - core_energy_uj IS NOT NULL THEN 'package − core'
    END AS uncore_definition -- what uncore is; NULL where neither was measured
FROM differences;
