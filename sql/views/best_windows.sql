-- The stretches of `hours` hours within a UTC day, by the mean carbon intensity that is forecast for them, lowest first.
-- group: usage
-- depends: carbon_intensity
CREATE OR REPLACE MACRO main.best_windows(grid, day, hours := 3) AS TABLE
WITH forecasts AS (
    SELECT c.window_start, c.window_end, c.forecast_gco2eq_kwh
    FROM main.carbon_intensity AS c
    WHERE c.region = upper(grid)
        AND c.forecast_gco2eq_kwh IS NOT NULL
        AND c.window_end > main.utc(day)
        AND c.window_start < main.utc(day) + INTERVAL 1 DAY
),
stretches AS (
    SELECT
        first_one.window_start AS from_ts,
        first_one.window_start + to_seconds(hours * 3600) AS to_ts,
        forecast.forecast_gco2eq_kwh,
        epoch(least(forecast.window_end, to_ts) - forecast.window_start) AS covered_s
    FROM forecasts AS first_one
    JOIN forecasts AS forecast
        ON forecast.window_start >= first_one.window_start
        AND forecast.window_start < first_one.window_start + to_seconds(hours * 3600)
    WHERE first_one.window_start >= main.utc(day)
        AND first_one.window_start + to_seconds(hours * 3600) <= main.utc(day) + INTERVAL 1 DAY
)
SELECT
    from_ts, -- start of the stretch
    to_ts, -- its end
    sum(forecast_gco2eq_kwh * covered_s ORDER BY covered_s, forecast_gco2eq_kwh) / sum(covered_s)
        AS mean_forecast_gco2eq_kwh -- mean forecast
FROM stretches
GROUP BY from_ts, to_ts
HAVING sum(covered_s) >= hours * 3600 - 0.5 -- no forecast missing
ORDER BY mean_forecast_gco2eq_kwh, from_ts;
