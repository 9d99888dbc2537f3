-- What a kWh from a country's grid costs in carbon, water and methane, by each source that is known: a line of
-- sql/registry/grid_factors.csv. Of two sources of one country A-LEMS's counts for runs, since it alone has water and
-- methane beside carbon and its figures are then comparable with those of A-LEMS; its own note calls them approximate.
-- CodeCarbon's (Our World in Data) counts where A-LEMS has none, and for usage, where only carbon is asked for.
CREATE OR REPLACE TABLE main.grid_factors (
    country_code VARCHAR NOT NULL, -- ISO 3166-1 alpha-2
    iso3 VARCHAR NOT NULL, -- ISO 3166-1 alpha-3
    origin VARCHAR NOT NULL CHECK (origin IN ('alems', 'codecarbon')), -- collection that it comes from
    year INTEGER NOT NULL, -- year of the carbon figure
    carbon_gco2eq_kwh DOUBLE NOT NULL, -- g CO2e per kWh
    water_l_kwh DOUBLE, -- litres of water per kWh
    methane_g_kwh DOUBLE, -- g of methane per kWh
    generation_twh DOUBLE, -- electricity generated in that year
    quality VARCHAR NOT NULL CHECK (quality IN ('high', 'medium', 'low', 'unusable')), -- as the collection grades it; unusable: a 0 that stands for nothing known
    carbon_source VARCHAR NOT NULL, -- where the carbon figure comes from
    water_source VARCHAR, -- where the water figure comes from
    methane_source VARCHAR, -- where the methane figure comes from
    is_used BOOLEAN NOT NULL, -- it is the row that runs of this country take
    PRIMARY KEY (country_code, origin)
);

INSERT INTO main.grid_factors BY NAME
SELECT
    *,
    quality <> 'unusable' AND row_number() OVER (
        PARTITION BY country_code
        ORDER BY quality = 'unusable', origin
    ) = 1 AS is_used
FROM read_csv(
    {registry:grid_factors},
    header = true,
    columns = {
        'country_code': 'VARCHAR', 'iso3': 'VARCHAR', 'origin': 'VARCHAR', 'year': 'INTEGER',
        'carbon_gco2eq_kwh': 'DOUBLE', 'water_l_kwh': 'DOUBLE', 'methane_g_kwh': 'DOUBLE', 'generation_twh': 'DOUBLE',
        'quality': 'VARCHAR', 'carbon_source': 'VARCHAR', 'water_source': 'VARCHAR', 'methane_source': 'VARCHAR'
    }
);
