-- What any run was made from and what was made from it, whatever system it is of: files, commit, data, hardware, baseline;
-- models, results, artifacts. Of all steps up and down; for the steps themselves see lineage_up and lineage_down.
-- depends: lineage_nodes, lineage_edges
-- unique: id
CREATE OR REPLACE VIEW main.v_run_lineage AS
WITH RECURSIVE up AS (
    SELECT target_node AS run, source_node AS node
    FROM main.lineage_edges
    WHERE target_kind = 'run'
    UNION
    SELECT up.run, edges.source_node
    FROM up
    JOIN main.lineage_edges AS edges ON edges.target_node = up.node
),
down AS (
    SELECT source_node AS run, target_node AS node
    FROM main.lineage_edges
    WHERE source_kind = 'run'
    UNION
    SELECT down.run, edges.target_node
    FROM down
    JOIN main.lineage_edges AS edges ON edges.source_node = down.node
),
origins AS (
    SELECT
        run,
        list(id ORDER BY id) FILTER (kind = 'landing_file') AS landing_files,
        list(id ORDER BY id) FILTER (kind = 'code') AS commits,
        list(id ORDER BY id) FILTER (kind = 'dataset') AS datasets,
        list(id ORDER BY id) FILTER (kind = 'hardware') AS hardware,
        list(id ORDER BY id) FILTER (kind = 'environment') AS environments,
        list(id ORDER BY id) FILTER (kind = 'baseline') AS baselines,
        list(id ORDER BY id) FILTER (kind = 'experiment') AS experiments,
        list(id ORDER BY id) FILTER (kind = 'run') AS runs,
        list(id ORDER BY id) FILTER (kind = 'model') AS models,
        list(id ORDER BY id) FILTER (kind = 'artifact') AS files,
        list(id ORDER BY id) FILTER (kind = 'benchmark_config') AS benchmark_configs
    FROM up
    JOIN main.lineage_nodes AS nodes ON nodes.node = up.node
    GROUP BY run
),
results AS (
    SELECT
        run,
        list(id ORDER BY id) FILTER (kind = 'run') AS runs,
        list(id ORDER BY id) FILTER (kind = 'model') AS models,
        list(id ORDER BY id) FILTER (kind = 'model_version') AS model_versions,
        list(id ORDER BY id) FILTER (kind IN ('artifact', 'landing_file')) AS artifacts,
        list(id ORDER BY id) FILTER (kind = 'benchmark_result') AS benchmark_results
    FROM down
    JOIN main.lineage_nodes AS nodes ON nodes.node = down.node
    GROUP BY run
)
SELECT
    nodes.id, -- run: run_id of a measured one, run_uuid of MLflow, else with its system before it
    nodes.system, -- system that it is of
    nodes.label, -- how a person calls it
    nodes.began_at, -- when it began
    origins.landing_files, -- files that hold what it was made from
    origins.commits, -- commits of its code
    origins.datasets, -- data, as name@digest
    origins.hardware, -- hosts
    origins.environments, -- software environments
    origins.baselines, -- idle baselines
    origins.experiments, -- experiments
    origins.runs AS from_runs, -- runs that it is part of, or was measured by
    origins.models AS from_models, -- models that it used
    origins.files AS from_files, -- its configuration and log files
    origins.benchmark_configs, -- benchmark configurations
    results.runs AS to_runs, -- runs that are part of it, or that it measured
    results.models, -- models that it made
    results.model_versions, -- model versions made from it
    results.artifacts, -- places of what it left, and files of its predictions
    results.benchmark_results -- benchmark results
FROM main.lineage_nodes AS nodes
LEFT JOIN origins ON origins.run = nodes.node
LEFT JOIN results ON results.run = nodes.node
WHERE nodes.kind = 'run';
