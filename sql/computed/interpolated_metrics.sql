-- What a curve reaches at an interactivity, interpolated on its front, on each day that it was measured. Figures of power
-- and cost are those of that day's epoch.
-- depends: inference.curve_points
-- made by: alems_pipeline/inference_curves.py, alems_pipeline/benchmarks/*.py, alems_pipeline/keys/*.py, sql/registry/hardware*.csv, sql/registry/interpolation_targets.csv
CREATE OR REPLACE TABLE inference.interpolated_metrics (
    model VARCHAR NOT NULL, -- model
    isl BIGINT NOT NULL, -- input tokens per request
    osl BIGINT NOT NULL, -- output tokens per request
    composite_key VARCHAR NOT NULL, -- the curve: hw_key and precision
    hw_key VARCHAR NOT NULL, -- hardware, framework and speculation
    hardware VARCHAR NOT NULL, -- GPU type
    precision VARCHAR NOT NULL, -- precision
    date DATE NOT NULL, -- UTC day of the workflow run
    interactivity DOUBLE NOT NULL, -- tok/s per user
    is_latest BOOLEAN NOT NULL, -- no newer run has this curve
    tput_per_gpu DOUBLE, -- all tokens, tok/s per GPU
    output_tput_per_gpu DOUBLE, -- output tokens, tok/s per GPU
    input_tput_per_gpu DOUBLE, -- input tokens, tok/s per GPU
    median_ttft DOUBLE, -- time to first token, s
    median_e2el DOUBLE, -- end-to-end latency, s
    median_tpot DOUBLE, -- time per output token, s
    conc BIGINT, -- concurrent requests, rounded half up
    measured_power_per_gpu_w DOUBLE, -- power per GPU as measured, W, where it can be true
    power_kw DOUBLE, -- provisioned power per GPU, kW
    total_tput_per_mw DOUBLE, -- all tokens: tok/s per MW of provisioned power
    cost_hyperscaler_total_usd_per_mtok DOUBLE, -- all tokens: $ per million, cost of ownership to a hyperscaler
    cost_neocloud_total_usd_per_mtok DOUBLE, -- all tokens: $ per million, cost of ownership to a neocloud
    cost_rental_total_usd_per_mtok DOUBLE, -- all tokens: $ per million, by the price of renting
    joules_per_total_token DOUBLE, -- all tokens: J each, of provisioned power
    measured_joules_per_total_token DOUBLE, -- all tokens: J each, of measured power; NULL where it was not measured, or cannot be true
    output_tput_per_mw DOUBLE, -- output tokens: tok/s per MW of provisioned power
    cost_hyperscaler_output_usd_per_mtok DOUBLE, -- output tokens: $ per million, cost of ownership to a hyperscaler
    cost_neocloud_output_usd_per_mtok DOUBLE, -- output tokens: $ per million, cost of ownership to a neocloud
    cost_rental_output_usd_per_mtok DOUBLE, -- output tokens: $ per million, by the price of renting
    joules_per_output_token DOUBLE, -- output tokens: J each, of provisioned power
    measured_joules_per_output_token DOUBLE, -- output tokens: J each, of measured power; NULL where it was not measured, or cannot be true
    input_tput_per_mw DOUBLE, -- input tokens: tok/s per MW of provisioned power
    cost_hyperscaler_input_usd_per_mtok DOUBLE, -- input tokens: $ per million, cost of ownership to a hyperscaler
    cost_neocloud_input_usd_per_mtok DOUBLE, -- input tokens: $ per million, cost of ownership to a neocloud
    cost_rental_input_usd_per_mtok DOUBLE, -- input tokens: $ per million, by the price of renting
    joules_per_input_token DOUBLE, -- input tokens: J each, of provisioned power
    measured_joules_per_input_token DOUBLE, -- input tokens: J each, of measured power; NULL where it was not measured, or cannot be true
    PRIMARY KEY (model, isl, osl, composite_key, date, interactivity)
);
