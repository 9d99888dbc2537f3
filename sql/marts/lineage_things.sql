-- What stands in the lineage, but for the results of serving benchmarks, of which there may be millions: see lineage_nodes.
-- depends: ops.landing_files, hardware_config, environment_config, idle_baselines, experiments, runs, ml.datasets, ml.predictions, tracked.experiments, tracked_runs, tracked.datasets, tracked.inputs, tracked.registered_models, tracked.model_versions, stage.rcdb_runs, stage.rcdb_files, inference.workflow_runs, inference.configs, inference.eval_results
-- unique: kind, id
CREATE OR REPLACE TABLE main.lineage_things (
    node UBIGINT NOT NULL, -- its number in this publication, by which the steps are walked: a hash of kind and id
    kind VARCHAR NOT NULL, -- what it is
    id VARCHAR NOT NULL, -- its id, unique in its kind
    label VARCHAR, -- how a person calls it
    system VARCHAR NOT NULL, -- where it is from: energy, ml, mlflow, rcdb, inference, landing
    began_at TIMESTAMPTZ -- when it began, was made or was collected
);

INSERT INTO main.lineage_things BY NAME
WITH found AS (
    SELECT 'landing_file' AS kind, path AS id, path AS label, 'landing' AS system, created_at AS began_at
    FROM ops.landing_files
    WHERE status = 'accepted'
    UNION ALL
    SELECT 'hardware', hw_id::VARCHAR, concat_ws(', ', hostname, cpu_model), 'energy', detected_at
    FROM main.hardware_config
    UNION ALL
    SELECT 'environment', env_id::VARCHAR, concat_ws(', ', os_name, 'Python ' || python_version), 'energy', created_at
    FROM main.environment_config
    UNION ALL
    SELECT 'code', git_commit, concat_ws(' ', git_branch, left(git_commit, 12)), 'energy', NULL
    FROM main.environment_config
    WHERE git_commit IS NOT NULL
    UNION ALL
    SELECT 'baseline', baseline_id, baseline_id, 'energy', make_timestamptz((timestamp * 1e6)::BIGINT)
    FROM main.idle_baselines
    UNION ALL
    SELECT 'experiment', exp_id::VARCHAR, concat_ws(' / ', name, task_name, model_name), 'energy', created_at
    FROM main.experiments
    UNION ALL
    SELECT
        'run',
        runs.run_id::VARCHAR,
        concat_ws(' ', experiments.task_name, runs.workflow_type, runs.run_number),
        'energy',
        make_timestamptz(runs.start_time_ns // 1000)
    FROM main.runs AS runs
    JOIN main.experiments AS experiments ON experiments.exp_id = runs.exp_id
    UNION ALL
    SELECT 'dataset', name || '@' || digest, name, 'ml', recorded_at
    FROM ml.datasets
    UNION ALL
    SELECT 'run', run_uuid, run_uuid, 'ml', recorded_at
    FROM ml.predictions
    WHERE run_uuid IS NOT NULL
    UNION ALL
    SELECT 'model_version', model_name || '/' || model_version, model_name || ' ' || model_version, 'ml', recorded_at
    FROM ml.predictions
    WHERE model_name IS NOT NULL
        AND model_version IS NOT NULL
    UNION ALL
    SELECT 'model', model_name, model_name, 'ml', recorded_at
    FROM ml.predictions
    WHERE model_name IS NOT NULL
    UNION ALL
    SELECT 'experiment', store || '/' || experiment_id, name, 'mlflow', ops.time_of_ms(creation_time)
    FROM tracked.experiments
    UNION ALL
    SELECT 'run', run_uuid, name, 'mlflow', started_at
    FROM main.tracked_runs
    UNION ALL
    SELECT 'artifact', artifact_uri, artifact_uri, 'mlflow', started_at
    FROM main.tracked_runs
    WHERE artifact_uri IS NOT NULL
    UNION ALL
    SELECT 'code', source_version, left(source_version, 12), 'mlflow', NULL
    FROM main.tracked_runs
    WHERE source_version <> ''
    UNION ALL
    SELECT 'code', git_commit, left(git_commit, 12), 'mlflow', NULL
    FROM main.tracked_runs
    WHERE git_commit <> ''
    UNION ALL
    SELECT 'dataset', name || '@' || digest, name, 'mlflow', recorded_at
    FROM tracked.datasets
    UNION ALL
    -- A model that a run logged or used, whether it was registered or not.
    SELECT 'model', destination_id, destination_id, 'mlflow', recorded_at
    FROM tracked.inputs
    WHERE destination_type IN ('MODEL_OUTPUT', 'MODEL_INPUT')
    UNION ALL
    SELECT
        'model',
        CASE WHEN store = 'mlflow' THEN name ELSE store || '/' || name END,
        name,
        'mlflow',
        ops.time_of_ms(creation_time)
    FROM tracked.registered_models
    UNION ALL
    SELECT
        'model',
        CASE WHEN store = 'mlflow' THEN name ELSE store || '/' || name END,
        name,
        'mlflow',
        ops.time_of_ms(creation_time)
    FROM tracked.model_versions
    UNION ALL
    SELECT
        'model_version',
        CASE WHEN store = 'mlflow' THEN '' ELSE store || '/' END || name || '/' || version,
        name || ' ' || version,
        'mlflow',
        ops.time_of_ms(creation_time)
    FROM tracked.model_versions
    UNION ALL
    SELECT 'run', schema_name || ':' || number, schema_name || ' ' || number, 'rcdb', started
    FROM stage.rcdb_runs
    UNION ALL
    SELECT 'artifact', schema_name || ':file:' || file_id, path, 'rcdb', NULL
    FROM stage.rcdb_files
    UNION ALL
    SELECT 'run', 'inference:' || workflow_run_id, concat_ws(' ', name, run_name, run_attempt), 'inference', created_at
    FROM inference.workflow_runs
    UNION ALL
    SELECT 'code', head_sha, left(head_sha, 12), 'inference', NULL
    FROM inference.workflow_runs
    WHERE head_sha <> ''
    UNION ALL
    SELECT 'hardware', hardware, hardware, 'inference', NULL
    FROM inference.configs
    UNION ALL
    SELECT 'model', model, model, 'inference', NULL
    FROM inference.configs
    UNION ALL
    SELECT 'benchmark_config', config_id::VARCHAR, concat_ws(' ', model, composite_key), 'inference', NULL
    FROM inference.configs
    UNION ALL
    SELECT
        'benchmark_result',
        concat_ws('/', workflow_run_id, config_id, task, coalesce(isl, 0), coalesce(osl, 0), coalesce(conc, 0)),
        task,
        'inference',
        date::TIMESTAMPTZ
    FROM inference.eval_results
),
once AS (
    -- What several systems know stands once; what is only known from predictions says least.
    SELECT kind, id, label, system, began_at
    FROM found
    QUALIFY row_number() OVER (PARTITION BY kind, id ORDER BY system = 'ml' AND kind <> 'dataset', system, began_at DESC NULLS LAST, label) = 1
)
SELECT hash(kind || ' ' || id) AS node, kind, id, label, system, began_at
FROM once;
