-- Where the collected runs do not yet carry a conclusion, one row per rule that is broken: fewer than 10 usable runs of a
-- combination that was run (min_sample_size); one provider with more than twice the usable runs of another that was run
-- (provider_balance; value NULL where the other has none); a combination of hardware, model, task and form never run (cross_factor); a coefficient of variation
-- of the usable runs' dynamic energy above .30 (variation; measured and estimated runs apart); more than 20 % of them cold
-- starts (cold_starts). Usable is what run_quality says; 10 runs are all measured or all estimated.
-- depends: coverage_matrix, runs, experiments, run_quality
CREATE OR REPLACE VIEW main.coverage_gaps AS
WITH usable AS (
    SELECT
        runs.run_id,
        runs.hw_id,
        experiments.provider,
        experiments.model_name,
        experiments.task_name,
        runs.workflow_type,
        runs.is_estimated,
        runs.dynamic_energy_uj,
        runs.is_cold_start
    FROM main.runs AS runs
    JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    JOIN main.run_quality AS quality ON quality.run_id = runs.run_id
    WHERE quality.experiment_valid
),
providers AS (
    SELECT
        experiments.provider,
        greatest(
            count(*) FILTER (WHERE quality.experiment_valid AND NOT quality.is_estimated),
            count(*) FILTER (WHERE quality.experiment_valid AND quality.is_estimated)
        ) AS n_runs
    FROM main.run_quality AS quality
    JOIN main.experiments AS experiments ON experiments.exp_id = quality.exp_id
    WHERE experiments.provider IS NOT NULL
    GROUP BY experiments.provider
),
balance AS (
    SELECT
        max(n_runs) AS most,
        min(n_runs) AS least,
        most / nullif(least, 0)::DOUBLE AS ratio,
        arg_max(provider, (n_runs, provider)) || ' ' || max(n_runs) || ', '
            || arg_min(provider, (n_runs, provider)) || ' ' || min(n_runs) AS shown
    FROM providers
),
variations AS (
    SELECT
        hw_id,
        model_name,
        task_name,
        workflow_type,
        is_estimated,
        stddev_samp(dynamic_energy_uj ORDER BY run_id) / nullif(avg(dynamic_energy_uj), 0) AS cv
    FROM usable
    WHERE dynamic_energy_uj IS NOT NULL
    GROUP BY hw_id, model_name, task_name, workflow_type, is_estimated
),
cold_starts AS (
    SELECT hw_id, model_name, task_name, workflow_type, avg(is_cold_start::BIGINT) AS share
    FROM usable
    WHERE is_cold_start IS NOT NULL
    GROUP BY hw_id, model_name, task_name, workflow_type
)
SELECT
    'min_sample_size' AS rule, -- min_sample_size, provider_balance, cross_factor, variation or cold_starts
    hw_id, -- hardware; NULL where the rule is not about one
    model_name, -- model; NULL where the rule is not about one
    task_name, -- task; NULL where the rule is not about one
    workflow_type, -- linear or agentic; NULL where the rule is not about one
    NULL::BOOLEAN AS is_estimated, -- of variation: whether it is of estimated or of measured runs
    greatest(n_measured, n_estimated)::DOUBLE AS value, -- what was found; NULL: no usable run to compare with
    10::DOUBLE AS threshold, -- what the rule allows
    greatest(n_measured, n_estimated) || ' usable of ' || run_count || ' run(s), 10 are the least' AS finding -- in words
FROM main.coverage_matrix
WHERE run_count > 0 AND greatest(n_measured, n_estimated) < 10
UNION ALL
SELECT 'provider_balance', NULL, NULL, NULL, NULL, NULL, ratio, 2, 'usable runs by provider: ' || shown
FROM balance
WHERE most > 2 * least
UNION ALL
SELECT 'cross_factor', hw_id, model_name, task_name, workflow_type, NULL, 0, 1, 'never run'
FROM main.coverage_matrix
WHERE run_count = 0
UNION ALL
SELECT
    'variation', hw_id, model_name, task_name, workflow_type, is_estimated, abs(cv), 0.30,
    'dynamic energies vary by ' || printf('%.0f', abs(cv) * 100) || ' % of their mean'
FROM variations
WHERE abs(cv) > 0.30
UNION ALL
SELECT
    'cold_starts', hw_id, model_name, task_name, workflow_type, NULL, share, 0.20,
    printf('%.0f', share * 100) || ' % of the runs are cold starts'
FROM cold_starts
WHERE share > 0.20;
