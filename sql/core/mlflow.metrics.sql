-- One value of a metric of a run. A view on the landed rows, which are not stored twice.
-- depends: stage.mlflow_metrics, mlflow.runs
CREATE OR REPLACE VIEW mlflow.metrics AS
SELECT
    owned.key, -- metric
    CASE
        WHEN owned.is_nan THEN NULL
        WHEN owned.value >= 1.7976931348623157e308 THEN 'infinity'::DOUBLE
        WHEN owned.value <= -1.7976931348623157e308 THEN '-infinity'::DOUBLE
        ELSE owned.value
    END AS value, -- its value; NULL where it is NaN
    owned.timestamp, -- when it was logged, epoch ms
    owned.run_uuid, -- run
    owned.step, -- step of the run
    owned.is_nan, -- the value is NaN, which the store writes as 0
    abs(owned.value) >= 1.7976931348623157e308 AS is_infinite, -- the value is ±infinity, which the store writes as ±1.797…e308
    ops.time_of_ms(owned.timestamp) AS logged_at -- when it was logged
FROM stage.mlflow_metrics AS owned
JOIN mlflow.runs AS runs
    ON runs.run_uuid = owned.run_uuid
    AND owned.recorded_at >= runs.recorded_at
WHERE owned.store = 'mlflow';
