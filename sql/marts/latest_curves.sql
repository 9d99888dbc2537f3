-- The points of each curve by the newest run that has it.
-- depends: inference.curve_points, dim_hardware
CREATE OR REPLACE VIEW inference.latest_curves AS
SELECT
    points.model, -- model
    points.isl, -- input tokens per request
    points.osl, -- output tokens per request
    points.composite_key, -- hw_key and precision: the curve, with model and lengths
    points.hw_key, -- hardware, framework and speculation
    points.hardware, -- GPU type
    points.precision, -- precision
    points.date, -- UTC day of the workflow run
    points.workflow_run_id, -- workflow run and attempt
    points.config_id, -- how it was served
    points.conc, -- concurrent requests
    points.tput_per_gpu, -- all tokens, tok/s per GPU
    points.output_tput_per_gpu, -- output tokens, tok/s per GPU
    points.input_tput_per_gpu, -- input tokens, tok/s per GPU
    points.median_intvty, -- interactivity: tok/s per user
    points.median_e2el, -- end-to-end latency, s
    points.median_ttft, -- time to first token, s
    points.p99_ttft, -- time to first token, 99th percentile, s
    points.median_tpot, -- time per output token, s
    points.physical_gpus, -- GPUs that it ran on
    points.measured_power_per_gpu_w, -- mean power per GPU as measured, W
    points.measured_power_valid, -- the measured power can be true
    1000 * hardware.power_kw AS provisioned_power_per_gpu_w -- all-in power that is provided per GPU, not measured, W
FROM inference.curve_points AS points
LEFT JOIN main.dim_hardware AS hardware ON hardware.hardware_key = points.hardware
WHERE points.is_latest;
