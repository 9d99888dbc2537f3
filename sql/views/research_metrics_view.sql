-- How the time of each run with LLM calls divides between the agent, local inference and waiting. Runs whose
-- orchestration takes more than five times the compute time that their source gave are left out, as A-LEMS does.
-- depends: runs, experiments, llm_interactions, stage.runs
CREATE OR REPLACE VIEW main.research_metrics_view AS
WITH calls AS (
    SELECT
        run_id,
        sum(non_local_ms ORDER BY interaction_id) AS total_wait_ms,
        sum(local_compute_ms ORDER BY interaction_id) AS total_llm_compute_ms
    FROM main.llm_interactions
    GROUP BY run_id
)
SELECT
    runs.run_id, -- run
    runs.exp_id, -- experiment
    experiments.provider, -- provider as the source writes it
    runs.workflow_type, -- linear or agentic
    runs.duration_ns / 1e6 AS total_time_ms, -- duration
    runs.compute_time_ms, -- local compute time
    runs.orchestration_cpu_ms, -- duration not spent in local compute or waiting for an LLM
    runs.bytes_sent AS total_bytes_sent, -- bytes sent
    runs.bytes_recv AS total_bytes_recv, -- bytes received
    calls.total_wait_ms, -- time spent waiting for somebody else's computer
    calls.total_llm_compute_ms, -- time spent in local inference
    runs.orchestration_cpu_ms / nullif(runs.duration_ns / 1e6, 0) AS ooi_time, -- orchestration / duration
    runs.orchestration_cpu_ms / nullif(runs.compute_time_ms, 0) AS ooi_cpu, -- orchestration / compute
    calls.total_llm_compute_ms / nullif(runs.duration_ns / 1e6, 0) AS ucr, -- local inference / duration
    calls.total_wait_ms / nullif(runs.duration_ns / 1e6, 0) AS network_ratio -- waiting / duration
FROM main.runs AS runs
JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
JOIN calls ON calls.run_id = runs.run_id
JOIN stage.runs AS given ON given.run_id = runs.run_id
WHERE (calls.total_llm_compute_ms > 0 OR calls.total_wait_ms > 0)
    -- Where the source gave none, the sum over the calls stands in, which is no measure of the whole run.
    AND NOT coalesce(runs.orchestration_cpu_ms > 5 * given.compute_time_ms, FALSE);
