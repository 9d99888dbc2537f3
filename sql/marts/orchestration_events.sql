-- One step of a run, with its energy and, in the agentic run of a pair, its part in the pair's orchestration tax. Tax
-- that lies outside every event is a row with event_type 'unattributed', so that the parts sum to the tax.
-- depends: event_energy, event_telemetry, runs, orchestration_tax_summary
CREATE OR REPLACE TABLE main.orchestration_events (
    event_id BIGINT PRIMARY KEY, -- stable id of the run, the event's times, step, phase and type
    run_id BIGINT NOT NULL, -- run
    step_index BIGINT, -- position in the run, from 0
    phase VARCHAR, -- planning, execution, waiting or synthesis; of an event that does not say, the phase of the innermost around it
    event_type VARCHAR NOT NULL, -- llm_call, tool_call, waiting, …; unattributed: the run's time outside every event
    start_time_ns BIGINT, -- start, ns UTC; of an unattributed row the run's
    end_time_ns BIGINT, -- end, ns UTC; of an unattributed row the run's
    duration_ns BIGINT NOT NULL, -- end − start; of an unattributed row the time outside every event
    power_watts DOUBLE, -- as the source gives it, else energy / duration
    cpu_util_percent DOUBLE, -- as the source gives it, else the mean of the CPU samples within the event
    interrupt_rate DOUBLE, -- as the source gives it, else the mean of the interrupt samples within the event
    event_energy_uj BIGINT, -- energy from start to end, in the domains of the run's total; NULL outside the samples
    tax_contribution_uj BIGINT, -- part in the pair's tax; an event inside another takes its own time's part from it
    tax_percent DOUBLE, -- contribution / tax × 100
    event_energy_lo_uj BIGINT, -- the energy is certainly not less
    event_energy_hi_uj BIGINT -- the energy is certainly not more; NULL where there is no bound
);

