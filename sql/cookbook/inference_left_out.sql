-- Which benchmark rows have no config and why, with their raw rows: nothing that landed is lost.
SELECT mapped.reason, mapped.model_raw, mapped.hardware_raw, mapped.artifact_path, mapped.row_index, artifacts.raw
FROM inference.mapped_rows AS mapped
JOIN inference.workflow_runs AS runs ON runs.workflow_run_id = mapped.workflow_run_id
JOIN inference.artifacts AS artifacts
    ON artifacts.landing_date = mapped.landing_date
    AND artifacts.run_name = runs.run_name
    AND artifacts.run_attempt = runs.run_attempt
    AND artifacts.document_path = mapped.document_path
    AND artifacts.artifact_path = mapped.artifact_path
    AND artifacts.row_index = mapped.row_index
    AND artifacts.recorded_at = mapped.recorded_at
WHERE mapped.reason IS NOT NULL AND artifacts.kind = 'benchmark'
ORDER BY ALL;
