-- One experiment: a session's runs of one task with one model. Of several records of one experiment the newest counts;
-- an experiment that only its runs name, its own record being lost, is a row that says so.
-- depends: stage.experiments, stage.runs, stage.hardware_config, stage.environment_config, name_keys
-- unique: exp_key
CREATE OR REPLACE TABLE main.experiments (
    exp_id BIGINT PRIMARY KEY, -- time-ordered id: the greatest is the newest experiment
    name VARCHAR NOT NULL, -- experiment name
    description VARCHAR, -- free text
    workflow_type VARCHAR, -- linear, agentic or comparison
    model_name VARCHAR, -- model name as the source writes it
    provider VARCHAR, -- provider as the source writes it
    task_name VARCHAR, -- task identifier
    country_code VARCHAR, -- ISO 3166 code of the grid region
    created_at TIMESTAMPTZ, -- when the experiment was created
    group_id VARCHAR, -- session that it belongs to
    status VARCHAR, -- as the source gives it, else from its runs
    started_at TIMESTAMPTZ, -- as the source gives it, else the start of its first run
    completed_at TIMESTAMPTZ, -- as the source gives it, else the end of its last run
    error_message VARCHAR, -- why it failed
    runs_completed BIGINT, -- runs that ended well: as the source counts them, else counted
    runs_total BIGINT, -- runs planned
    optimization_enabled BIGINT, -- 0 or 1
    hw_id BIGINT, -- hardware; NULL where no record of it landed
    env_id BIGINT, -- software environment; NULL where no record of it landed
    exp_key BIGINT NOT NULL, -- id of the experiment in landing, without its time
    source_system VARCHAR NOT NULL, -- what recorded it
    host VARCHAR NOT NULL, -- host that recorded it
    source_exp_id VARCHAR, -- its id in the source
    model_key VARCHAR, -- canonical model; NULL where the registry does not know its name
    hardware_key VARCHAR, -- canonical GPU type; NULL without a GPU, or where the registry does not know it
    framework_key VARCHAR -- canonical framework; of an unknown one its lower-case name
);

INSERT INTO main.experiments BY NAME
WITH newest_runs AS (
    SELECT *
    FROM stage.runs
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
run_totals AS (
    SELECT
        exp_key,
        any_value(source_system) AS source_system,
        any_value(host) AS host,
        make_timestamptz(min(start_time_ns) // 1000) AS started_at,
        make_timestamptz(max(end_time_ns) // 1000) AS completed_at,
        count(*) AS n_runs,
        count(*) FILTER (WHERE status = 'completed') AS n_completed,
        count(*) FILTER (WHERE status = 'failed') AS n_failed,
        count(DISTINCT workflow_type) AS n_workflow_types,
        min(workflow_type) AS workflow_type,
        max(hw_id) AS hw_id,
        max(env_id) AS env_id
    FROM newest_runs
    GROUP BY exp_key
),
recorded AS (
    SELECT *
    FROM stage.experiments
    QUALIFY row_number() OVER (PARTITION BY exp_key ORDER BY recorded_at DESC, landing_date DESC) = 1
),
lost AS (
    SELECT exp_key, source_system, host, 'experiment whose record did not land' AS name
    FROM run_totals
    ANTI JOIN recorded ON recorded.exp_key = run_totals.exp_key
),
known AS (
    SELECT * EXCLUDE (landing_date)
    FROM recorded
    UNION ALL BY NAME
    SELECT exp_key, source_system, host, name
    FROM lost
),
timed AS (
    SELECT
        known.*,
        -- A lost record takes the time of its first run, so that it stands among the experiments of its day.
        ops.time_ordered_id(
            known.exp_key, floor(epoch(coalesce(known.created_at, run_totals.started_at)))::BIGINT
        ) AS base_id,
        run_totals.* EXCLUDE (exp_key, source_system, host, workflow_type, started_at, completed_at, hw_id, env_id),
        run_totals.workflow_type AS run_workflow_type,
        run_totals.started_at AS first_start,
        run_totals.completed_at AS last_end,
        run_totals.hw_id AS run_hw_id,
        run_totals.env_id AS run_env_id
    FROM known
    LEFT JOIN run_totals ON run_totals.exp_key = known.exp_key
),
positioned AS (
    SELECT
        *,
        row_number() OVER (ORDER BY base_id, source_system, host, source_exp_id, created_at, exp_key) AS position
    FROM timed
),
-- Equal ids take the next free value: see alems_pipeline/ids.py.
numbered AS (
    SELECT *, position + max(base_id - position) OVER (ORDER BY position) AS exp_id
    FROM positioned
),
hardware AS (
    SELECT hw_id, gpu_model
    FROM stage.hardware_config
    QUALIFY row_number() OVER (PARTITION BY hw_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
environment AS (
    SELECT env_id, any_value(llm_framework) AS llm_framework
    FROM stage.environment_config
    GROUP BY env_id
)
SELECT
    exp_id,
    name,
    description,
    coalesce(workflow_type, CASE WHEN n_workflow_types > 1 THEN 'comparison' ELSE run_workflow_type END)
        AS workflow_type,
    model_name,
    provider,
    task_name,
    country_code,
    created_at,
    group_id,
    CASE
        WHEN status IS NOT NULL THEN status
        WHEN n_completed = greatest(n_runs, coalesce(runs_total, 0)) THEN 'completed'
        WHEN n_completed > 0 THEN 'partial'
        WHEN n_failed > 0 THEN 'failed'
        WHEN n_runs > 0 THEN 'partial'
        ELSE 'pending'
    END AS status,
    coalesce(started_at, first_start) AS started_at,
    coalesce(completed_at, last_end) AS completed_at,
    error_message,
    coalesce(nullif(runs_completed, 0), n_completed, runs_completed) AS runs_completed,
    runs_total,
    optimization_enabled,
    hardware.hw_id,
    environment.env_id,
    exp_key,
    numbered.source_system,
    numbered.host,
    source_exp_id,
    models.key AS model_key,
    devices.key AS hardware_key,
    frameworks.key AS framework_key
FROM numbered
LEFT JOIN hardware ON hardware.hw_id = coalesce(numbered.hw_id, numbered.run_hw_id)
LEFT JOIN environment ON environment.env_id = coalesce(numbered.env_id, numbered.run_env_id)
LEFT JOIN main.name_keys AS models ON models.kind = 'model' AND models.raw_value = numbered.model_name
LEFT JOIN main.name_keys AS devices ON devices.kind = 'hardware' AND devices.raw_value = hardware.gpu_model
LEFT JOIN main.name_keys AS frameworks ON frameworks.kind = 'framework' AND frameworks.raw_value = environment.llm_framework;

-- The books of ids that were taken.
DELETE FROM ops.id_collisions
WHERE kind = 'experiment';

INSERT INTO ops.id_collisions BY NAME
WITH based AS (
    SELECT
        concat_ws(', ', source_system, host, source_exp_id, created_at) AS natural_key,
        ops.time_ordered_id(exp_key, floor(epoch(coalesce(created_at, started_at)))::BIGINT) AS base_id,
        exp_id AS given_id
    FROM main.experiments
)
SELECT 'experiment' AS kind, natural_key, base_id, given_id
FROM based
WHERE base_id <> given_id;
