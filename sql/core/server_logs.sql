-- The log of a server that was benchmarked. `artifact_key` is what its artifact's name shares with the benchmark's:
-- server_logs_<key> lies beside bmk_<key>.
-- depends: inference.artifacts, inference.workflow_runs
CREATE OR REPLACE VIEW inference.server_logs AS
SELECT
    ops.stable_id(concat_ws(chr(31), logs.run_name, logs.run_attempt, logs.document_path, logs.artifact_path)) AS server_log_id, -- stable id of run, attempt and file
    workflow_runs.workflow_run_id, -- workflow run and attempt
    workflow_runs.date, -- UTC day of the workflow run
    logs.artifact_path, -- file that it stands in
    nullif(regexp_extract(logs.artifact_path, '(?:^|/)(?:multinode_)?server_logs_(.+?)(?:_\d+_\d+)?(?:\.zip|\.tar\.gz|\.tgz|\.tar)?/', 1), '') AS artifact_key, -- what its artifact's name shares with the benchmark's; NULL where it is named otherwise
    length(logs.raw) AS n_characters, -- its length
    logs.raw AS server_log -- the log
FROM inference.artifacts AS logs
JOIN inference.workflow_runs AS workflow_runs
    ON workflow_runs.run_name = logs.run_name
    AND workflow_runs.run_attempt = logs.run_attempt
WHERE logs.kind = 'server_log'
QUALIFY row_number() OVER (
    PARTITION BY logs.run_name, logs.run_attempt, logs.document_path, logs.artifact_path
    ORDER BY logs.recorded_at DESC, logs.landing_date DESC
) = 1;
