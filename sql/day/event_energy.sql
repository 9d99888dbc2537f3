-- The energy of an event: what the run's total grew by between its start and its end, with certain bounds; and of that
-- the event's own share. A moment belongs to the innermost event around it, so own energies never overlap.
-- depends: stage.runs, stage.orchestration_events, daily.edge_counters, daily.run_gaps, stage.energy_sampling
-- unique: event_id
CREATE TABLE IF NOT EXISTS main.event_energy (
    event_id BIGINT NOT NULL, -- stable id of the run, the event's times, step, phase and type
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    start_time_ns BIGINT NOT NULL, -- start, ns UTC
    end_time_ns BIGINT NOT NULL, -- end, ns UTC
    step_index BIGINT, -- position in the run, from 0
    phase VARCHAR, -- planning, execution, waiting or synthesis; of an event that does not say, the phase of the innermost around it
    event_type VARCHAR NOT NULL, -- llm_call, tool_call, waiting, …
    event_energy_uj BIGINT, -- energy from start to end, in the domains of the run's total; NULL outside the samples
    event_energy_lo_uj BIGINT, -- the energy is certainly not less
    event_energy_hi_uj BIGINT, -- the energy is certainly not more; NULL where a reset, a hidden wrap or power alone leaves no bound
    own_ns BIGINT NOT NULL, -- time within the run in which no event inside this one runs
    own_energy_uj BIGINT, -- energy of that time
    power_watts DOUBLE, -- power that the source gives
    cpu_util_percent DOUBLE, -- CPU utilisation that the source gives
    interrupt_rate DOUBLE -- interrupts per second that the source gives
);

DELETE FROM main.event_energy
WHERE run_date = getvariable('day');

INSERT INTO main.event_energy BY NAME
WITH day_events AS (
    SELECT
        ops.stable_id(
            concat_ws(
                chr(31),
                events.run_id,
                events.start_time_ns,
                events.end_time_ns,
                coalesce(events.step_index::VARCHAR, ''),
                coalesce(events.phase, ''),
                events.event_type
            )
        ) AS event_id,
        events.run_id,
        events.start_time_ns,
        events.end_time_ns,
        events.step_index,
        events.phase,
        events.event_type,
        events.power_watts,
        events.cpu_util_percent,
        events.interrupt_rate,
        runs.start_time_ns AS run_start_ns,
        runs.end_time_ns AS run_end_ns
    FROM stage.orchestration_events AS events
    JOIN stage.runs AS runs
        ON runs.run_id = events.run_id
        AND runs.landing_date = getvariable('day')
    WHERE events.landing_date = getvariable('day')
),
phases AS (
    SELECT
        events.event_id,
        first(around.phase ORDER BY around.start_time_ns DESC, around.end_time_ns, around.event_id) AS phase
    FROM day_events AS events
    JOIN day_events AS around
        ON around.run_id = events.run_id
        AND around.start_time_ns <= events.start_time_ns
        AND around.end_time_ns >= events.end_time_ns
    WHERE events.phase IS NULL AND around.phase IS NOT NULL
    GROUP BY events.event_id
),
edges AS (
    SELECT run_id, at_ns, total_uj, cpu_lower_uj, cpu_upper_uj, gpu_lower_uj, gpu_upper_uj, is_bounded
    FROM daily.edge_counters
    WHERE run_date = getvariable('day')
),
segments AS (
    SELECT
        run_id,
        at_ns AS from_ns,
        lead(at_ns) OVER by_time AS to_ns,
        lead(total_uj) OVER by_time - total_uj AS energy_uj
    FROM edges
    WINDOW by_time AS (PARTITION BY run_id ORDER BY at_ns)
),
owned_segments AS (
    SELECT
        segments.run_id,
        segments.from_ns,
        any_value(segments.to_ns - segments.from_ns) AS own_ns,
        any_value(segments.energy_uj) AS energy_uj,
        first(events.event_id ORDER BY events.start_time_ns DESC, events.end_time_ns, events.event_id) AS event_id
    FROM segments
    JOIN day_events AS events
        ON events.run_id = segments.run_id
        AND events.start_time_ns <= segments.from_ns
        AND events.end_time_ns >= segments.to_ns
        AND events.run_start_ns <= segments.from_ns
        AND events.run_end_ns >= segments.to_ns
    GROUP BY segments.run_id, segments.from_ns
),
own_shares AS (
    SELECT
        event_id,
        sum(own_ns)::BIGINT AS own_ns,
        CASE WHEN count(*) = count(energy_uj) THEN sum(energy_uj)::BIGINT END AS own_energy_uj
    FROM owned_segments
    GROUP BY event_id
),
unbounded_spans AS (
    SELECT gaps.run_id, gaps.from_ns, gaps.to_ns
    FROM daily.run_gaps AS gaps
    LEFT JOIN stage.energy_sampling AS sampling
        ON sampling.run_id = gaps.run_id
        AND sampling.landing_date = getvariable('day')
    WHERE gaps.run_date = getvariable('day')
        AND (gaps.is_reset OR (gaps.gpu_index IS NULL AND sampling.n_hidden_wrap_gaps > 0))
),
unbounded_events AS (
    SELECT DISTINCT events.event_id
    FROM day_events AS events
    JOIN unbounded_spans AS spans
        ON spans.run_id = events.run_id
        AND spans.from_ns < events.end_time_ns
        AND spans.to_ns > events.start_time_ns
),
differences AS (
    SELECT
        events.event_id,
        ends.total_uj - starts.total_uj AS event_energy_uj,
        -- No counter falls, so each part of the total took at least 0, whatever is known of the other.
        greatest(ends.cpu_lower_uj - starts.cpu_upper_uj, 0) + greatest(ends.gpu_lower_uj - starts.gpu_upper_uj, 0)
            AS event_energy_lo_uj,
        CASE
            WHEN starts.is_bounded AND ends.is_bounded
                THEN ends.cpu_upper_uj - starts.cpu_lower_uj + ends.gpu_upper_uj - starts.gpu_lower_uj
        END AS event_energy_hi_uj
    FROM day_events AS events
    JOIN edges AS starts
        ON starts.run_id = events.run_id
        AND starts.at_ns = events.start_time_ns
    JOIN edges AS ends
        ON ends.run_id = events.run_id
        AND ends.at_ns = events.end_time_ns
)
SELECT
    events.event_id,
    events.run_id,
    getvariable('day') AS run_date,
    events.start_time_ns,
    events.end_time_ns,
    events.step_index,
    coalesce(events.phase, phases.phase) AS phase,
    events.event_type,
    differences.event_energy_uj,
    CASE WHEN differences.event_energy_uj IS NOT NULL THEN differences.event_energy_lo_uj END AS event_energy_lo_uj,
    CASE
        WHEN unbounded_events.event_id IS NOT NULL THEN NULL
        WHEN differences.event_energy_uj IS NOT NULL THEN differences.event_energy_hi_uj
    END AS event_energy_hi_uj,
    coalesce(own_shares.own_ns, 0) AS own_ns,
    CASE
        WHEN own_shares.event_id IS NOT NULL THEN own_shares.own_energy_uj
        WHEN differences.event_energy_uj IS NOT NULL THEN 0
    END AS own_energy_uj,
    events.power_watts,
    events.cpu_util_percent,
    events.interrupt_rate
FROM day_events AS events
JOIN differences ON differences.event_id = events.event_id
LEFT JOIN phases ON phases.event_id = events.event_id
LEFT JOIN own_shares ON own_shares.event_id = events.event_id
LEFT JOIN unbounded_events ON unbounded_events.event_id = events.event_id;
