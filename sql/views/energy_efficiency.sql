-- What a unit of work costs, by hardware, model, provider, task and form: dynamic energy per query, LLM call, token and
-- instruction, each over the runs that know both, without those that failed or ended early; and per query that succeeded,
-- over all runs that know whether theirs did: there a program that failed is charged for. A run answers one query unless
-- query_execution says more. Energies of two sources stand apart; what was only reported (run_quality) is left out.
-- depends: runs, run_quality, experiments, task_categories, query_execution
CREATE OR REPLACE VIEW main.energy_efficiency AS
WITH outcomes AS (
    SELECT run_id, count(*) AS n_queries, count(*) FILTER (success) AS n_succeeded, count(success) AS n_known
    FROM main.query_execution
    GROUP BY run_id
),
known AS (
    SELECT
        runs.*,
        outcomes.n_queries,
        outcomes.n_succeeded,
        outcomes.n_known,
        quality.experiment_valid AS is_valid,
        NOT regexp_matches(runs.quality_flags, '"run_(failed|partial)"') AS is_whole
    FROM main.runs AS runs
    JOIN main.run_quality AS quality ON quality.run_id = runs.run_id
    LEFT JOIN outcomes ON outcomes.run_id = runs.run_id
    WHERE runs.dynamic_energy_uj IS NOT NULL AND runs.energy_source <> 'reported'
)
SELECT
    runs.hw_id, -- hardware
    experiments.provider, -- provider
    experiments.model_name, -- model
    experiments.task_name, -- task
    categories.category, -- category of the task; NULL where it has none
    runs.workflow_type, -- linear or agentic
    runs.energy_source, -- what the energies are: rapl, nvml, rapl+nvml or model:cpu_time
    runs.is_estimated, -- the energy is modelled, not measured
    count(*) FILTER (WHERE is_whole) AS n_runs, -- runs with a known dynamic energy that neither failed nor ended early
    count(*) FILTER (WHERE is_whole AND NOT is_valid) AS n_not_valid, -- of these: against whose figures run_quality speaks
    (sum(coalesce(n_queries, 1)) FILTER (WHERE is_whole))::BIGINT AS n_queries, -- queries that they were to answer; NULL: no such run
    sum(dynamic_energy_uj) FILTER (WHERE is_whole) / 1e3 / sum(coalesce(n_queries, 1)) FILTER (WHERE is_whole)
        AS mj_per_query, -- dynamic energy / queries, mJ
    (sum(n_known) FILTER (WHERE n_known > 0))::BIGINT AS n_queries_known, -- queries of any run known to have succeeded or not; NULL: none
    (sum(n_succeeded) FILTER (WHERE n_known > 0))::BIGINT AS n_queries_succeeded, -- of these: those that did
    sum(dynamic_energy_uj) FILTER (WHERE n_known > 0) / 1e3 / nullif(sum(n_succeeded) FILTER (WHERE n_known > 0), 0)
        AS mj_per_success, -- dynamic energy of all runs whose success is known, failed ones too / queries that succeeded, mJ
    sum(dynamic_energy_uj) FILTER (WHERE is_whole AND llm_calls > 0) / 1e3 / sum(llm_calls) FILTER (WHERE is_whole AND llm_calls > 0)
        AS mj_per_llm_call, -- dynamic mJ per LLM call
    sum(dynamic_energy_uj) FILTER (WHERE is_whole AND total_tokens > 0) / 1e6
        / sum(total_tokens) FILTER (WHERE is_whole AND total_tokens > 0) AS j_per_token, -- dynamic J per token
    sum(dynamic_energy_uj) FILTER (WHERE is_whole AND instructions > 0) / 1e6
        / sum(instructions) FILTER (WHERE is_whole AND instructions > 0) AS j_per_instruction, -- dynamic J per instruction
    sum(total_tokens) FILTER (WHERE is_whole AND total_tokens > 0) * 1e9
        / nullif(sum(duration_ns) FILTER (WHERE is_whole AND total_tokens > 0), 0) AS tokens_per_s, -- tokens per second of run
    sum(total_energy_uj) FILTER (WHERE is_whole) * 1e3 / nullif(sum(duration_ns) FILTER (WHERE is_whole), 0)
        AS avg_power_watts -- total energy / duration
FROM known AS runs
JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
LEFT JOIN main.task_categories AS categories ON categories.task_id = experiments.task_name
GROUP BY ALL;
