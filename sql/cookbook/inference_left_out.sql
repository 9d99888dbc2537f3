-- Which benchmark rows have no config and why, with their raw rows: nothing that landed is lost.
SELECT mapped.reason, mapped.model_raw, mapped.hardware_raw, mapped.artifact_path, mapped.row_index, artifacts.raw
FROM inference.mapped_rows AS mapped
JOIN stage.inference_artifacts AS artifacts USING (landing_date, artifact_path, row_index, recorded_at)
WHERE mapped.reason IS NOT NULL AND artifacts.kind = 'benchmark'
ORDER BY ALL;
