-- Everything that was made from any version of a dataset, by its name: runs, models, predictions.
SELECT
    l.distance,
    l.relation,
    l.kind,
    l.label,
    l.id
FROM lineage_nodes AS n, lineage_down('dataset', n.id) AS l
WHERE n.kind = 'dataset'
    AND n.id LIKE $name || '@%'
    AND l.distance > 0;
