-- One row of an artifact as it was written, of all that landed those that count: what a changed document had before does not.
-- depends: stage.inference_artifacts, inference.replaced_documents
CREATE OR REPLACE VIEW inference.artifacts AS
SELECT
    artifacts.source_system, -- what gave this: inferencex
    artifacts.recorded_at, -- when it was collected
    artifacts.kind, -- what the row is: benchmark, eval, eval_aggregate, run_stats, changelog, server_log, workflow_run or withdrawn
    artifacts.run_name, -- the GitHub run id where known, else the commit or what was collected
    artifacts.github_run_id, -- the run's id at GitHub
    artifacts.run_attempt, -- attempt, from 1
    artifacts.created_at, -- when its run was created, as the collector knows it
    coalesce(artifacts.document_path, artifacts.artifact_path) AS document_path, -- file that was read; where that is not known the artifact's path
    artifacts.artifact_path, -- file within what was collected
    artifacts.row_index, -- its position there
    artifacts.options_json, -- JSON of what the collector was told about files that do not say it
    artifacts.raw, -- the row: JSON, or the text of a log
    artifacts.landing_date -- day of the landing folder
FROM stage.inference_artifacts AS artifacts
ANTI JOIN inference.replaced_documents AS newer
    ON newer.run_name = artifacts.run_name
    AND newer.run_attempt = artifacts.run_attempt
    AND newer.document_path = coalesce(artifacts.document_path, artifacts.artifact_path)
    AND newer.recorded_at > artifacts.recorded_at;
