-- The lineage is complete and leads in no circle: every end of a step is there, and every run has the files it is from.
-- It only warns: figures do not depend on the lineage, and an imported store may name what it no longer has.
-- depends: lineage_nodes, lineage_edges, runs
-- severity: warn
WITH RECURSIVE steps AS (
    SELECT source_node AS source, target_node AS target
    FROM main.lineage_edges
),
-- A circle loses no step when those are left out whose source nothing leads to, or whose target leads nowhere: done
-- twice, few steps are left to be walked.
inner_once AS (
    SELECT source, target
    FROM steps
    WHERE source IN (SELECT target FROM steps)
        AND target IN (SELECT source FROM steps)
),
inner_twice AS (
    SELECT source, target
    FROM inner_once
    WHERE source IN (SELECT target FROM inner_once)
        AND target IN (SELECT source FROM inner_once)
),
walk AS (
    SELECT source, target
    FROM inner_twice
    UNION
    SELECT walk.source, inner_twice.target
    FROM walk
    JOIN inner_twice ON inner_twice.source = walk.target
),
findings AS (
    SELECT 'lineage_edges' AS table_name, 'a source of kind ' || source_kind || ' is no node' AS problem, count(*) AS n
    FROM main.lineage_edges AS edges
    ANTI JOIN main.lineage_nodes AS nodes ON nodes.node = edges.source_node
    GROUP BY source_kind
    UNION ALL
    SELECT 'lineage_edges', 'a target of kind ' || target_kind || ' is no node', count(*)
    FROM main.lineage_edges AS edges
    ANTI JOIN main.lineage_nodes AS nodes ON nodes.node = edges.target_node
    GROUP BY target_kind
    UNION ALL
    SELECT 'lineage_edges', 'something was made from itself, in a circle', count(DISTINCT source)
    FROM walk
    WHERE source = target
    UNION ALL
    SELECT 'lineage_nodes', 'something that stands twice', count(*) - count(DISTINCT node)
    FROM main.lineage_nodes
    UNION ALL
    SELECT 'runs', 'a measured run without the landing file of its record', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.lineage_edges AS edges
        ON edges.target_id = runs.run_id::VARCHAR
        AND edges.target_kind = 'run'
        AND edges.source_kind = 'landing_file'
        AND edges.relation = 'runs'
    UNION ALL
    SELECT 'runs', 'a run with an energy, without the landing file of its samples', count(*)
    FROM main.runs AS runs
    ANTI JOIN main.lineage_edges AS edges
        ON edges.target_id = runs.run_id::VARCHAR
        AND edges.target_kind = 'run'
        AND edges.source_kind = 'landing_file'
        AND edges.relation IN ('energy_samples', 'gpu_samples')
    WHERE runs.total_energy_uj IS NOT NULL
        AND runs.energy_source <> 'reported'
    UNION ALL
    SELECT 'lineage_nodes', 'a run of ' || nodes.system || ' without the landing file of its record', count(*)
    FROM main.lineage_nodes AS nodes
    ANTI JOIN main.lineage_edges AS edges
        ON edges.target_node = nodes.node
        AND edges.source_kind = 'landing_file'
        AND edges.relation IN ('mlflow_runs', 'rcdb_runs', 'inference_artifacts')
    WHERE nodes.kind = 'run'
        AND nodes.system IN ('mlflow', 'rcdb', 'inference')
    GROUP BY nodes.system
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
