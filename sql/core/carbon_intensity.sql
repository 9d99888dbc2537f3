-- Carbon intensity of a grid in one window, of all that was collected of it: the newest measured value and forecast.
-- group: usage
-- depends: stage.carbon_intensity
-- unique: region, window_start
CREATE OR REPLACE TABLE main.carbon_intensity (
    region VARCHAR NOT NULL, -- grid: ISO 3166 country code
    window_start TIMESTAMPTZ NOT NULL, -- start of the window
    window_end TIMESTAMPTZ NOT NULL, -- end of the window
    actual_gco2eq_kwh DOUBLE, -- as measured, g CO2e per kWh
    forecast_gco2eq_kwh DOUBLE, -- newest forecast, g CO2e per kWh
    intensity_gco2eq_kwh DOUBLE, -- measured, else forecast
    intensity_source VARCHAR CHECK (intensity_source IN ('actual', 'forecast')), -- which of the two it is
    intensity_index VARCHAR, -- the source's word for it
    recorded_at TIMESTAMPTZ NOT NULL, -- when it was last asked for
    PRIMARY KEY (region, window_start)
);

INSERT INTO main.carbon_intensity BY NAME
WITH newest AS (
    SELECT
        upper(region) AS region,
        window_start,
        arg_max(window_end, (recorded_at, window_end)) AS window_end,
        arg_max(actual_gco2eq_kwh, (recorded_at, actual_gco2eq_kwh)) FILTER (actual_gco2eq_kwh IS NOT NULL)
            AS actual_gco2eq_kwh,
        arg_max(forecast_gco2eq_kwh, (recorded_at, forecast_gco2eq_kwh)) FILTER (forecast_gco2eq_kwh IS NOT NULL)
            AS forecast_gco2eq_kwh,
        arg_max(intensity_index, (recorded_at, intensity_index)) FILTER (intensity_index IS NOT NULL)
            AS intensity_index,
        max(recorded_at) AS recorded_at
    FROM stage.carbon_intensity
    GROUP BY ALL
)
SELECT
    region,
    window_start,
    window_end,
    actual_gco2eq_kwh,
    forecast_gco2eq_kwh,
    coalesce(actual_gco2eq_kwh, forecast_gco2eq_kwh) AS intensity_gco2eq_kwh,
    CASE
        WHEN actual_gco2eq_kwh IS NOT NULL THEN 'actual'
        WHEN forecast_gco2eq_kwh IS NOT NULL THEN 'forecast'
    END AS intensity_source,
    intensity_index,
    recorded_at
FROM newest;
