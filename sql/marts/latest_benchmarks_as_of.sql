-- The newest result of each config, concurrency and pair of lengths, as it stood on a day: latest_benchmarks_as_of(DATE).
-- depends: inference.valid_points, inference.mapped_rows, dim_hardware
CREATE OR REPLACE MACRO inference.latest_benchmarks_as_of(as_of) AS TABLE
WITH newest AS (
    SELECT arg_max(row_id, age) AS row_id, max(date) AS date
    FROM inference.valid_points(as_of)
    GROUP BY config_id, conc, isl, osl
)
SELECT
    results.config_id, -- how it was served
    results.conc, -- concurrent requests
    results.isl, -- input tokens per request
    results.osl, -- output tokens per request
    results.workflow_run_id, -- workflow run and attempt
    newest.date, -- UTC day of the workflow run
    results.image, -- container image
    results.metrics, -- JSON object of all metrics, raw names and units
    results.tput_per_gpu, -- all tokens, tok/s per GPU
    results.median_intvty, -- interactivity: tok/s per user
    results.median_ttft, -- time to first token, s
    results.median_e2el, -- end-to-end latency, s
    results.p99_ttft, -- time to first token, 99th percentile, s
    results.median_tpot, -- time per output token, s
    results.output_tput_per_gpu, -- output tokens, tok/s per GPU
    results.input_tput_per_gpu, -- input tokens, tok/s per GPU
    results.physical_gpus, -- GPUs that it ran on
    results.measured_power_per_gpu_w, -- mean power per GPU as measured, W
    results.measured_power_valid, -- the measured power can be true
    1000 * hardware.power_kw AS provisioned_power_per_gpu_w -- all-in power that is provided per GPU, not measured, W
FROM newest
JOIN inference.mapped_rows AS results ON results.rowid = newest.row_id
LEFT JOIN main.dim_hardware AS hardware ON hardware.hardware_key = results.hardware;
