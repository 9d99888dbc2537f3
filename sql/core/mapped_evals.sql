-- One task of an evaluation as it landed, and what it was mapped to; one row with the reason where it could not be mapped.
-- Kept from run to run, as mapped_rows.
-- depends: stage.inference_artifacts, inference.replaced_documents
-- made by: alems_pipeline/inference.py, alems_pipeline/keys/*.py, alems_pipeline/benchmarks/*.py, sql/registry/*.csv
CREATE TABLE IF NOT EXISTS inference.mapped_evals (
    landing_date DATE NOT NULL, -- day of the landing folder
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    document_path VARCHAR NOT NULL, -- file that was read; where that is not known the artifact's path
    artifact_path VARCHAR NOT NULL, -- file that the evaluation stands in
    row_index BIGINT NOT NULL, -- its position there
    recorded_at TIMESTAMPTZ NOT NULL, -- when it was collected
    created_at TIMESTAMPTZ NOT NULL, -- when its run was created, as the collector knows it
    reason VARCHAR, -- why it has no config: unmapped_model, unmapped_hw, out_of_range, no_task or bad_json; NULL: it has one
    config_id BIGINT, -- stable id of the config
    hardware VARCHAR, -- GPU type
    framework VARCHAR, -- serving framework
    model VARCHAR, -- model
    precision VARCHAR, -- precision
    spec_method VARCHAR, -- speculative decoding; none where there is none
    disagg BOOLEAN, -- prefill and decode are served apart
    is_multinode BOOLEAN, -- more than one host
    prefill_tp BIGINT, -- tensor parallelism of prefill
    prefill_ep BIGINT, -- expert parallelism of prefill
    prefill_dp_attention BOOLEAN, -- data-parallel attention in prefill
    prefill_num_workers BIGINT, -- workers of prefill; 0 where one layout serves both
    decode_tp BIGINT, -- tensor parallelism of decode
    decode_ep BIGINT, -- expert parallelism of decode
    decode_dp_attention BOOLEAN, -- data-parallel attention in decode
    decode_num_workers BIGINT, -- workers of decode; 0 where one layout serves both
    num_prefill_gpu BIGINT, -- as the artifact counts, else tp × ep: the GPUs in use are physical_gpus
    num_decode_gpu BIGINT, -- as num_prefill_gpu, of decode
    task VARCHAR, -- task, lower case
    isl BIGINT, -- input tokens per request
    osl BIGINT, -- output tokens per request
    conc BIGINT, -- concurrent requests
    lm_eval_version VARCHAR, -- version of lm-eval
    metrics VARCHAR, -- JSON object: em_strict, em_strict_se, em_flexible, em_flexible_se, n_eff, …
    model_raw VARCHAR, -- model as the artifact names it
    model_rule VARCHAR, -- rule that resolved it
    hardware_raw VARCHAR, -- hardware as the artifact names it
    hardware_rule VARCHAR, -- rule that resolved it
    framework_raw VARCHAR, -- framework as the artifact names it
    framework_rule VARCHAR, -- rule that resolved it
    precision_raw VARCHAR, -- precision as the artifact names it
    precision_rule VARCHAR -- rule that resolved it
);
