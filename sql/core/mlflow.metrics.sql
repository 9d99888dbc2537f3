-- One value of a metric of a run. A view on the landed rows, which are not stored twice.
-- depends: tracked.metrics
CREATE OR REPLACE VIEW mlflow.metrics AS
SELECT
    key, -- metric
    CASE
        WHEN is_nan THEN NULL
        WHEN value >= 1.7976931348623157e308 THEN 'infinity'::DOUBLE
        WHEN value <= -1.7976931348623157e308 THEN '-infinity'::DOUBLE
        ELSE value
    END AS value, -- its value; NULL where it is NaN
    timestamp, -- when it was logged, epoch ms
    run_uuid, -- run
    step, -- step of the run
    is_nan, -- the value is NaN, which the store writes as 0
    abs(value) >= 1.7976931348623157e308 AS is_infinite, -- the value is ±infinity, which the store writes as ±1.797…e308
    ops.time_of_ms(timestamp) AS logged_at -- when it was logged
FROM tracked.metrics
WHERE store = {store};
