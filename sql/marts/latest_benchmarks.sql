-- The newest result of each config, concurrency and pair of lengths, over the latest attempts without error.
-- depends: inference.latest_benchmarks_as_of
CREATE OR REPLACE TABLE inference.latest_benchmarks (
    config_id BIGINT NOT NULL, -- how it was served
    conc BIGINT NOT NULL, -- concurrent requests
    isl BIGINT NOT NULL, -- input tokens per request
    osl BIGINT NOT NULL, -- output tokens per request
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    date DATE NOT NULL, -- UTC day of the workflow run
    image VARCHAR, -- container image
    metrics VARCHAR NOT NULL, -- JSON object of all metrics, raw names and units
    tput_per_gpu DOUBLE, -- all tokens, tok/s per GPU
    median_intvty DOUBLE, -- interactivity: tok/s per user
    median_ttft DOUBLE, -- time to first token, s
    median_e2el DOUBLE, -- end-to-end latency, s
    p99_ttft DOUBLE, -- time to first token, 99th percentile, s
    median_tpot DOUBLE, -- time per output token, s
    output_tput_per_gpu DOUBLE, -- output tokens, tok/s per GPU
    input_tput_per_gpu DOUBLE, -- input tokens, tok/s per GPU
    physical_gpus BIGINT, -- GPUs that it ran on
    measured_power_per_gpu_w DOUBLE, -- mean power per GPU as measured, W
    measured_power_valid BOOLEAN, -- the measured power can be true
    provisioned_power_per_gpu_w DOUBLE -- all-in power that is provided per GPU, not measured, W
);

INSERT INTO inference.latest_benchmarks BY NAME
SELECT *
FROM inference.latest_benchmarks_as_of(DATE '9999-12-31')
ORDER BY config_id, isl, osl, conc;
