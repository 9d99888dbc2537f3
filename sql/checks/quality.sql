-- What a reader of the figures should know, and an operator can mend: none of it makes a figure wrong.
-- severity: warn
-- depends: experiments, runs, run_grid_factors, ops.landing_files, ops.quarantine
WITH findings AS (
    SELECT 'runs' AS table_name, 'runs without a fit idle baseline: no dynamic energy' AS problem, count(*) AS n
    FROM main.runs
    WHERE baseline_energy_uj IS NULL
    UNION ALL
    SELECT 'runs', 'runs without energy: no samples, or samples that do not reach the start or end', count(*)
    FROM main.runs
    WHERE total_energy_uj IS NULL
    UNION ALL
    SELECT 'runs', 'runs without samples, whose energy is what their source had written', count(*)
    FROM main.runs
    WHERE energy_source = 'reported'
    UNION ALL
    SELECT 'runs', 'runs whose energy is estimated, not measured', count(*)
    FROM main.runs
    WHERE is_estimated
    UNION ALL
    SELECT 'runs', 'runs observed for less than 95 % of their time', count(*)
    FROM main.runs
    WHERE sample_coverage < 0.95
    UNION ALL
    SELECT 'runs', 'runs with a counter reset or a gap that may hide a wrap: the energy is a lower bound', count(*)
    FROM main.runs
    WHERE regexp_matches(quality_flags, '"(resets|hidden_wraps)"')
    UNION ALL
    SELECT 'runs', 'runs with a GPU that never told its energy', count(*)
    FROM main.runs
    WHERE contains(quality_flags, '"gpu_unread"')
    UNION ALL
    SELECT
        'run_grid_factors',
        'runs without a carbon figure, for no registry knows their country ' || min(country_code),
        count(*)
    FROM main.run_grid_factors
    WHERE country_code IS NOT NULL AND carbon_gco2eq_kwh IS NULL
    HAVING count(*) > 0
    UNION ALL
    SELECT 'runs', 'runs whose CPU others used for more than 20 %', count(*)
    FROM main.runs
    WHERE contains(quality_flags, '"background_cpu"')
    UNION ALL
    SELECT 'runs', 'runs whose number another run of the experiment has: unpaired', count(*)
    FROM main.runs
    WHERE contains(quality_flags, '"duplicate_run_number"')
    UNION ALL
    SELECT 'runs', 'runs whose hardware or environment record did not land', count(*)
    FROM main.runs
    WHERE regexp_matches(quality_flags, '"(hardware|environment)_unknown"')
    UNION ALL
    SELECT 'experiments', 'experiments whose record did not land', count(*)
    FROM main.experiments
    WHERE source_exp_id IS NULL
    UNION ALL
    SELECT 'ops.landing_files', 'landing files quarantined', count(*)
    FROM ops.landing_files
    WHERE status = 'quarantined'
    UNION ALL
    SELECT 'ops.quarantine', 'rows quarantined', coalesce(sum(n_rows), 0)::BIGINT
    FROM ops.quarantine
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
