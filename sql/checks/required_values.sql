-- No NULL where a row makes no sense without a value.
-- severity: error
-- depends: experiments, runs, run_energy, event_energy, orchestration_events, orchestration_tax_summary, idle_baselines
WITH findings AS (
    SELECT 'experiments' AS table_name, 'no name, status or workflow type' AS problem, count(*) AS n
    FROM main.experiments
    WHERE name IS NULL OR status IS NULL
    UNION ALL
    SELECT 'runs', 'no experiment, workflow type, time, day or source', count(*)
    FROM main.runs
    WHERE exp_id IS NULL
        OR workflow_type IS NULL
        OR start_time_ns IS NULL
        OR end_time_ns IS NULL
        OR duration_ns IS NULL
        OR run_date IS NULL
        OR source_system IS NULL
        OR source_run_id IS NULL
        OR quality_flags IS NULL
        OR run_state_hash IS NULL
    UNION ALL
    SELECT 'runs', 'a total energy that does not say what it is', count(*)
    FROM main.runs
    WHERE total_energy_uj IS NOT NULL
        AND energy_source IS DISTINCT FROM 'reported' -- by its source's own rule: no bounds, and nobody knows how
        AND (energy_source IS NULL OR is_estimated IS NULL OR energy_lo_uj IS NULL)
    UNION ALL
    SELECT 'runs', 'a dynamic energy without its baseline', count(*)
    FROM main.runs
    WHERE dynamic_energy_uj IS NOT NULL
        AND (baseline_id IS NULL OR baseline_energy_uj IS NULL OR total_energy_uj IS NULL)
    UNION ALL
    SELECT 'runs', 'no baseline, and no flag that says why', count(*)
    FROM main.runs
    WHERE baseline_id IS NULL
        AND NOT regexp_matches(quality_flags, '"(no_baseline|baseline_\w+)"')
    UNION ALL
    SELECT 'run_energy', 'no run or day', count(*)
    FROM main.run_energy
    WHERE run_id IS NULL OR run_date IS NULL
    UNION ALL
    SELECT 'event_energy', 'no run, time or type', count(*)
    FROM main.event_energy
    WHERE run_id IS NULL OR start_time_ns IS NULL OR end_time_ns IS NULL OR event_type IS NULL OR own_ns IS NULL
    UNION ALL
    SELECT 'orchestration_events', 'no run, time or type', count(*)
    FROM main.orchestration_events
    WHERE run_id IS NULL
        OR start_time_ns IS NULL
        OR end_time_ns IS NULL
        OR duration_ns IS NULL
        OR event_type IS NULL
    UNION ALL
    SELECT 'orchestration_tax_summary', 'no tax although both dynamic energies are known', count(*)
    FROM main.orchestration_tax_summary
    WHERE orchestration_tax_uj IS NULL
        AND linear_dynamic_uj IS NOT NULL
        AND agentic_dynamic_uj IS NOT NULL
    UNION ALL
    SELECT 'idle_baselines', 'no time', count(*)
    FROM main.idle_baselines
    WHERE timestamp IS NULL
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
