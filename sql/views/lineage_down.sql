-- What was made from something, and from that, step by step: lineage_down('run', 3). A row per step; distance 0 is the
-- thing itself, and what is reached from several things stands once for each.
-- depends: lineage_nodes, lineage_edges
CREATE OR REPLACE MACRO main.lineage_down(of_kind, of_id) AS TABLE
WITH RECURSIVE reached USING KEY (node) AS (
    SELECT node, 0 AS distance
    FROM main.lineage_nodes
    WHERE kind = of_kind::VARCHAR
        AND id = of_id::VARCHAR
    UNION
    SELECT edges.target_node, min(reached.distance) + 1
    FROM reached
    JOIN main.lineage_edges AS edges ON edges.source_node = reached.node
    ANTI JOIN recurring.reached AS known ON known.node = edges.target_node
    GROUP BY edges.target_node
),
walk AS (
    SELECT 0 AS distance, node, NULL::VARCHAR AS relation, NULL::UBIGINT AS via_node
    FROM reached
    WHERE distance = 0
    UNION ALL
    SELECT DISTINCT reached.distance + 1, edges.target_node, edges.relation, reached.node
    FROM reached
    JOIN main.lineage_edges AS edges ON edges.source_node = reached.node
)
SELECT
    walk.distance, -- steps away, on the shortest way to the thing that it was reached from
    nodes.kind, -- what it is
    nodes.id, -- its id
    nodes.label, -- how a person calls it
    nodes.system, -- where it is from
    nodes.began_at, -- when it was
    walk.relation, -- what the thing that it was reached from is to it
    via.kind AS via_kind, -- the thing that it was reached from
    via.id AS via_id -- its id
FROM walk
JOIN main.lineage_nodes AS nodes ON nodes.node = walk.node
LEFT JOIN main.lineage_nodes AS via ON via.node = walk.via_node
ORDER BY walk.distance, nodes.kind, nodes.id, via_kind, via_id;
