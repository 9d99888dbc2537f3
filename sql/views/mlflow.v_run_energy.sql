-- The measured energy of a tracked run, where the two name each other: the tracked run's tag alems.run_uid holds the
-- measured run's id (run_id, or $ALEMS_RUN_KEY of its program), or the measured run has a condition mlflow_run_uuid. A tag
-- on parent and child runs gives each of them the energy of the whole measured run: do not add them up.
-- depends: tracked_measurements, runs
CREATE OR REPLACE VIEW mlflow.v_run_energy AS
SELECT
    links.run_uuid, -- tracked run
    links.run_id, -- measured run
    links.linked_by, -- tag alems.run_uid or condition mlflow_run_uuid
    runs.total_energy_uj / 1e6 AS energy_j, -- total energy
    runs.energy_lo_uj / 1e6 AS energy_lo_j, -- it is certainly not less
    runs.energy_hi_uj / 1e6 AS energy_hi_j, -- it is certainly not more; NULL where there is no bound
    runs.dynamic_energy_uj / 1e6 AS dynamic_energy_j, -- energy above idle
    runs.duration_ns / 1e9 AS duration_s, -- length of the measured run
    runs.energy_source, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time
    runs.is_estimated, -- the energy is modelled, not measured
    runs.total_carbon_g, -- CO2e of the total energy
    runs.quality_flags -- JSON list of codes, explained in sql/core/runs.sql
FROM main.tracked_measurements AS links
JOIN main.runs AS runs ON runs.run_id = links.run_id
WHERE links.store = {store};
