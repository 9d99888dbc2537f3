-- How much more dynamic energy agentic runs take than linear ones, in one scope, by one way of measuring: figures,
-- intervals and tests with the task as unit of replication, computed by alems_pipeline/tax_statistics.py.
-- quality_flag: no_pairs; descriptive: fewer than 6 tasks, no intervals and no p-values; few_tasks: 6 to 9, none from the
-- bootstrap and Wilcoxon's test either; full: 10 or more.
-- depends: tax_pairs
CREATE OR REPLACE TABLE main.tax_statistics (
    tax_stat_id BIGINT PRIMARY KEY, -- stable id of scope, its keys and the energy source
    scope VARCHAR NOT NULL, -- experiment; model × task × provider × hardware; provider; all
    exp_id BIGINT, -- experiment; NULL in wider scopes, as the other keys are
    task_name VARCHAR, -- task, where the scope has one
    model_key VARCHAR, -- model, where the scope has one
    provider VARCHAR, -- provider, where the scope has one
    hw_id BIGINT, -- hardware, where the scope has one
    energy_source VARCHAR, -- what the energies are; energies of two sources are never put together
    is_estimated BOOLEAN, -- the energies are modelled, not measured
    pairing_rule VARCHAR NOT NULL, -- what the two runs of a pair have in common
    cluster_unit VARCHAR NOT NULL, -- unit of replication: pairs of one unit are averaged first, on the log ratio
    n_pairs BIGINT NOT NULL, -- pairs used
    n_tasks BIGINT NOT NULL, -- tasks that they belong to: the sample size
    n_excluded BIGINT NOT NULL, -- pairs without a ratio, and runs that are in no pair
    exclusion_reasons_json VARCHAR NOT NULL, -- JSON object: reason -> how many
    linear_mean_j DOUBLE, -- linear runs: mean over pairs, J
    linear_median_j DOUBLE, -- linear runs: median over pairs, J
    linear_sd_j DOUBLE, -- linear runs: standard deviation over pairs, J
    linear_total_j DOUBLE, -- linear runs: sum over pairs, J
    agentic_mean_j DOUBLE, -- agentic runs: mean over pairs, J
    agentic_median_j DOUBLE, -- agentic runs: median over pairs, J
    agentic_sd_j DOUBLE, -- agentic runs: standard deviation over pairs, J
    agentic_total_j DOUBLE, -- agentic runs: sum over pairs, J
    diff_mean_j DOUBLE, -- agentic − linear: mean over tasks, J
    diff_sd_j DOUBLE, -- agentic − linear: standard deviation over tasks, J
    diff_hl_j DOUBLE, -- agentic − linear: Hodges–Lehmann estimate over tasks, J
    diff_ci_lo_j DOUBLE, -- lower end of the t interval of diff_mean_j
    diff_ci_hi_j DOUBLE, -- upper end of the t interval of diff_mean_j
    ratio_geo DOUBLE, -- agentic / linear: geometric mean over tasks, the primary figure
    ratio_geo_ci_lo DOUBLE, -- lower end of its t interval, on the log ratio
    ratio_geo_ci_hi DOUBLE, -- upper end of its t interval
    ratio_of_totals DOUBLE, -- sum of agentic / sum of linear
    rot_ci_lo DOUBLE, -- lower end of its interval by a bootstrap (BCa) over tasks
    rot_ci_hi DOUBLE, -- upper end of it
    ratio_mean_diag DOUBLE, -- mean of the pairs' ratios: a diagnostic, biased upwards
    ratio_median DOUBLE, -- median over tasks
    tax_pct_of_linear DOUBLE, -- (sum of agentic − sum of linear) / sum of linear × 100
    tax_share_of_agentic DOUBLE, -- (sum of agentic − sum of linear) / sum of agentic × 100
    log_ratio_sd DOUBLE, -- standard deviation of the tasks' log ratios: what intervals, tests and mde_ratio_80 use
    between_task_sd DOUBLE, -- of it, what is left when the scatter of repetitions is taken off; NULL without repetitions
    within_task_sd DOUBLE, -- standard deviation of the pairs' log ratios within tasks, pooled; NULL without repetitions
    t_stat DOUBLE, -- t of the log ratios against 0
    p_t_log DOUBLE, -- its two-sided p-value, the primary one
    wilcoxon_w DOUBLE, -- Wilcoxon's W of the log ratios
    p_wilcoxon DOUBLE, -- its two-sided p-value, exact
    p_perm DOUBLE, -- two-sided p-value by changing signs of the log ratios
    hedges_gz DOUBLE, -- mean / standard deviation of the log ratios, corrected for small samples
    p_superiority DOUBLE, -- share of tasks in which the agentic run takes more
    p_holm DOUBLE, -- p_t_log by Holm among the rows of one scope and energy source
    mde_ratio_80 DOUBLE, -- smallest ratio_geo above 1 found with 80 % power; NULL with one task
    u_baseline_j DOUBLE, -- standard uncertainty of diff_mean_j from idle power, correlated where runs share a baseline
    linear_per_success_j DOUBLE, -- linear runs: sum / queries that succeeded, J, over pairs of which success is known
    agentic_per_success_j DOUBLE, -- agentic runs: the same; NULL where none succeeded
    ratio_per_success DOUBLE, -- agentic / linear of the two: by ratio_of_totals alone a program that gives up looks cheap
    n_not_valid BIGINT NOT NULL, -- of n_pairs: those in which run_quality speaks against a run's figures
    n_success_known BIGINT NOT NULL, -- pairs of which it is known whether both runs succeeded
    ci_level DOUBLE NOT NULL, -- level of all intervals
    n_resamples BIGINT NOT NULL, -- resamples of bootstrap and permutation test
    seed BIGINT NOT NULL, -- seed of both
    scipy_version VARCHAR NOT NULL, -- SciPy that computed it
    computed_at TIMESTAMPTZ NOT NULL, -- when
    quality_flag VARCHAR NOT NULL -- no_pairs, descriptive, few_tasks or full
);
