-- What a unit of work costs, by hardware, model, provider, task and form: dynamic energy per query, LLM call, token and
-- instruction, each over the runs that know both. A run answers one query. Measured and estimated runs apart; runs that
-- failed or ended early are left out.
-- depends: runs, experiments, task_categories
CREATE OR REPLACE VIEW main.energy_efficiency AS
SELECT
    runs.hw_id, -- hardware
    experiments.provider, -- provider
    experiments.model_name, -- model
    experiments.task_name, -- task
    categories.category, -- category of the task; NULL where it has none
    runs.workflow_type, -- linear or agentic
    runs.is_estimated, -- the energy is modelled, not measured
    count(*) AS n_runs, -- runs with a known dynamic energy
    avg(dynamic_energy_uj) / 1e3 AS mj_per_query, -- mean dynamic energy of a run, mJ
    sum(dynamic_energy_uj) FILTER (WHERE llm_calls > 0) / 1e3 / sum(llm_calls) FILTER (WHERE llm_calls > 0)
        AS mj_per_llm_call, -- dynamic mJ per LLM call
    sum(dynamic_energy_uj) FILTER (WHERE total_tokens > 0) / 1e6 / sum(total_tokens) FILTER (WHERE total_tokens > 0)
        AS j_per_token, -- dynamic J per token
    sum(dynamic_energy_uj) FILTER (WHERE instructions > 0) / 1e6 / sum(instructions) FILTER (WHERE instructions > 0)
        AS j_per_instruction, -- dynamic J per instruction
    sum(total_tokens) FILTER (WHERE total_tokens > 0) * 1e9
        / nullif(sum(duration_ns) FILTER (WHERE total_tokens > 0), 0) AS tokens_per_s, -- tokens per second of run
    sum(total_energy_uj) * 1e3 / nullif(sum(duration_ns), 0) AS avg_power_watts -- total energy / duration
FROM main.runs AS runs
JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
LEFT JOIN main.task_categories AS categories ON categories.task_id = experiments.task_name
WHERE runs.dynamic_energy_uj IS NOT NULL
    AND NOT regexp_matches(runs.quality_flags, '"run_(failed|partial)"')
GROUP BY ALL;
