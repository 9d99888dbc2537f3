-- Every reference finds its row.
-- severity: error
-- depends: experiments, hardware_config, environment_config, idle_baselines, runs, llm_interactions, orchestration_events, orchestration_tax_summary, run_energy, run_telemetry, event_energy, run_pairing
WITH findings AS (
    SELECT 'runs' AS table_name, 'exp_id is in no row of experiments' AS problem, count(*) AS n
    FROM main.runs AS runs
    ANTI JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    UNION ALL
    SELECT 'runs', 'hw_id is in no row of hardware_config', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.hardware_config AS hardware ON hardware.hw_id = runs.hw_id
    WHERE runs.hw_id IS NOT NULL
    UNION ALL
    SELECT 'runs', 'env_id is in no row of environment_config', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.environment_config AS environment ON environment.env_id = runs.env_id
    WHERE runs.env_id IS NOT NULL
    UNION ALL
    SELECT 'runs', 'baseline_id is in no row of idle_baselines', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.idle_baselines AS baselines ON baselines.baseline_id = runs.baseline_id
    WHERE runs.baseline_id IS NOT NULL
    UNION ALL
    SELECT 'runs', 'run_id is in no row of run_energy', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.run_energy AS run_energy ON run_energy.run_id = runs.run_id
    UNION ALL
    SELECT 'runs', 'run_id is in no row of run_telemetry', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.run_telemetry AS run_telemetry ON run_telemetry.run_id = runs.run_id
    UNION ALL
    SELECT 'runs', 'run_id is in no row of run_pairing', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.run_pairing AS run_pairing ON run_pairing.run_id = runs.run_id
    UNION ALL
    SELECT 'experiments', 'hw_id is in no row of hardware_config', count(*)
    FROM main.experiments AS experiments
    ANTI JOIN main.hardware_config AS hardware ON hardware.hw_id = experiments.hw_id
    WHERE experiments.hw_id IS NOT NULL
    UNION ALL
    SELECT 'experiments', 'env_id is in no row of environment_config', count(*)
    FROM main.experiments AS experiments
    ANTI JOIN main.environment_config AS environment ON environment.env_id = experiments.env_id
    WHERE experiments.env_id IS NOT NULL
    UNION ALL
    SELECT 'idle_baselines', 'hw_id is in no row of hardware_config', count(*)
    FROM main.idle_baselines AS baselines
    ANTI JOIN main.hardware_config AS hardware ON hardware.hw_id = baselines.hw_id
    WHERE baselines.hw_id IS NOT NULL
    UNION ALL
    SELECT 'llm_interactions', 'run_id is in no row of runs', count(*)
    FROM main.llm_interactions AS interactions
    ANTI JOIN main.runs AS runs ON runs.run_id = interactions.run_id
    UNION ALL
    SELECT 'run_energy', 'run_id is in no row of runs', count(*)
    FROM main.run_energy AS run_energy
    ANTI JOIN main.runs AS runs ON runs.run_id = run_energy.run_id
    UNION ALL
    SELECT 'event_energy', 'event_id is in no row of orchestration_events', count(*)
    FROM main.event_energy AS event_energy
    ANTI JOIN main.orchestration_events AS events ON events.event_id = event_energy.event_id
    UNION ALL
    SELECT 'orchestration_events', 'run_id is in no row of runs', count(*)
    FROM main.orchestration_events AS events
    ANTI JOIN main.runs AS runs ON runs.run_id = events.run_id
    UNION ALL
    SELECT 'orchestration_tax_summary', 'linear_run_id is in no row of runs', count(*)
    FROM main.orchestration_tax_summary AS tax
    ANTI JOIN main.runs AS runs ON runs.run_id = tax.linear_run_id
    UNION ALL
    SELECT 'orchestration_tax_summary', 'agentic_run_id is in no row of runs', count(*)
    FROM main.orchestration_tax_summary AS tax
    ANTI JOIN main.runs AS runs ON runs.run_id = tax.agentic_run_id
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
