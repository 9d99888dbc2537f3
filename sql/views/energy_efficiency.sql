-- What a unit of work costs, by hardware, model, provider, task and form: dynamic energy per query, LLM call, token and
-- instruction, each over the runs that know both; and per query that succeeded, what the failed ones took included, since
-- a program that gives up is cheap. A run answers one query unless query_execution says more. Measured and estimated runs
-- apart; runs that failed or ended early are left out.
-- depends: runs, experiments, task_categories, query_execution
CREATE OR REPLACE VIEW main.energy_efficiency AS
WITH outcomes AS (
    SELECT run_id, count(*) AS n_queries, count(*) FILTER (success) AS n_succeeded, count(success) AS n_known
    FROM main.query_execution
    GROUP BY run_id
)
SELECT
    runs.hw_id, -- hardware
    experiments.provider, -- provider
    experiments.model_name, -- model
    experiments.task_name, -- task
    categories.category, -- category of the task; NULL where it has none
    runs.workflow_type, -- linear or agentic
    runs.is_estimated, -- the energy is modelled, not measured
    count(*) AS n_runs, -- runs with a known dynamic energy
    sum(coalesce(n_queries, 1)) AS n_queries, -- queries that they were to answer
    sum(dynamic_energy_uj) / 1e3 / sum(coalesce(n_queries, 1)) AS mj_per_query, -- dynamic energy / queries, mJ
    sum(n_known) FILTER (WHERE n_known > 0) AS n_queries_known, -- of which it is known whether they succeeded; NULL: none
    sum(n_succeeded) FILTER (WHERE n_known > 0) AS n_queries_succeeded, -- of these: those that did
    sum(dynamic_energy_uj) FILTER (WHERE n_known > 0) / 1e3 / nullif(sum(n_succeeded) FILTER (WHERE n_known > 0), 0)
        AS mj_per_success, -- dynamic energy of the runs whose success is known / queries that succeeded, mJ
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
LEFT JOIN outcomes ON outcomes.run_id = runs.run_id
WHERE runs.dynamic_energy_uj IS NOT NULL
    AND NOT regexp_matches(runs.quality_flags, '"run_(failed|partial)"')
GROUP BY ALL;
