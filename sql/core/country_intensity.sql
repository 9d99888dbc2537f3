-- A country's mean carbon intensity of electricity in the newest year that is known, used where no intensity of the hour
-- is; the country 'WORLD' is their mean by generation. From CodeCarbon's global energy mix (Our World in Data), MIT.
-- group: usage
-- depends: grid_factors
CREATE OR REPLACE TABLE main.country_intensity (
    country_code VARCHAR PRIMARY KEY, -- ISO 3166-1 alpha-2, or WORLD
    iso3 VARCHAR, -- ISO 3166-1 alpha-3
    year INTEGER NOT NULL, -- year of the figure; of the world the newest of any country
    carbon_gco2eq_kwh DOUBLE NOT NULL, -- g CO2e per kWh generated
    generation_twh DOUBLE NOT NULL -- electricity generated in that year
);

INSERT INTO main.country_intensity BY NAME
WITH countries AS (
    SELECT country_code, iso3, year, carbon_gco2eq_kwh, generation_twh
    FROM main.grid_factors
    WHERE origin = 'codecarbon'
        AND quality <> 'unusable'
)
SELECT country_code, iso3, year, carbon_gco2eq_kwh, generation_twh
FROM countries
UNION ALL
SELECT
    'WORLD' AS country_code,
    NULL AS iso3,
    max(year) AS year,
    sum(carbon_gco2eq_kwh * generation_twh ORDER BY country_code) / sum(generation_twh ORDER BY country_code)
        AS carbon_gco2eq_kwh,
    sum(generation_twh ORDER BY country_code) AS generation_twh
FROM countries;
