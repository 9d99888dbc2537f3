-- Quality against energy: the latest value of a metric of each run whose energy is known, and how much of it a joule gives,
-- best first. `quality_per_joule('accuracy')` is accuracy per joule. Only for metrics of which more is better. Several
-- measured runs of one tracked run are added up, if all are known; measured and estimated energies are told apart.
-- depends: mlflow.latest_metrics, mlflow.runs, mlflow.experiments, mlflow.v_run_energy
CREATE OR REPLACE MACRO mlflow.quality_per_joule(metric) AS TABLE
WITH energies AS (
    SELECT
        e.run_uuid,
        CASE WHEN count(e.energy_j) = count(*) THEN sum(e.energy_j ORDER BY e.run_id) END AS energy_j,
        CASE WHEN count(e.energy_lo_j) = count(*) THEN sum(e.energy_lo_j ORDER BY e.run_id) END AS energy_lo_j,
        CASE WHEN count(e.energy_hi_j) = count(*) THEN sum(e.energy_hi_j ORDER BY e.run_id) END AS energy_hi_j,
        coalesce(bool_or(e.is_estimated), FALSE) AS is_estimated,
        count(*) AS n_measured
    FROM mlflow.v_run_energy AS e
    GROUP BY e.run_uuid
)
SELECT
    runs.run_uuid, -- tracked run
    runs.name AS run_name, -- its name
    experiments.name AS experiment_name, -- experiment
    latest.value, -- latest value of the metric
    energies.energy_j, -- energy of the run, J
    latest.value / nullif(energies.energy_j, 0) AS value_per_j, -- the metric per joule
    latest.value / nullif(energies.energy_hi_j, 0) AS value_per_j_lo, -- it is certainly not less; NULL without a bound
    latest.value / nullif(energies.energy_lo_j, 0) AS value_per_j_hi, -- it is certainly not more; NULL without a bound
    energies.is_estimated, -- the energy is modelled, not measured
    energies.n_measured -- measured runs that it is the sum of
FROM mlflow.latest_metrics AS latest
JOIN mlflow.runs AS runs ON runs.run_uuid = latest.run_uuid
JOIN energies ON energies.run_uuid = runs.run_uuid
LEFT JOIN mlflow.experiments AS experiments ON experiments.experiment_id = runs.experiment_id
WHERE latest.key = metric
    AND latest.value IS NOT NULL
    AND energies.energy_j IS NOT NULL
    AND runs.lifecycle_stage = 'active'
ORDER BY value_per_j DESC, runs.run_uuid;
