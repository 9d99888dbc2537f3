-- How much a kg of a gas warms, in kg of CO2, over a number of years: a line of sql/registry/gwp.csv.
CREATE OR REPLACE TABLE main.global_warming_potentials (
    gas VARCHAR NOT NULL, -- CH4 or N2O
    horizon_years INTEGER NOT NULL, -- years over which the warming is counted
    kg_co2e_kg DOUBLE NOT NULL, -- kg CO2e per kg of the gas
    source VARCHAR NOT NULL, -- where the figure comes from
    PRIMARY KEY (gas, horizon_years)
);

INSERT INTO main.global_warming_potentials BY NAME
SELECT gas, horizon_years, kg_co2e_kg, source
FROM read_csv(
    {registry:gwp},
    header = true,
    columns = {'gas': 'VARCHAR', 'horizon_years': 'INTEGER', 'kg_co2e_kg': 'DOUBLE', 'source': 'VARCHAR'}
);
