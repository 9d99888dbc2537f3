-- How the energy and duration of equal runs moved from one to the next: runs of one experiment, hardware and form, in order
-- of their start; measured and estimated ones apart. A steady slope is a warming machine or a changing service.
-- depends: runs
CREATE OR REPLACE VIEW main.run_drift AS
WITH ordered AS (
    SELECT
        run_id,
        exp_id,
        hw_id,
        workflow_type,
        is_estimated,
        start_time_ns,
        row_number() OVER by_time AS position,
        dynamic_energy_uj / 1e6 AS energy_j,
        duration_ns / 1e9 AS duration_s,
        start_temp_c
    FROM main.runs
    WHERE dynamic_energy_uj IS NOT NULL
        AND NOT regexp_matches(quality_flags, '"run_(failed|partial)"')
    WINDOW by_time AS (PARTITION BY exp_id, hw_id, workflow_type, is_estimated ORDER BY start_time_ns, run_id)
),
totals AS (
    SELECT
        exp_id,
        hw_id,
        workflow_type,
        is_estimated,
        count(*) AS n_runs,
        regr_slope(energy_j, position ORDER BY position) AS slope,
        stddev_samp(energy_j ORDER BY position) / nullif(avg(energy_j ORDER BY position), 0) AS cv
    FROM ordered
    GROUP BY exp_id, hw_id, workflow_type, is_estimated
)
SELECT
    run_id, -- run
    ordered.exp_id, -- experiment
    ordered.hw_id, -- hardware
    ordered.workflow_type, -- linear or agentic
    ordered.is_estimated, -- the energy is modelled, not measured
    position, -- position among the runs that it is compared with, from 1
    energy_j, -- dynamic energy, J
    energy_j - lag(energy_j) OVER by_time AS change_j, -- against the run before, J
    (energy_j / nullif(lag(energy_j) OVER by_time, 0) - 1) * 100 AS change_percent, -- against the run before
    (energy_j / nullif(first_value(energy_j) OVER by_time, 0) - 1) * 100 AS change_from_first_percent, -- against the first
    duration_s - lag(duration_s) OVER by_time AS duration_change_s, -- against the run before, s
    start_temp_c - lag(start_temp_c) OVER by_time AS start_temp_change_c, -- against the run before, °C
    totals.slope AS slope_j_per_run, -- least-squares slope over all these runs, J per run
    totals.n_runs, -- runs compared
    totals.cv -- standard deviation / mean of them all
FROM ordered
JOIN totals
    ON totals.exp_id = ordered.exp_id
    AND totals.hw_id IS NOT DISTINCT FROM ordered.hw_id
    AND totals.workflow_type = ordered.workflow_type
    AND totals.is_estimated IS NOT DISTINCT FROM ordered.is_estimated
WINDOW by_time AS (
    PARTITION BY ordered.exp_id, ordered.hw_id, ordered.workflow_type, ordered.is_estimated
    ORDER BY position
);
