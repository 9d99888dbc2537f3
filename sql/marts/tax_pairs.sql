-- What statistics of the tax stand on: each pair, and each run that is in none, with the reason. Energies are dynamic.
-- depends: orchestration_tax_summary, run_pairing, run_quality, runs, experiments, idle_baselines, query_execution
CREATE OR REPLACE TABLE main.tax_pairs (
    comparison_id BIGINT, -- pair; NULL of a run that is in none
    run_id BIGINT PRIMARY KEY, -- agentic run of the pair, or the run that is in none
    exp_id BIGINT NOT NULL, -- experiment
    task_name VARCHAR, -- task identifier
    model_key VARCHAR, -- canonical model, else the model name as the source writes it
    provider VARCHAR, -- provider as the source writes it
    hw_id BIGINT, -- hardware
    energy_source VARCHAR, -- what the energies are: rapl, nvml, rapl+nvml or model:cpu_time
    is_estimated BOOLEAN, -- the energies are modelled, not measured
    linear_j DOUBLE, -- dynamic energy of the linear run, J
    agentic_j DOUBLE, -- dynamic energy of the agentic run, J
    linear_s DOUBLE, -- duration of the linear run, s
    agentic_s DOUBLE, -- duration of the agentic run, s
    linear_baseline_id VARCHAR, -- idle baseline of the linear run
    agentic_baseline_id VARCHAR, -- idle baseline of the agentic run
    linear_u_idle_w DOUBLE, -- standard uncertainty of its mean idle power, W
    agentic_u_idle_w DOUBLE, -- the same of the agentic run
    linear_successes BIGINT, -- queries that the linear run answered; NULL where nobody said of any of its queries
    agentic_successes BIGINT, -- the same of the agentic run
    exclusion_reason VARCHAR, -- why the run is in no pair; NULL of a pair
    is_valid BOOLEAN -- run_quality lets the figures of both runs be used; NULL of a run that is in none
);

INSERT INTO main.tax_pairs BY NAME
WITH outcomes AS (
    SELECT run_id, count(*) FILTER (success) AS n_successes
    FROM main.query_execution
    WHERE success IS NOT NULL
    GROUP BY run_id
),
known AS (
    SELECT
        runs.run_id,
        runs.exp_id,
        runs.hw_id,
        experiments.task_name,
        coalesce(runs.model_key, experiments.model_name) AS model_key,
        experiments.provider,
        runs.energy_source,
        runs.is_estimated,
        runs.dynamic_energy_uj / 1e6 AS dynamic_j,
        runs.duration_ns / 1e9 AS duration_s,
        runs.baseline_id,
        outcomes.n_successes,
        quality.experiment_valid,
        -- As in runs.dynamic_energy_u_uj: the windows are correlated; of GPUs the spread is not kept.
        CASE
            WHEN runs.energy_source IN ('rapl', 'model:cpu_time') AND sample_count > 1 THEN sqrt(
                (package_std ** 2 + CASE WHEN runs.dram_energy_uj IS NULL THEN 0 ELSE dram_std ** 2 END)
                / nullif(
                    greatest(
                        sample_count * (1 - coalesce(package_autocorr_lag1, 0))
                        / nullif(1 + coalesce(package_autocorr_lag1, 0), 0),
                        0
                    ),
                    0
                )
            )
        END AS u_idle_w
    FROM main.runs AS runs
    JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    JOIN main.run_quality AS quality ON quality.run_id = runs.run_id
    LEFT JOIN main.idle_baselines AS idle_baselines ON idle_baselines.baseline_id = runs.baseline_id
    LEFT JOIN outcomes ON outcomes.run_id = runs.run_id
)
SELECT
    tax.comparison_id,
    agentic.run_id,
    agentic.exp_id,
    agentic.task_name,
    agentic.model_key,
    agentic.provider,
    agentic.hw_id,
    agentic.energy_source,
    agentic.is_estimated,
    linear.dynamic_j AS linear_j,
    agentic.dynamic_j AS agentic_j,
    linear.duration_s AS linear_s,
    agentic.duration_s AS agentic_s,
    linear.baseline_id AS linear_baseline_id,
    agentic.baseline_id AS agentic_baseline_id,
    linear.u_idle_w AS linear_u_idle_w,
    agentic.u_idle_w AS agentic_u_idle_w,
    linear.n_successes AS linear_successes,
    agentic.n_successes AS agentic_successes,
    NULL AS exclusion_reason,
    linear.experiment_valid AND agentic.experiment_valid AS is_valid
FROM main.orchestration_tax_summary AS tax
JOIN known AS linear ON linear.run_id = tax.linear_run_id
JOIN known AS agentic ON agentic.run_id = tax.agentic_run_id
UNION ALL BY NAME
SELECT
    known.run_id,
    known.exp_id,
    known.task_name,
    known.model_key,
    known.provider,
    known.hw_id,
    known.energy_source,
    known.is_estimated,
    pairing.reason AS exclusion_reason
FROM main.run_pairing AS pairing
JOIN known ON known.run_id = pairing.run_id
WHERE pairing.reason IS NOT NULL;
