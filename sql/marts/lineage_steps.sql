-- One step of the lineage, but for those to the results of serving benchmarks, of which there may be millions: see
-- lineage_edges.
-- depends: ops.landing_files, stage.landing_subjects, stage.runs, hardware_config, environment_config, idle_baselines, experiments, runs, run_grid_factors, stage.carbon_intensity, ml.datasets, ml.predictions, lineage_things, tracked_runs, tracked.datasets, tracked.inputs, tracked.model_versions, tracked_measurements, stage.rcdb_runs, stage.rcdb_files, stage.rcdb_files_have_runs, inference.workflow_runs, inference.configs, inference.eval_results
-- unique: source_kind, source_id, target_kind, target_id, relation
CREATE OR REPLACE TABLE main.lineage_steps (
    source_kind VARCHAR NOT NULL, -- kind of the source
    source_id VARCHAR NOT NULL, -- its id
    target_kind VARCHAR NOT NULL, -- kind of the target
    target_id VARCHAR NOT NULL, -- its id
    relation VARCHAR NOT NULL, -- what the source is to the target
    source_node UBIGINT NOT NULL, -- the source's number in lineage_things
    target_node UBIGINT NOT NULL -- the target's number
);

INSERT INTO main.lineage_steps BY NAME
WITH run_keys AS (
    SELECT DISTINCT staged.run_key::VARCHAR AS subject, runs.run_id::VARCHAR AS run_id
    FROM stage.runs AS staged
    JOIN main.runs AS runs ON runs.run_id = staged.run_id
),
-- Of the records of a host, an environment, a baseline or an experiment only the newest counts, and so does its file:
-- each session drops them again.
of_file AS (
    SELECT
        subjects.path,
        subjects.dataset,
        subjects.subject,
        subjects.landing_date
    FROM stage.landing_subjects AS subjects
    JOIN ops.landing_files AS files ON files.path = subjects.path
    QUALIFY subjects.dataset NOT IN ('experiments', 'hardware_config', 'environment_config', 'idle_baselines')
        OR row_number() OVER (
            PARTITION BY subjects.dataset, subjects.subject
            ORDER BY files.created_at DESC, subjects.path DESC
        ) = 1
),
tracked_runs AS (
    SELECT *
    FROM main.tracked_runs
),
models_used AS (
    SELECT inputs.source_id AS run_uuid, inputs.destination_id AS model_id, tracked_runs.started_at
    FROM tracked.inputs AS inputs
    JOIN tracked_runs ON tracked_runs.run_uuid = inputs.source_id AND tracked_runs.store = inputs.store
    WHERE inputs.source_type = 'RUN_INPUT'
        AND inputs.destination_type = 'MODEL_INPUT'
),
models_made AS (
    SELECT inputs.source_id AS run_uuid, inputs.destination_id AS model_id, tracked_runs.started_at
    FROM tracked.inputs AS inputs
    JOIN tracked_runs ON tracked_runs.run_uuid = inputs.source_id AND tracked_runs.store = inputs.store
    WHERE inputs.source_type = 'RUN_OUTPUT'
        AND inputs.destination_type = 'MODEL_OUTPUT'
),
-- A number of RCDB is a run of its store, or a measured run.
numbered AS (
    SELECT schema_name, number, schema_name || ':' || number AS run
    FROM stage.rcdb_runs
    UNION
    SELECT 'rcdb', run_id, run_id::VARCHAR
    FROM main.runs
),
found AS (
    SELECT 'landing_file' AS source_kind, path AS source_id, 'run' AS target_kind, run_id AS target_id, dataset AS relation
    FROM of_file
    JOIN run_keys ON run_keys.subject = of_file.subject
    UNION ALL
    SELECT 'landing_file', pairs.path, 'run', run_id, 'reported_tax'
    FROM (
        SELECT path, unnest(string_split(subject, chr(31))) AS subject
        FROM of_file
        WHERE dataset = 'reported_tax'
    ) AS pairs
    JOIN run_keys ON run_keys.subject = pairs.subject
    UNION ALL
    SELECT 'landing_file', path, 'experiment', exp_id::VARCHAR, dataset
    FROM of_file
    JOIN main.experiments AS experiments ON experiments.exp_key::VARCHAR = of_file.subject
    WHERE dataset = 'experiments'
    UNION ALL
    SELECT 'landing_file', path, 'hardware', hw_id::VARCHAR, dataset
    FROM of_file
    JOIN main.hardware_config AS hardware ON hardware.hw_id::VARCHAR = of_file.subject
    WHERE dataset = 'hardware_config'
    UNION ALL
    SELECT 'landing_file', path, 'environment', env_id::VARCHAR, dataset
    FROM of_file
    JOIN main.environment_config AS environment ON environment.env_id::VARCHAR = of_file.subject
    WHERE dataset = 'environment_config'
    UNION ALL
    SELECT 'landing_file', path, 'baseline', baseline_id, dataset
    FROM of_file
    JOIN main.idle_baselines AS baselines
        ON concat_ws(chr(31), baselines.source_system, baselines.host, baselines.source_baseline_id) = of_file.subject
    WHERE dataset = 'idle_baselines'
    UNION ALL
    SELECT 'code', git_commit, 'environment', env_id::VARCHAR, 'code of'
    FROM main.environment_config
    WHERE git_commit IS NOT NULL
    UNION ALL
    SELECT 'hardware', hw_id::VARCHAR, 'baseline', baseline_id, 'measured on'
    FROM main.idle_baselines
    WHERE hw_id IS NOT NULL
    UNION ALL
    SELECT 'hardware', hw_id::VARCHAR, 'run', run_id::VARCHAR, 'ran on'
    FROM main.runs
    WHERE hw_id IS NOT NULL
    UNION ALL
    SELECT 'environment', env_id::VARCHAR, 'run', run_id::VARCHAR, 'ran in'
    FROM main.runs
    WHERE env_id IS NOT NULL
    UNION ALL
    SELECT 'baseline', baseline_id, 'run', run_id::VARCHAR, 'idle power of'
    FROM main.runs
    WHERE baseline_id IS NOT NULL
    UNION ALL
    SELECT 'experiment', exp_id::VARCHAR, 'run', run_id::VARCHAR, 'has'
    FROM main.runs
    UNION ALL
    SELECT 'landing_file', path, 'run', factors.run_id::VARCHAR, dataset
    FROM main.run_grid_factors AS factors
    JOIN main.runs AS runs ON runs.run_id = factors.run_id
    JOIN stage.carbon_intensity AS series
        ON series.region = factors.country_code
        AND series.window_start < make_timestamptz(runs.end_time_ns // 1000)
        AND series.window_end > make_timestamptz(runs.start_time_ns // 1000)
    JOIN of_file
        ON of_file.dataset = 'carbon_intensity'
        AND of_file.subject = series.region
        AND of_file.landing_date = series.landing_date
    WHERE factors.carbon_source IN ('actual', 'forecast')
    UNION ALL
    SELECT 'landing_file', path, 'dataset', name || '@' || digest, dataset
    FROM of_file
    JOIN ml.datasets AS datasets ON datasets.dataset_id::VARCHAR = of_file.subject
    WHERE dataset IN ('ml_datasets', 'ml_samples', 'ml_targets')
    UNION ALL
    SELECT 'dataset', name || '@' || digest, 'run', run_uuid, 'predicted by'
    FROM ml.predictions AS predictions
    JOIN ml.datasets AS datasets ON datasets.dataset_id = predictions.dataset_id
    WHERE run_uuid IS NOT NULL
    UNION ALL
    SELECT 'run', split_part(subject, chr(31), 2), 'landing_file', path, 'predictions'
    FROM of_file
    WHERE dataset = 'ml_predictions'
        AND split_part(subject, chr(31), 2) <> ''
    UNION ALL
    SELECT 'run', run_uuid, 'model_version', model_name || '/' || model_version, 'made'
    FROM ml.predictions
    WHERE run_uuid IS NOT NULL
        AND model_name IS NOT NULL
        AND model_version IS NOT NULL
    UNION ALL
    SELECT 'model', model_name, 'model_version', model_name || '/' || model_version, 'has'
    FROM ml.predictions
    WHERE model_name IS NOT NULL
        AND model_version IS NOT NULL
    UNION ALL
    SELECT 'landing_file', path, 'experiment', replace(subject, chr(31), '/'), dataset
    FROM of_file
    WHERE dataset = 'mlflow_experiments'
    UNION ALL
    SELECT 'landing_file', path, 'run', subject, dataset
    FROM of_file
    SEMI JOIN tracked_runs ON tracked_runs.run_uuid = of_file.subject
    WHERE dataset IN ('mlflow_runs', 'mlflow_params', 'mlflow_tags', 'mlflow_metrics', 'mlflow_latest_metrics')
    UNION ALL
    SELECT 'landing_file', path, 'dataset', replace(subject, chr(31), '@'), dataset
    FROM of_file
    WHERE dataset = 'mlflow_datasets'
    UNION ALL
    SELECT 'landing_file', path, 'model', regexp_replace(replace(subject, chr(31), '/'), '^mlflow/', ''), dataset
    FROM of_file
    WHERE dataset = 'mlflow_registered_models'
    UNION ALL
    SELECT 'landing_file', path, 'model_version', regexp_replace(replace(subject, chr(31), '/'), '^mlflow/', ''), dataset
    FROM of_file
    WHERE dataset = 'mlflow_model_versions'
    UNION ALL
    SELECT 'experiment', store || '/' || experiment_id, 'run', run_uuid, 'has'
    FROM tracked_runs
    WHERE experiment_id IS NOT NULL
    UNION ALL
    SELECT 'run', run_uuid, 'artifact', artifact_uri, 'left'
    FROM tracked_runs
    WHERE artifact_uri IS NOT NULL
    UNION ALL
    SELECT 'code', source_version, 'run', run_uuid, 'code of'
    FROM tracked_runs
    WHERE source_version <> ''
    UNION ALL
    SELECT 'code', git_commit, 'run', run_uuid, 'code of'
    FROM tracked_runs
    WHERE git_commit <> ''
    UNION ALL
    SELECT 'run', parent.run_uuid, 'run', child.run_uuid, 'parent of'
    FROM tracked_runs AS child
    JOIN tracked_runs AS parent ON parent.run_uuid = child.parent_run_uuid
    WHERE (coalesce(parent.started_at, TIMESTAMPTZ 'epoch'), parent.run_uuid)
        < (coalesce(child.started_at, TIMESTAMPTZ 'epoch'), child.run_uuid)
    UNION ALL
    SELECT 'run', run_id::VARCHAR, 'run', run_uuid, 'measured'
    FROM main.tracked_measurements
    UNION ALL
    SELECT 'dataset', data.name || '@' || data.digest, 'run', inputs.destination_id, 'used by'
    FROM tracked.inputs AS inputs
    JOIN tracked.datasets AS data
        ON data.dataset_uuid = inputs.source_id
        AND data.store = inputs.store
    SEMI JOIN tracked_runs ON tracked_runs.run_uuid = inputs.destination_id AND tracked_runs.store = inputs.store
    WHERE inputs.source_type = 'DATASET'
        AND inputs.destination_type = 'RUN'
    UNION ALL
    SELECT 'run', run_uuid, 'model', model_id, 'made'
    FROM models_made
    UNION ALL
    SELECT 'model', used.model_id, 'run', used.run_uuid, 'used by'
    FROM models_used AS used
    ANTI JOIN models_made AS made
        ON made.model_id = used.model_id
        AND (coalesce(made.started_at, TIMESTAMPTZ 'epoch'), made.run_uuid)
            >= (coalesce(used.started_at, TIMESTAMPTZ 'epoch'), used.run_uuid)
    UNION ALL
    SELECT
        'run',
        run_id,
        'model_version',
        CASE WHEN store = 'mlflow' THEN '' ELSE store || '/' END || name || '/' || version,
        'made'
    FROM tracked.model_versions AS versions
    SEMI JOIN tracked_runs ON tracked_runs.run_uuid = versions.run_id
    UNION ALL
    SELECT
        'model',
        CASE WHEN store = 'mlflow' THEN name ELSE store || '/' || name END,
        'model_version',
        CASE WHEN store = 'mlflow' THEN '' ELSE store || '/' END || name || '/' || version,
        'has'
    FROM tracked.model_versions
    UNION ALL
    SELECT
        'model',
        models_made.model_id,
        'model_version',
        CASE WHEN store = 'mlflow' THEN '' ELSE store || '/' END || name || '/' || version,
        'registered as'
    FROM tracked.model_versions AS versions
    JOIN models_made ON versions.source = 'models:/' || models_made.model_id
    UNION ALL
    SELECT 'landing_file', path, 'run', numbered.run, dataset
    FROM of_file
    JOIN numbered ON numbered.schema_name || chr(31) || numbered.number = of_file.subject
    WHERE dataset IN ('rcdb_runs', 'rcdb_conditions', 'written_conditions')
    UNION ALL
    SELECT 'landing_file', path, 'artifact', replace(subject, chr(31), ':file:'), dataset
    FROM of_file
    WHERE dataset = 'rcdb_files'
    UNION ALL
    SELECT 'artifact', links.schema_name || ':file:' || links.file_id, 'run', numbered.run, 'file of'
    FROM stage.rcdb_files_have_runs AS links
    SEMI JOIN stage.rcdb_files AS files
        ON files.schema_name = links.schema_name
        AND files.file_id = links.file_id
    JOIN numbered
        ON numbered.schema_name = links.schema_name
        AND numbered.number = links.run_number
    UNION ALL
    SELECT 'landing_file', path, 'run', 'inference:' || workflow_run_id, dataset
    FROM of_file
    JOIN inference.workflow_runs AS runs
        ON of_file.subject = concat_ws(chr(31), runs.run_name, runs.run_attempt)
    WHERE dataset = 'inference_artifacts'
    UNION ALL
    SELECT 'code', head_sha, 'run', 'inference:' || workflow_run_id, 'code of'
    FROM inference.workflow_runs
    WHERE head_sha <> ''
    UNION ALL
    SELECT 'hardware', hardware, 'benchmark_config', config_id::VARCHAR, 'serves'
    FROM inference.configs
    UNION ALL
    SELECT 'model', model, 'benchmark_config', config_id::VARCHAR, 'served by'
    FROM inference.configs
    UNION ALL
    SELECT
        unnest(['run', 'benchmark_config']),
        unnest(['inference:' || workflow_run_id, config_id::VARCHAR]),
        'benchmark_result',
        concat_ws('/', workflow_run_id, config_id, task, coalesce(isl, 0), coalesce(osl, 0), coalesce(conc, 0)),
        unnest(['evaluated', 'evaluated as'])
    FROM inference.eval_results
),
once AS (
    SELECT DISTINCT source_kind, source_id, target_kind, target_id, relation
    FROM found
)
SELECT
    *,
    hash(source_kind || ' ' || source_id) AS source_node,
    hash(target_kind || ' ' || target_id) AS target_node
FROM once
-- What a file speaks of may be no node: its row broke the contract.
WHERE source_kind <> 'landing_file'
    OR hash(target_kind || ' ' || target_id) IN (SELECT node FROM main.lineage_things);
