-- How well a config answered one task in one workflow run. Of several rows of one task the last one collected counts.
-- depends: inference.mapped_evals, inference.workflow_runs
-- unique: workflow_run_id, config_id, task, isl, osl, conc
CREATE OR REPLACE TABLE inference.eval_results (
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    config_id BIGINT NOT NULL, -- how it was served
    task VARCHAR NOT NULL, -- task, lower case
    isl BIGINT, -- input tokens per request
    osl BIGINT, -- output tokens per request
    conc BIGINT, -- concurrent requests
    date DATE NOT NULL, -- UTC day of the workflow run
    lm_eval_version VARCHAR, -- version of lm-eval
    metrics VARCHAR NOT NULL, -- JSON object: em_strict, em_strict_se, em_flexible, em_flexible_se, n_eff, …
    em_strict DOUBLE, -- exact match, strict: share of 1
    em_strict_se DOUBLE, -- its standard error
    em_flexible DOUBLE, -- exact match, flexible: share of 1
    em_flexible_se DOUBLE, -- its standard error
    n_eff DOUBLE, -- samples that counted
    document_path VARCHAR NOT NULL, -- file that was read
    artifact_path VARCHAR NOT NULL -- file that it stands in
);

INSERT INTO inference.eval_results BY NAME
SELECT
    evals.workflow_run_id,
    evals.config_id,
    evals.task,
    evals.isl,
    evals.osl,
    evals.conc,
    workflow_runs.date,
    evals.lm_eval_version,
    evals.metrics,
    json_extract(evals.metrics, '$.em_strict')::DOUBLE AS em_strict,
    json_extract(evals.metrics, '$.em_strict_se')::DOUBLE AS em_strict_se,
    json_extract(evals.metrics, '$.em_flexible')::DOUBLE AS em_flexible,
    json_extract(evals.metrics, '$.em_flexible_se')::DOUBLE AS em_flexible_se,
    json_extract(evals.metrics, '$.n_eff')::DOUBLE AS n_eff,
    evals.document_path,
    evals.artifact_path
FROM inference.mapped_evals AS evals
JOIN inference.workflow_runs AS workflow_runs ON workflow_runs.workflow_run_id = evals.workflow_run_id
WHERE evals.reason IS NULL
QUALIFY row_number() OVER (
    PARTITION BY evals.workflow_run_id, evals.config_id, evals.task, evals.isl, evals.osl, evals.conc
    ORDER BY evals.recorded_at DESC, evals.document_path DESC, evals.artifact_path DESC, evals.row_index DESC, evals.landing_date DESC
) = 1
ORDER BY evals.workflow_run_id, evals.config_id, evals.task, evals.isl, evals.osl, evals.conc;
