-- The grid factors of a run: the mean carbon intensity of its time where a time series of its country covers all of it,
-- else the figures of its country. Water and methane are known by country only.
-- depends: stage.runs, experiments, grid_factors, carbon_intensity
CREATE OR REPLACE TABLE main.run_grid_factors (
    run_id BIGINT PRIMARY KEY, -- run
    country_code VARCHAR, -- country of its experiment; NULL where nobody stated it
    carbon_gco2eq_kwh DOUBLE, -- g CO2e per kWh; NULL without a country or a factor
    water_l_kwh DOUBLE, -- litres of water per kWh
    methane_g_kwh DOUBLE, -- g of methane per kWh
    carbon_source VARCHAR, -- actual, forecast (some window is one): of the run's time; country: the registry's figure
    factor_origin VARCHAR, -- collection that the country's figures come from
    factor_year INTEGER, -- year of the country's carbon figure
    factor_quality VARCHAR -- grade of the country's figures
);

INSERT INTO main.run_grid_factors BY NAME
WITH placed AS (
    SELECT
        runs.run_id,
        make_timestamptz(runs.start_time_ns // 1000) AS started_at,
        make_timestamptz(runs.end_time_ns // 1000) AS ended_at,
        upper(trim(experiments.country_code)) AS country_code
    FROM stage.runs AS runs
    JOIN main.experiments AS experiments ON experiments.exp_key = runs.exp_key
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY runs.recorded_at DESC, runs.landing_date DESC) = 1
),
windows AS (
    SELECT
        placed.run_id,
        placed.started_at,
        placed.ended_at,
        series.window_start,
        series.intensity_gco2eq_kwh,
        series.intensity_source,
        epoch_us(least(series.window_end, placed.ended_at))
            -- Where windows overlap, the time counts once, to the one that began first.
            - epoch_us(greatest(series.window_start, placed.started_at, max(series.window_end) OVER before))
            AS overlap_us
    FROM placed
    JOIN main.carbon_intensity AS series
        ON series.region = placed.country_code
        AND series.window_start < placed.ended_at
        AND series.window_end > placed.started_at
    WHERE series.intensity_gco2eq_kwh IS NOT NULL
    WINDOW before AS (
        PARTITION BY placed.run_id
        ORDER BY series.window_start
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
timed AS (
    SELECT
        run_id,
        sum(intensity_gco2eq_kwh * overlap_us ORDER BY window_start) / sum(overlap_us) AS carbon_gco2eq_kwh,
        CASE WHEN bool_and(intensity_source = 'actual') THEN 'actual' ELSE 'forecast' END AS carbon_source
    FROM windows
    WHERE overlap_us > 0
    GROUP BY run_id, started_at, ended_at
    HAVING sum(overlap_us) >= epoch_us(ended_at) - epoch_us(started_at)
)
SELECT
    placed.run_id,
    placed.country_code,
    coalesce(timed.carbon_gco2eq_kwh, factors.carbon_gco2eq_kwh) AS carbon_gco2eq_kwh,
    factors.water_l_kwh,
    factors.methane_g_kwh,
    coalesce(timed.carbon_source, CASE WHEN factors.country_code IS NOT NULL THEN 'country' END) AS carbon_source,
    factors.origin AS factor_origin,
    factors.year AS factor_year,
    factors.quality AS factor_quality
FROM placed
LEFT JOIN timed ON timed.run_id = placed.run_id
LEFT JOIN main.grid_factors AS factors
    ON factors.country_code = split_part(placed.country_code, '-', 1) -- of US-CA: those of US
    AND factors.is_used;
