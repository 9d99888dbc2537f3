-- Runs by quality and energy, and which of them no other beats in both: `pareto('accuracy')`, or
-- `pareto('loss', minimise := TRUE)`. Measured and estimated energies each have a front of their own.
-- depends: mlflow.latest_metrics, mlflow.runs, mlflow.v_run_energy
CREATE OR REPLACE MACRO mlflow.pareto(metric, minimise := FALSE) AS TABLE
WITH energies AS (
    SELECT
        e.run_uuid,
        CASE WHEN count(e.energy_j) = count(*) THEN sum(e.energy_j ORDER BY e.run_id) END AS energy_j,
        coalesce(bool_or(e.is_estimated), FALSE) AS is_estimated
    FROM mlflow.v_run_energy AS e
    GROUP BY e.run_uuid
),
points AS (
    SELECT
        runs.run_uuid,
        runs.name AS run_name,
        runs.experiment_id,
        latest.value,
        energies.energy_j,
        energies.is_estimated,
        CASE WHEN minimise THEN -latest.value ELSE latest.value END AS quality
    FROM mlflow.latest_metrics AS latest
    JOIN mlflow.runs AS runs ON runs.run_uuid = latest.run_uuid
    JOIN energies ON energies.run_uuid = runs.run_uuid
    WHERE latest.key = metric
        AND latest.value IS NOT NULL
        AND energies.energy_j IS NOT NULL
        AND runs.lifecycle_stage = 'active'
),
beaten AS (
    SELECT
        *,
        -- The best of those that take less energy, and of those that take as much.
        max(quality) OVER (
            PARTITION BY is_estimated ORDER BY energy_j RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS best_up_to_here,
        max(quality) OVER (
            PARTITION BY is_estimated ORDER BY energy_j
            RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
        ) AS best_below
    FROM points
)
SELECT
    run_uuid, -- tracked run
    run_name, -- its name
    experiment_id, -- experiment
    value, -- latest value of the metric
    energy_j, -- energy of the run, J
    is_estimated, -- the energy is modelled, not measured
    quality = best_up_to_here AND (best_below IS NULL OR quality > best_below) AS on_front -- no run is better in both
FROM beaten
ORDER BY is_estimated, energy_j, quality DESC, run_uuid;
