-- How the idle power of a hardware moved from one baseline to the next. It drifted where it moved by more than 5 % and by
-- more than two standard uncertainties of the difference (or by more than 5 % where these are unknown).
-- depends: idle_baselines
CREATE OR REPLACE VIEW main.baseline_drift AS
WITH powers AS (
    SELECT
        baseline_id,
        hw_id,
        method,
        timestamp,
        package_power_watts IS NULL AND model_power_watts IS NOT NULL AS is_estimated,
        coalesce(package_power_watts, model_power_watts) AS power_watts,
        -- Windows of one second are correlated: fewer of them are independent.
        package_std ** 2 / nullif(
            sample_count * (1 - coalesce(package_autocorr_lag1, 0)) / (1 + coalesce(package_autocorr_lag1, 0)), 0
        ) AS variance
    FROM main.idle_baselines
    WHERE coalesce(package_power_watts, model_power_watts) IS NOT NULL
),
moves AS (
    SELECT
        *,
        lag(power_watts) OVER by_time AS previous_watts,
        lag(variance) OVER by_time AS previous_variance,
        first_value(power_watts) OVER by_time AS first_watts
    FROM powers
    WINDOW by_time AS (PARTITION BY hw_id, method, is_estimated ORDER BY timestamp, baseline_id)
),
judged AS (
    SELECT
        *,
        power_watts - previous_watts AS change_watts,
        (power_watts / nullif(previous_watts, 0) - 1) * 100 AS change_percent,
        (power_watts - previous_watts) / nullif(sqrt(variance + previous_variance), 0) AS change_z
    FROM moves
)
SELECT
    baseline_id, -- idle baseline
    hw_id, -- hardware
    method, -- how it was measured; only baselines of one method are compared
    is_estimated, -- the power is modelled, not measured
    to_timestamp(timestamp) AS measured_at, -- when
    power_watts, -- mean idle power of all packages, or of the model
    previous_watts, -- that of the baseline before
    change_watts, -- its difference
    change_percent, -- in percent of the one before
    (power_watts / nullif(first_watts, 0) - 1) * 100 AS change_from_first_percent, -- in percent of the first one
    change_z, -- difference / its standard uncertainty
    abs(change_percent) > 5 AND coalesce(abs(change_z) > 2, true) AS is_drift -- moved by more than 5 % and two uncertainties
FROM judged;
