-- The energy of each run that has a baseline, split by RAPL domain above idle: package is the workload, core the
-- reasoning, uncore the orchestration. Uncore is RAPL's domain where the hardware has it, else package − core.
-- depends: runs, experiments, idle_baselines
CREATE OR REPLACE VIEW main.orchestration_analysis AS
WITH energies AS (
    SELECT
        runs.*,
        runs.pkg_energy_uj / 1e6 AS pkg_energy_j,
        runs.core_energy_uj / 1e6 AS core_energy_j,
        coalesce(runs.uncore_energy_uj, runs.pkg_energy_uj - runs.core_energy_uj) / 1e6 AS uncore_energy_j,
        runs.dram_energy_uj / 1e6 AS dram_energy_j,
        runs.duration_ns / 1e9 AS duration_sec,
        baseline.package_power_watts * runs.duration_ns / 1e9 AS baseline_pkg_j,
        baseline.core_power_watts * runs.duration_ns / 1e9 AS baseline_core_j,
        CASE
            WHEN runs.uncore_energy_uj IS NOT NULL THEN baseline.uncore_power_watts
            ELSE baseline.package_power_watts - baseline.core_power_watts
        END * runs.duration_ns / 1e9 AS baseline_uncore_j
    FROM main.runs AS runs
    JOIN main.idle_baselines AS baseline ON baseline.baseline_id = runs.baseline_id
)
SELECT
    energies.run_id, -- run
    energies.exp_id, -- experiment
    energies.workflow_type, -- linear or agentic
    energies.run_number, -- position in the experiment
    pkg_energy_j, -- all packages
    core_energy_j, -- all cores
    uncore_energy_j, -- RAPL's uncore domain where the hardware has it, else package − core
    dram_energy_j, -- DRAM
    duration_sec, -- duration
    baseline_pkg_j, -- mean idle power of the packages × duration
    baseline_core_j, -- mean idle power of the cores × duration
    baseline_uncore_j, -- mean idle power of the uncore, as defined for uncore_energy_j, × duration
    pkg_energy_j - baseline_pkg_j AS workload_energy_j, -- package above idle
    core_energy_j - baseline_core_j AS reasoning_energy_j, -- core above idle
    uncore_energy_j - baseline_uncore_j AS orchestration_tax_j, -- uncore above idle
    (core_energy_j - baseline_core_j) / (nullif(instructions, 0) / 1e9) AS joules_per_billion_instructions, -- reasoning energy / instructions
    ipc, -- instructions / cycles
    cache_miss_rate, -- misses / references
    CASE WHEN pkg_energy_j > 0 THEN core_energy_j / pkg_energy_j END AS core_share, -- core / package
    CASE WHEN pkg_energy_j > 0 THEN uncore_energy_j / pkg_energy_j END AS uncore_share, -- uncore / package
    experiments.provider, -- provider as the source writes it
    experiments.task_name, -- task identifier
    experiments.country_code -- ISO 3166 code of the grid region
FROM energies
JOIN main.experiments AS experiments ON experiments.exp_id = energies.exp_id;
