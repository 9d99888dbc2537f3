-- The measured energy of a tracked run, where the two name each other: the tracked run's tag alems.run_uid holds the
-- measured run's id (run_id, or $ALEMS_RUN_KEY of its program), or the measured run has a condition mlflow_run_uuid. A tag
-- on parent and child runs gives each of them the energy of the whole measured run: do not add them up.
-- depends: mlflow.tags, stage.runs, rcdb.conditions, rcdb.condition_types, runs
CREATE OR REPLACE VIEW mlflow.v_run_energy AS
WITH links AS (
    SELECT tags.run_uuid, try_cast(trim(tags.value) AS BIGINT) AS run_id, 'tag alems.run_uid' AS linked_by
    FROM mlflow.tags AS tags
    WHERE tags.key = 'alems.run_uid'
    UNION ALL
    SELECT tags.run_uuid, measured.run_id, 'tag alems.run_uid'
    FROM mlflow.tags AS tags
    JOIN stage.runs AS measured ON measured.run_key = try_cast(trim(tags.value) AS BIGINT)
    WHERE tags.key = 'alems.run_uid'
    UNION ALL
    SELECT conditions.text_value, conditions.run_number, 'condition mlflow_run_uuid'
    FROM rcdb.conditions AS conditions
    JOIN rcdb.condition_types AS types ON types.id = conditions.condition_type_id
    WHERE types.name = 'mlflow_run_uuid'
),
linked AS (
    SELECT run_uuid, run_id, max(linked_by) AS linked_by
    FROM links
    GROUP BY run_uuid, run_id
)
SELECT
    linked.run_uuid, -- tracked run
    linked.run_id, -- measured run
    linked.linked_by, -- tag alems.run_uid or condition mlflow_run_uuid
    runs.total_energy_uj / 1e6 AS energy_j, -- total energy
    runs.energy_lo_uj / 1e6 AS energy_lo_j, -- it is certainly not less
    runs.energy_hi_uj / 1e6 AS energy_hi_j, -- it is certainly not more; NULL where there is no bound
    runs.dynamic_energy_uj / 1e6 AS dynamic_energy_j, -- energy above idle
    runs.duration_ns / 1e9 AS duration_s, -- length of the measured run
    runs.energy_source, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time
    runs.is_estimated, -- the energy is modelled, not measured
    runs.total_carbon_g, -- CO2e of the total energy
    runs.quality_flags -- JSON list of codes, explained in sql/core/runs.sql
FROM linked
JOIN main.runs AS runs ON runs.run_id = linked.run_id;
