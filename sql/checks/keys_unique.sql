-- Every key is there and stands once, in each table, and among the samples of each lake dataset.
-- severity: error
-- depends: experiments, hardware_config, environment_config, idle_baselines, task_categories, runs, llm_interactions, run_energy, run_telemetry, event_energy, event_telemetry, orchestration_events, orchestration_tax_summary, run_pairing, daily.sample_audit
WITH counts AS (
    SELECT 'experiments' AS table_name, count(*) AS n_rows, count(DISTINCT exp_id) AS n_keys FROM main.experiments
    UNION ALL
    SELECT 'experiments, by exp_key', count(*), count(DISTINCT exp_key) FROM main.experiments
    UNION ALL
    SELECT 'hardware_config', count(*), count(DISTINCT hw_id) FROM main.hardware_config
    UNION ALL
    SELECT 'hardware_config, by hash and host', count(*), count(DISTINCT (hardware_hash, hostname))
    FROM main.hardware_config
    UNION ALL
    SELECT 'environment_config', count(*), count(DISTINCT env_id) FROM main.environment_config
    UNION ALL
    SELECT 'idle_baselines', count(*), count(DISTINCT baseline_id) FROM main.idle_baselines
    UNION ALL
    SELECT 'task_categories', count(*), count(DISTINCT task_id) FROM main.task_categories
    UNION ALL
    SELECT 'runs', count(*), count(DISTINCT run_id) FROM main.runs
    UNION ALL
    SELECT 'runs, by experiment, hardware, number and workflow', count(*),
        count(DISTINCT (exp_id, hw_id, run_number, workflow_type))
    FROM main.runs
    WHERE run_number IS NOT NULL
    UNION ALL
    SELECT 'llm_interactions', count(*), count(DISTINCT interaction_id) FROM main.llm_interactions
    UNION ALL
    SELECT 'run_energy', count(*), count(DISTINCT run_id) FROM main.run_energy
    UNION ALL
    SELECT 'run_telemetry', count(*), count(DISTINCT run_id) FROM main.run_telemetry
    UNION ALL
    SELECT 'event_energy', count(*), count(DISTINCT event_id) FROM main.event_energy
    UNION ALL
    SELECT 'event_telemetry', count(*), count(DISTINCT event_id) FROM main.event_telemetry
    UNION ALL
    SELECT 'orchestration_events', count(*), count(DISTINCT event_id) FROM main.orchestration_events
    UNION ALL
    SELECT 'orchestration_tax_summary', count(*), count(DISTINCT comparison_id) FROM main.orchestration_tax_summary
    UNION ALL
    SELECT 'orchestration_tax_summary, by agentic run', count(*), count(DISTINCT agentic_run_id)
    FROM main.orchestration_tax_summary
    UNION ALL
    SELECT 'orchestration_tax_summary, by linear run', count(*), count(DISTINCT linear_run_id)
    FROM main.orchestration_tax_summary
    UNION ALL
    SELECT 'run_pairing', count(*), count(DISTINCT run_id) FROM main.run_pairing
)
SELECT table_name, 'rows with a key that is NULL or stands twice' AS problem, n_rows - n_keys AS n
FROM counts
WHERE n_rows <> n_keys
UNION ALL
SELECT dataset AS table_name, 'samples whose number in their run is missing or stands twice' AS problem, sum(n_samples)::BIGINT AS n
FROM daily.sample_audit
WHERE max_sample_id <> n_samples
    OR sum_sample_id <> n_samples::HUGEINT * (n_samples + 1) // 2
GROUP BY dataset
UNION ALL
SELECT 'sample_audit' AS table_name, 'run with samples on more than one day' AS problem, count(*) - count(DISTINCT (dataset, run_id)) AS n
FROM daily.sample_audit
HAVING count(*) <> count(DISTINCT (dataset, run_id));
