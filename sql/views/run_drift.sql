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
)
SELECT
    run_id, -- run
    exp_id, -- experiment
    hw_id, -- hardware
    workflow_type, -- linear or agentic
    is_estimated, -- the energy is modelled, not measured
    position, -- position among the runs that it is compared with, from 1
    energy_j, -- dynamic energy, J
    energy_j - lag(energy_j) OVER by_time AS change_j, -- against the run before, J
    (energy_j / nullif(lag(energy_j) OVER by_time, 0) - 1) * 100 AS change_percent, -- against the run before
    (energy_j / nullif(first_value(energy_j) OVER by_time, 0) - 1) * 100 AS change_from_first_percent, -- against the first
    duration_s - lag(duration_s) OVER by_time AS duration_change_s, -- against the run before, s
    start_temp_c - lag(start_temp_c) OVER by_time AS start_temp_change_c, -- against the run before, °C
    regr_slope(energy_j, position) OVER whole AS slope_j_per_run, -- least-squares slope over all these runs, J per run
    count(*) OVER whole AS n_runs, -- runs compared
    stddev_samp(energy_j) OVER whole / nullif(avg(energy_j) OVER whole, 0) AS cv -- standard deviation / mean of them all
FROM ordered
WINDOW
    by_time AS (PARTITION BY exp_id, hw_id, workflow_type, is_estimated ORDER BY position),
    whole AS (
        PARTITION BY exp_id, hw_id, workflow_type, is_estimated
        ORDER BY position
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    );
