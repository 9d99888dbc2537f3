-- One measured point: a config at one concurrency and one pair of lengths, in one workflow run. Of several rows of one
-- point in a run the last one counts, but never one whose figures do not count before one whose figures do.
-- depends: inference.mapped_rows, inference.workflow_runs, dim_hardware
-- unique: workflow_run_id, config_id, benchmark_type, isl, osl, conc
CREATE OR REPLACE VIEW inference.benchmark_results AS
SELECT
    results.workflow_run_id, -- workflow run and attempt
    results.config_id, -- how it was served
    'single_turn' AS benchmark_type, -- fixed lengths, one turn: the only type whose rows have lengths
    results.isl, -- input tokens per request
    results.osl, -- output tokens per request
    results.conc, -- concurrent requests
    workflow_runs.date, -- UTC day of the workflow run
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
    results.error, -- why its figures do not count; NULL: they do
    results.physical_gpus, -- GPUs that it ran on
    results.measured_power_per_gpu_w, -- mean power per GPU as measured, W
    results.peak_power_per_gpu_w, -- its peak, W
    results.measured_power_valid, -- the measured power can be true: above 0, below its peak, not far above the TDP
    1000 * hardware.power_kw AS provisioned_power_per_gpu_w, -- all-in power that is provided per GPU, not measured, W
    results.document_path, -- file that was read
    results.artifact_path, -- file that it stands in
    results.row_index, -- its position there
    results.landing_date -- day of the landing folder
FROM inference.mapped_rows AS results
JOIN inference.workflow_runs AS workflow_runs ON workflow_runs.workflow_run_id = results.workflow_run_id
LEFT JOIN main.dim_hardware AS hardware ON hardware.hardware_key = results.hardware
WHERE results.reason IS NULL AND results.is_current;
