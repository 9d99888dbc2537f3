-- A document that landed more than once for one run, changed or withdrawn from it: only the rows of its newest collection
-- count. Those that it had before stay in stage.inference_artifacts.
-- depends: stage.inference_artifacts
CREATE OR REPLACE TABLE inference.replaced_documents (
    run_name VARCHAR NOT NULL, -- the GitHub run id where known, else the commit or what was collected
    run_attempt BIGINT NOT NULL, -- attempt, from 1
    document_path VARCHAR NOT NULL, -- file that was read; where that is not known the artifact's path
    recorded_at TIMESTAMPTZ NOT NULL, -- newest collection: older rows do not count
    PRIMARY KEY (run_name, run_attempt, document_path)
);

INSERT INTO inference.replaced_documents BY NAME
SELECT
    run_name,
    run_attempt,
    coalesce(document_path, artifact_path) AS document_path,
    max(recorded_at) AS recorded_at
FROM stage.inference_artifacts
GROUP BY run_name, run_attempt, coalesce(document_path, artifact_path)
HAVING min(recorded_at) < max(recorded_at)
ORDER BY run_name, run_attempt, document_path;
