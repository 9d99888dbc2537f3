-- What a run was made from, step by step: files, commit, data, hardware, baseline; by its run_id or run_uuid.
SELECT
    distance,
    relation,
    kind,
    label,
    id
FROM lineage_up('run', $run)
ORDER BY distance, kind, id;
