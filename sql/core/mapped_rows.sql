-- One benchmark row as it landed, and what it was mapped to: rows that could not be mapped stand here with the reason, and
-- their raw row in stage.inference_artifacts; rows of replaced documents only there. Kept from run to run: a day is mapped
-- anew when its rows, the mapping or a registry have changed.
-- depends: stage.inference_artifacts, inference.replaced_documents
-- made by: alems_pipeline/inference.py, alems_pipeline/keys/*.py, alems_pipeline/benchmarks/*.py, sql/registry/*.csv
CREATE TABLE IF NOT EXISTS inference.mapped_rows (
    landing_date DATE NOT NULL, -- day of the landing folder
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    document_path VARCHAR NOT NULL, -- file that was read; where that is not known the artifact's path
    artifact_path VARCHAR NOT NULL, -- file that the row stands in
    row_index BIGINT NOT NULL, -- its position there
    recorded_at TIMESTAMPTZ NOT NULL, -- when it was collected
    created_at TIMESTAMPTZ NOT NULL, -- when its run was created, as the collector knows it
    reason VARCHAR, -- why it has no config: unmapped_model, unmapped_hw, no_isl_osl, out_of_range or bad_json; NULL: it has one
    is_current BOOLEAN NOT NULL, -- no other row of its run has the same config, lengths and concurrency, or it is the one that counts
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
    isl BIGINT, -- input tokens per request
    osl BIGINT, -- output tokens per request
    conc BIGINT, -- concurrent requests
    image VARCHAR, -- container image
    metrics VARCHAR, -- JSON object of all metrics, raw names and units
    tput_per_gpu DOUBLE, -- all tokens, tok/s per GPU
    median_intvty DOUBLE, -- interactivity: tok/s per user
    median_ttft DOUBLE, -- time to first token, s
    median_e2el DOUBLE, -- end-to-end latency, s
    p99_ttft DOUBLE, -- time to first token, 99th percentile, s
    median_tpot DOUBLE, -- time per output token, s
    output_tput_per_gpu DOUBLE, -- output tokens, tok/s per GPU
    input_tput_per_gpu DOUBLE, -- input tokens, tok/s per GPU
    measured_power_per_gpu_w DOUBLE, -- mean power per GPU as measured, W
    peak_power_per_gpu_w DOUBLE, -- its peak, W
    measured_power_valid BOOLEAN, -- the measured power can be true: above 0, below its peak, not far above the TDP
    physical_gpus BIGINT, -- GPUs that it ran on
    n_successful BIGINT, -- requests that succeeded, where the artifact says it
    error VARCHAR, -- why its figures do not count; NULL: they do
    model_raw VARCHAR, -- model as the artifact names it
    model_rule VARCHAR, -- rule that resolved it
    hardware_raw VARCHAR, -- hardware as the artifact names it
    hardware_rule VARCHAR, -- rule that resolved it
    framework_raw VARCHAR, -- framework as the artifact names it
    framework_rule VARCHAR, -- rule that resolved it
    precision_raw VARCHAR, -- precision as the artifact names it
    precision_rule VARCHAR -- rule that resolved it
);
