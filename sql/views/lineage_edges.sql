-- One step of the lineage: the target was made from the source, or belongs to it. Between runs a step leads from the one
-- that began earlier (of two at once, by id): a run that names a later one as its parent, or uses a model that it or a later
-- one makes, be it once more, does so against time, and would lead in a circle.
-- depends: lineage_steps, lineage_results
-- unique: source_kind, source_id, target_kind, target_id, relation
CREATE OR REPLACE VIEW main.lineage_edges AS
SELECT
    source_kind, -- kind of the source
    source_id, -- its id
    target_kind, -- kind of the target
    target_id, -- its id
    relation, -- what the source is to the target
    source_node, -- the source's number in lineage_nodes
    target_node -- the target's number
FROM main.lineage_steps
UNION ALL
SELECT 'run', run_id, 'benchmark_result', id, 'measured', run_node, node
FROM main.lineage_results
UNION ALL
SELECT 'benchmark_config', config_id, 'benchmark_result', id, 'measured as', config_node, node
FROM main.lineage_results;