INSERT INTO main.orchestration_events BY NAME
WITH
-- The energy above idle of the time that is an event's own.
events AS (
    SELECT
        event_energy.*,
        own_energy_uj - runs.baseline_energy_uj * (own_ns / nullif(runs.duration_ns, 0)::DOUBLE) AS own_dynamic_uj
    FROM main.event_energy AS event_energy
    JOIN main.runs AS runs ON runs.run_id = event_energy.run_id
),
linear_phases AS (
    SELECT
        tax.agentic_run_id,
        coalesce(events.phase, '') AS phase,
        sum(events.own_dynamic_uj ORDER BY events.event_id) AS dynamic_uj
    FROM main.orchestration_tax_summary AS tax
    JOIN events ON events.run_id = tax.linear_run_id
    GROUP BY tax.agentic_run_id, coalesce(events.phase, '')
),
agentic_events AS (
    SELECT
        events.*,
        tax.orchestration_tax_uj,
        tax.agentic_dynamic_uj,
        -- An event's share of its phase: by time, or evenly where the phase takes none.
        coalesce(
            own_ns / nullif(sum(own_ns) OVER phases, 0)::DOUBLE, 1 / (count(*) OVER phases)::DOUBLE
        ) AS phase_share,
        events.run_id IN (SELECT agentic_run_id FROM linear_phases) AS has_linear_events
    FROM main.orchestration_tax_summary AS tax
    JOIN events ON events.run_id = tax.agentic_run_id
    WINDOW phases AS (PARTITION BY events.run_id, coalesce(events.phase, ''))
),
exact_contributions AS (
    SELECT
        agentic_events.*,
        CASE
            WHEN has_linear_events THEN own_dynamic_uj - coalesce(linear_phases.dynamic_uj, 0) * phase_share
            ELSE own_dynamic_uj * (orchestration_tax_uj / nullif(agentic_dynamic_uj, 0)::DOUBLE)
        END AS contribution_uj
    FROM agentic_events
    LEFT JOIN linear_phases
        ON linear_phases.agentic_run_id = agentic_events.run_id
        AND linear_phases.phase = coalesce(agentic_events.phase, '')
),
-- Rounding the running sum, not each part, keeps the sum of the rounded parts exact.
running AS (
    SELECT
        *,
        coalesce(round(sum(contribution_uj) OVER by_time), 0) AS running_uj
    FROM exact_contributions
    WINDOW by_time AS (PARTITION BY run_id ORDER BY start_time_ns, end_time_ns, event_id ROWS UNBOUNDED PRECEDING)
),
contributions AS (
    SELECT
        run_id,
        event_id,
        orchestration_tax_uj,
        own_ns,
        own_energy_uj,
        CASE
            WHEN contribution_uj IS NOT NULL THEN running_uj - lag(running_uj, 1, 0) OVER (
                PARTITION BY run_id ORDER BY start_time_ns, end_time_ns, event_id
            )
        END::BIGINT AS tax_contribution_uj
    FROM running
),
attributed AS (
    SELECT
        tax.agentic_run_id AS run_id,
        any_value(tax.orchestration_tax_uj) AS orchestration_tax_uj,
        coalesce(sum(contributions.tax_contribution_uj), 0)::BIGINT AS tax_contribution_uj,
        coalesce(sum(contributions.own_ns), 0)::BIGINT AS own_ns,
        CASE WHEN count(contributions.event_id) = count(contributions.own_energy_uj)
            THEN coalesce(sum(contributions.own_energy_uj), 0)::BIGINT
        END AS own_energy_uj
    FROM main.orchestration_tax_summary AS tax
    LEFT JOIN contributions ON contributions.run_id = tax.agentic_run_id
    GROUP BY tax.agentic_run_id
),
all_events AS (
    SELECT
        events.event_id,
        events.run_id,
        events.step_index,
        events.phase,
        events.event_type,
        events.start_time_ns,
        events.end_time_ns,
        events.end_time_ns - events.start_time_ns AS duration_ns,
        events.power_watts,
        coalesce(events.cpu_util_percent, event_telemetry.cpu_util_percent) AS cpu_util_percent,
        coalesce(events.interrupt_rate, event_telemetry.interrupt_rate) AS interrupt_rate,
        events.event_energy_uj,
        contributions.tax_contribution_uj,
        contributions.orchestration_tax_uj,
        events.event_energy_lo_uj,
        events.event_energy_hi_uj
    FROM events
    LEFT JOIN main.event_telemetry AS event_telemetry ON event_telemetry.event_id = events.event_id
    LEFT JOIN contributions ON contributions.event_id = events.event_id
    UNION ALL BY NAME
    SELECT
        ops.stable_id(concat_ws(chr(31), runs.run_id, 'unattributed')) AS event_id,
        runs.run_id,
        'unattributed' AS event_type,
        runs.start_time_ns,
        runs.end_time_ns,
        runs.duration_ns - attributed.own_ns AS duration_ns,
        runs.total_energy_uj - attributed.own_energy_uj AS event_energy_uj,
        attributed.orchestration_tax_uj - attributed.tax_contribution_uj AS tax_contribution_uj,
        attributed.orchestration_tax_uj
    FROM attributed
    JOIN main.runs AS runs ON runs.run_id = attributed.run_id
    WHERE attributed.orchestration_tax_uj <> attributed.tax_contribution_uj
)
SELECT
    event_id,
    run_id,
    step_index,
    phase,
    event_type,
    start_time_ns,
    end_time_ns,
    duration_ns,
    coalesce(power_watts, event_energy_uj * 1e3 / nullif(duration_ns, 0)) AS power_watts,
    cpu_util_percent,
    interrupt_rate,
    event_energy_uj,
    tax_contribution_uj,
    tax_contribution_uj * 100.0::DOUBLE / nullif(orchestration_tax_uj, 0) AS tax_percent,
    event_energy_lo_uj,
    event_energy_hi_uj
FROM all_events;
