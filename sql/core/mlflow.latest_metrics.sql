-- The latest value of a metric of a run: that of the greatest step, of these the latest time, of these the greatest
-- value. Computed from all values, and held against what the store itself says.
-- depends: tracked.metrics, tracked.latest_metrics
-- unique: run_uuid, key
CREATE OR REPLACE TABLE mlflow.latest_metrics (
    key VARCHAR NOT NULL, -- metric
    value DOUBLE, -- its value; NULL where it is NaN
    timestamp BIGINT NOT NULL, -- when it was logged, epoch ms
    step BIGINT NOT NULL, -- step of the run
    is_nan BOOLEAN NOT NULL, -- the value is NaN
    is_infinite BOOLEAN NOT NULL, -- the value is ±infinity
    run_uuid VARCHAR NOT NULL, -- run
    logged_at TIMESTAMPTZ, -- when it was logged
    agrees_with_store BOOLEAN -- the store's own row says the same; NULL where it has none
);

INSERT INTO mlflow.latest_metrics BY NAME
WITH latest AS (
    SELECT
        run_uuid,
        key,
        -- The value as stored, where NaN is 0: so does MLflow compare.
        max({step: step, timestamp: timestamp, value: value, is_nan: is_nan}) AS found
    FROM tracked.metrics
    WHERE store = {store}
    GROUP BY run_uuid, key
)
SELECT
    latest.key,
    CASE
        WHEN latest.found.is_nan THEN NULL
        WHEN latest.found.value >= 1.7976931348623157e308 THEN 'infinity'::DOUBLE
        WHEN latest.found.value <= -1.7976931348623157e308 THEN '-infinity'::DOUBLE
        ELSE latest.found.value
    END AS value,
    latest.found.timestamp AS timestamp,
    latest.found.step AS step,
    latest.found.is_nan AS is_nan,
    abs(latest.found.value) >= 1.7976931348623157e308 AS is_infinite,
    latest.run_uuid,
    ops.time_of_ms(latest.found.timestamp) AS logged_at,
    own.step = latest.found.step AND own.timestamp = latest.found.timestamp AND own.value = latest.found.value
        AS agrees_with_store
FROM latest
LEFT JOIN tracked.latest_metrics AS own
    ON own.store = {store}
    AND own.run_uuid = latest.run_uuid
    AND own.key = latest.key
ORDER BY latest.run_uuid, latest.key;
