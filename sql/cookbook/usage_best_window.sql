-- The best 3-hour window of a day by the forecast of carbon intensity, and how far it is below the mean of them all:
-- region=GB day=2026-01-31 (`alems-collect carbon-intensity` fetches the forecast of the next 48 hours)
SELECT
    from_ts,
    to_ts,
    mean_forecast_gco2eq_kwh,
    100 * (1 - mean_forecast_gco2eq_kwh / nullif(avg(mean_forecast_gco2eq_kwh) OVER (), 0)) AS percent_below_mean
FROM best_windows($region, $day, hours := 3)
ORDER BY mean_forecast_gco2eq_kwh, from_ts
LIMIT 1;
