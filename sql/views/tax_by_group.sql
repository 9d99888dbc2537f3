-- The orchestration tax of pairs by provider, by model, by task, by all three together, and of all; measured and estimated
-- pairs apart, and pairs of one measured and one estimated run left out. For intervals and tests see tax_statistics.
-- depends: orchestration_tax_summary, run_quality, runs, experiments
CREATE OR REPLACE VIEW main.tax_by_group AS
WITH pairs AS (
    SELECT
        experiments.provider,
        experiments.model_name,
        experiments.task_name,
        linear.is_estimated,
        tax.comparison_id,
        tax.linear_dynamic_uj,
        tax.agentic_dynamic_uj,
        tax.orchestration_tax_uj,
        tax.tax_percent,
        linear_quality.experiment_valid AND agentic_quality.experiment_valid AS is_valid,
        CASE WHEN tax.tax_multiplier > 0 THEN ln(tax.tax_multiplier) END AS log_ratio
    FROM main.orchestration_tax_summary AS tax
    JOIN main.runs AS linear ON linear.run_id = tax.linear_run_id
    JOIN main.runs AS agentic ON agentic.run_id = tax.agentic_run_id
    JOIN main.run_quality AS linear_quality ON linear_quality.run_id = tax.linear_run_id
    JOIN main.run_quality AS agentic_quality ON agentic_quality.run_id = tax.agentic_run_id
    JOIN main.experiments AS experiments ON experiments.exp_id = tax.exp_id
    WHERE tax.orchestration_tax_uj IS NOT NULL
        AND linear.is_estimated = agentic.is_estimated
)
SELECT
    CASE grouping(provider, model_name, task_name)
        WHEN 0 THEN 'provider, model, task'
        WHEN 3 THEN 'provider'
        WHEN 5 THEN 'model'
        WHEN 6 THEN 'task'
        ELSE 'all'
    END AS grouped_by, -- provider; model; task; provider, model, task; or all
    provider, -- provider; NULL where it is not grouped by
    model_name, -- model; NULL where it is not grouped by
    task_name, -- task; NULL where it is not grouped by
    is_estimated, -- the energies are modelled, not measured
    count(*) AS n_pairs, -- pairs with a known tax
    count(*) FILTER (WHERE NOT is_valid) AS n_not_valid, -- of these: in which run_quality speaks against a run's figures
    avg(linear_dynamic_uj) / 1e6 AS linear_mean_j, -- mean dynamic energy of the linear runs, J
    avg(agentic_dynamic_uj) / 1e6 AS agentic_mean_j, -- mean dynamic energy of the agentic runs, J
    avg(orchestration_tax_uj) / 1e6 AS tax_mean_j, -- mean tax, J
    median(orchestration_tax_uj) / 1e6 AS tax_median_j, -- median tax, J
    stddev_samp(orchestration_tax_uj ORDER BY comparison_id) / 1e6 AS tax_sd_j, -- standard deviation of the tax, J; NULL for one pair
    avg(tax_percent ORDER BY comparison_id) AS tax_percent_mean, -- mean share of the agentic run, over pairs where it is defined
    CASE WHEN sum(linear_dynamic_uj) > 0 THEN sum(agentic_dynamic_uj) / sum(linear_dynamic_uj)::DOUBLE END
        AS ratio_of_totals, -- agentic / linear of the sums
    exp(avg(log_ratio ORDER BY comparison_id)) AS ratio_geo, -- geometric mean of agentic / linear, over pairs where both are above 0
    count(log_ratio) AS n_ratios, -- pairs in ratio_geo
    count(*) FILTER (WHERE orchestration_tax_uj < 0) AS n_negative -- pairs whose agentic run took less
FROM pairs
GROUP BY GROUPING SETS (
    (is_estimated),
    (provider, is_estimated),
    (model_name, is_estimated),
    (task_name, is_estimated),
    (provider, model_name, task_name, is_estimated)
);
