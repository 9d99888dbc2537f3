-- One step of the lineage: the target was made from the source, or says so of it.
-- depends: ops.landing_files, stage.landing_subjects, stage.runs, hardware_config, environment_config, idle_baselines, experiments, runs, run_grid_factors, stage.carbon_intensity, ml.datasets, ml.predictions, lineage_nodes
-- unique: source_kind, source_id, target_kind, target_id, relation
CREATE OR REPLACE TABLE main.lineage_edges (
    source_kind VARCHAR NOT NULL, -- kind of the source
    source_id VARCHAR NOT NULL, -- its id
    target_kind VARCHAR NOT NULL, -- kind of the target
    target_id VARCHAR NOT NULL, -- its id
    relation VARCHAR NOT NULL, -- what the source is to the target
    source_node INTEGER, -- the source's number in lineage_nodes; never NULL, or the check says so
    target_node INTEGER -- the target's number
);

INSERT INTO main.lineage_edges BY NAME
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
found AS (
    SELECT 'landing_file' AS source_kind, path AS source_id, 'run' AS target_kind, run_id AS target_id, dataset AS relation
    FROM of_file
    JOIN run_keys ON run_keys.subject = of_file.subject
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
),
once AS (
    SELECT DISTINCT source_kind, source_id, target_kind, target_id, relation
    FROM found
)
SELECT
    once.*,
    sources.node AS source_node,
    targets.node AS target_node
FROM once
LEFT JOIN main.lineage_nodes AS sources
    ON sources.id = once.source_id
    AND sources.kind = once.source_kind
LEFT JOIN main.lineage_nodes AS targets
    ON targets.id = once.target_id
    AND targets.kind = once.target_kind;
