-- The points of each curve on each day that it was measured: of several runs of one day the newest. A run is a snapshot
-- of the whole curve, so that points of different recipes never mix.
-- depends: inference.valid_points, inference.configs, inference.mapped_rows
CREATE OR REPLACE TABLE inference.curve_points (
    model VARCHAR NOT NULL, -- model
    isl BIGINT NOT NULL, -- input tokens per request
    osl BIGINT NOT NULL, -- output tokens per request
    composite_key VARCHAR NOT NULL, -- hw_key and precision: the curve, with model and lengths
    hw_key VARCHAR NOT NULL, -- hardware, framework and speculation
    hardware VARCHAR NOT NULL, -- GPU type
    precision VARCHAR NOT NULL, -- precision
    date DATE NOT NULL, -- UTC day of the workflow run
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    config_id BIGINT NOT NULL, -- how it was served
    conc BIGINT NOT NULL, -- concurrent requests
    tput_per_gpu DOUBLE, -- all tokens, tok/s per GPU
    output_tput_per_gpu DOUBLE, -- output tokens, tok/s per GPU
    input_tput_per_gpu DOUBLE, -- input tokens, tok/s per GPU
    median_intvty DOUBLE, -- interactivity: tok/s per user
    median_e2el DOUBLE, -- end-to-end latency, s
    median_ttft DOUBLE, -- time to first token, s
    p99_ttft DOUBLE, -- time to first token, 99th percentile, s
    median_tpot DOUBLE, -- time per output token, s
    physical_gpus BIGINT, -- GPUs that it ran on
    measured_power_per_gpu_w DOUBLE, -- mean power per GPU as measured, W
    measured_power_valid BOOLEAN, -- the measured power can be true
    is_latest BOOLEAN NOT NULL -- no newer run has this curve
);

INSERT INTO inference.curve_points BY NAME
WITH points AS (
    SELECT points.*, configs.model, configs.composite_key, configs.hw_key, configs.hardware, configs.precision
    FROM inference.valid_points(DATE '9999-12-31') AS points
    JOIN inference.configs AS configs ON configs.config_id = points.config_id
),
snapshots AS (
    SELECT model, isl, osl, composite_key, date, max(age) AS age
    FROM points
    GROUP BY model, isl, osl, composite_key, date
),
ordered AS (
    SELECT *, age = max(age) OVER (PARTITION BY model, isl, osl, composite_key) AS is_latest
    FROM snapshots
)
SELECT
    points.model,
    points.isl,
    points.osl,
    points.composite_key,
    points.hw_key,
    points.hardware,
    points.precision,
    points.date,
    points.workflow_run_id,
    points.config_id,
    points.conc,
    results.tput_per_gpu,
    results.output_tput_per_gpu,
    results.input_tput_per_gpu,
    results.median_intvty,
    results.median_e2el,
    results.median_ttft,
    results.p99_ttft,
    results.median_tpot,
    results.physical_gpus,
    results.measured_power_per_gpu_w,
    results.measured_power_valid,
    ordered.is_latest
FROM points
JOIN ordered
    ON ordered.model = points.model
    AND ordered.isl = points.isl
    AND ordered.osl = points.osl
    AND ordered.composite_key = points.composite_key
    AND ordered.age = points.age
JOIN inference.mapped_rows AS results ON results.rowid = points.row_id
ORDER BY ALL;
