-- What each kind of step of an agentic run took, and the time outside every step: the parts of a run sum to its total
-- energy. A moment belongs to the innermost step around it. A planning, synthesis or waiting step counts as such whatever
-- it calls; other steps count as tool or llm. A run whose steps are all of one kind has rows of 0 for the others.
-- depends: runs, event_energy
CREATE OR REPLACE VIEW main.v_step_bill AS
WITH categories AS (
    SELECT unnest(['planning', 'tool', 'llm', 'waiting', 'synthesis', 'other']) AS category, unnest(range(6)) AS position
),
steps AS (
    SELECT
        run_id,
        CASE
            WHEN phase IN ('planning', 'synthesis', 'waiting') THEN phase
            WHEN event_type = 'tool_call' THEN 'tool'
            WHEN event_type = 'llm_call' THEN 'llm'
            WHEN event_type IN ('planning', 'synthesis', 'waiting') THEN event_type
            ELSE 'other'
        END AS category,
        event_type,
        own_ns,
        own_energy_uj
    FROM main.event_energy
),
parts AS (
    SELECT
        run_id,
        category,
        count(*) AS n_steps,
        sum(own_ns)::BIGINT AS time_ns,
        coalesce(sum(own_energy_uj), 0)::BIGINT AS energy_uj,
        coalesce(sum(own_energy_uj) FILTER (WHERE event_type = 'llm_call'), 0)::BIGINT AS llm_call_energy_uj
    FROM steps
    GROUP BY run_id, category
),
attributed AS (
    SELECT run_id, sum(time_ns)::BIGINT AS time_ns, sum(energy_uj)::BIGINT AS energy_uj
    FROM parts
    GROUP BY run_id
),
billed AS (
    SELECT run_id, exp_id, duration_ns, total_energy_uj, total_carbon_g, is_estimated
    FROM main.runs
    WHERE workflow_type = 'agentic'
        AND total_energy_uj IS NOT NULL
        -- When a reported energy was taken nobody knows.
        AND energy_source <> 'reported'
),
bill AS (
    SELECT
        billed.*,
        categories.position,
        categories.category,
        coalesce(parts.n_steps, 0) AS n_steps,
        coalesce(parts.time_ns, 0) AS time_ns,
        coalesce(parts.energy_uj, 0) AS energy_uj,
        coalesce(parts.llm_call_energy_uj, 0) AS llm_call_energy_uj
    FROM billed
    CROSS JOIN categories
    LEFT JOIN parts
        ON parts.run_id = billed.run_id
        AND parts.category = categories.category
    WHERE categories.category <> 'other'
        OR parts.run_id IS NOT NULL
    UNION ALL BY NAME
    SELECT
        billed.*,
        6 AS position,
        'unattributed' AS category,
        NULL AS n_steps,
        billed.duration_ns - coalesce(attributed.time_ns, 0) AS time_ns,
        billed.total_energy_uj - coalesce(attributed.energy_uj, 0) AS energy_uj
    FROM billed
    LEFT JOIN attributed ON attributed.run_id = billed.run_id
)
SELECT
    run_id, -- agentic run whose energy was sampled
    exp_id, -- experiment
    position, -- order of the lines of a bill, from 0
    category, -- planning, tool, llm, waiting, synthesis, other (only where there is one), unattributed
    n_steps, -- steps of this kind; NULL of unattributed
    time_ns, -- their time, without that of steps inside them
    energy_uj, -- energy of that time; sums to the run's total_energy_uj
    llm_call_energy_uj, -- of it: the energy of LLM calls, of whatever phase; NULL of unattributed
    energy_uj / 1e6 AS energy_j, -- energy of that time, J
    energy_uj * 100.0::DOUBLE / nullif(total_energy_uj, 0) AS energy_percent, -- share of the run's total energy
    total_carbon_g * (energy_uj / nullif(total_energy_uj, 0)::DOUBLE) AS co2e_g, -- share of the run's total_carbon_g; NULL without a carbon factor
    is_estimated -- the energy is modelled, not measured
FROM bill;
