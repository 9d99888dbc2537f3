-- How far each figure of a run lies from those of equal runs: same hardware, model, provider, task and form; measured and
-- estimated ones apart, failed ones left out. The robust z is .6745 × (value − median) / median absolute deviation; a run
-- is an outlier beyond 3.5. Of fewer than 5 equal runs, or where more than half are equal to the digit, nothing is said.
-- depends: runs, experiments
CREATE OR REPLACE VIEW main.outliers AS
WITH figures AS (
    SELECT
        runs.run_id,
        runs.hw_id,
        experiments.provider,
        experiments.model_name,
        experiments.task_name,
        runs.workflow_type,
        runs.is_estimated,
        unnest([
            {'metric': 'dynamic_energy_j', 'value': runs.dynamic_energy_uj / 1e6},
            {'metric': 'duration_s', 'value': runs.duration_ns / 1e9},
            {'metric': 'avg_power_watts', 'value': runs.avg_power_watts},
            {'metric': 'energy_per_token', 'value': runs.energy_per_token},
            {'metric': 'ipc', 'value': runs.ipc},
            {'metric': 'max_temp_c', 'value': runs.max_temp_c},
            {'metric': 'api_latency_ms', 'value': runs.api_latency_ms}
        ]) AS figure
    FROM main.runs AS runs
    JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    WHERE NOT regexp_matches(runs.quality_flags, '"run_(failed|partial)"')
),
equals AS (
    SELECT
        figure.metric AS metric,
        is_estimated,
        median(figure.value) AS center,
        list({'run_id': run_id, 'value': figure.value}) AS members
    FROM figures
    WHERE figure.value IS NOT NULL
    GROUP BY hw_id, provider, model_name, task_name, workflow_type, is_estimated, figure.metric
),
spreads AS (
    SELECT
        *,
        len(members) AS n_runs,
        list_aggregate([abs(member.value - center) FOR member IN members], 'median') AS mad
    FROM equals
),
scored AS (
    SELECT metric, is_estimated, center, mad, n_runs, unnest(members) AS member
    FROM spreads
)
SELECT
    member.run_id AS run_id, -- run
    metric, -- dynamic_energy_j, duration_s, avg_power_watts, energy_per_token, ipc, max_temp_c or api_latency_ms
    is_estimated, -- the run's energy is modelled, not measured
    member.value AS value, -- of the run
    center AS median, -- of the equal runs
    mad, -- median absolute deviation of the equal runs
    n_runs, -- equal runs, this one included
    CASE WHEN n_runs >= 5 THEN 0.6745::DOUBLE * (member.value - center) / nullif(mad, 0) END AS robust_z, -- see above
    CASE WHEN n_runs >= 5 THEN abs(0.6745::DOUBLE * (member.value - center) / nullif(mad, 0)) > 3.5 END AS is_outlier -- see above
FROM scored;
