-- A point of a newest curve that no other one beats: fronts of each chart, metric and curve, by sql/registry/rooflines.csv.
-- depends: inference.latest_curves
-- made by: alems_pipeline/inference_curves.py, alems_pipeline/benchmarks/*.py, alems_pipeline/keys/*.py, sql/registry/hardware*.csv, sql/registry/rooflines.csv
CREATE OR REPLACE TABLE inference.pareto_points (
    chart VARCHAR NOT NULL, -- interactivity or e2e
    x_metric VARCHAR NOT NULL, -- median_intvty or median_e2el
    y_metric VARCHAR NOT NULL, -- metric of the front
    direction VARCHAR NOT NULL, -- where its best corner is: upper_left, upper_right, lower_left or lower_right
    model VARCHAR NOT NULL, -- model
    isl BIGINT NOT NULL, -- input tokens per request
    osl BIGINT NOT NULL, -- output tokens per request
    composite_key VARCHAR NOT NULL, -- the curve: hw_key and precision
    hw_key VARCHAR NOT NULL, -- hardware, framework and speculation
    hardware VARCHAR NOT NULL, -- GPU type
    precision VARCHAR NOT NULL, -- precision
    date DATE NOT NULL, -- UTC day of the workflow run
    config_id BIGINT NOT NULL, -- how it was served
    conc BIGINT NOT NULL, -- concurrent requests
    x DOUBLE NOT NULL, -- value of x_metric
    y DOUBLE NOT NULL -- value of y_metric
);
