-- Where the time and energy of a run went: a row per phase of its events and one for the rest, 'outside events', so that
-- the rows of a run sum to it. Of nested events each moment counts for the innermost only.
-- depends: runs, event_energy
CREATE OR REPLACE VIEW main.phase_breakdown AS
WITH phases AS (
    SELECT
        run_id,
        coalesce(phase, 'none') AS phase,
        count(*) AS n_events,
        sum(own_ns)::BIGINT AS own_ns,
        CASE WHEN count(own_energy_uj) = count(*) THEN sum(own_energy_uj)::BIGINT END AS own_energy_uj
    FROM main.event_energy
    GROUP BY run_id, coalesce(phase, 'none')
),
in_events AS (
    SELECT
        run_id,
        sum(own_ns)::BIGINT AS own_ns,
        CASE WHEN count(own_energy_uj) = count(*) THEN sum(own_energy_uj)::BIGINT END AS own_energy_uj
    FROM phases
    GROUP BY run_id
),
parts AS (
    SELECT run_id, phase, n_events, own_ns, own_energy_uj
    FROM phases
    UNION ALL
    SELECT
        runs.run_id,
        'outside events' AS phase,
        0 AS n_events,
        runs.duration_ns - coalesce(in_events.own_ns, 0) AS own_ns,
        CASE
            WHEN in_events.run_id IS NULL THEN runs.total_energy_uj
            ELSE runs.total_energy_uj - in_events.own_energy_uj
        END AS own_energy_uj
    FROM main.runs AS runs
    LEFT JOIN in_events ON in_events.run_id = runs.run_id
)
SELECT
    parts.run_id, -- run
    runs.workflow_type, -- linear or agentic
    runs.is_estimated, -- the energy is modelled, not measured
    parts.phase, -- planning, execution, waiting, synthesis, none, or outside events
    parts.n_events, -- events
    parts.own_ns / 1e6 AS time_ms, -- time, ms
    parts.own_ns / nullif(runs.duration_ns, 0)::DOUBLE AS time_share, -- of the run's duration
    parts.own_energy_uj / 1e6 AS energy_j, -- total energy (idle power included), J
    parts.own_energy_uj / nullif(runs.total_energy_uj, 0)::DOUBLE AS energy_share, -- of the run's total energy
    parts.own_energy_uj * 1e3 / nullif(parts.own_ns, 0) AS power_watts -- energy / time
FROM parts
JOIN main.runs AS runs ON runs.run_id = parts.run_id;
