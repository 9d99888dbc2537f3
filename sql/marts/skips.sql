-- What of the serving benchmarks was skipped, how often, and the raw value behind it: what alems_pipeline.inference.skipped
-- gives as a SkipTracker. Archives count where they could not be read, rows where they have no config.
-- depends: inference.mapped_rows, inference.mapped_evals, ops.quarantine
CREATE OR REPLACE VIEW inference.skips AS
WITH mapped AS (
    SELECT reason, model_raw, hardware_raw
    FROM inference.mapped_rows
    WHERE reason IS NOT NULL
    UNION ALL
    SELECT reason, model_raw, hardware_raw
    FROM inference.mapped_evals
    WHERE reason IS NOT NULL
)
SELECT
    reason, -- bad_zip, bad_json, unmapped_model, unmapped_hw, no_isl_osl, out_of_range or no_task
    CASE reason WHEN 'unmapped_model' THEN model_raw WHEN 'unmapped_hw' THEN hardware_raw END AS raw_value, -- the name that did not resolve; of bad_zip what is wrong
    count(*) AS n -- rows; of bad_zip archives
FROM mapped
GROUP BY ALL
UNION ALL
SELECT 'bad_zip', reason, sum(n_rows)::BIGINT
FROM ops.quarantine
WHERE dataset = 'inference_rejects'
    AND regexp_matches(reason, 'no readable ZIP|no readable tar|a tar without|ZIP64|bomb|members, more|more than \d+ members|archives deep|damaged in its ZIP')
GROUP BY reason;
