-- What a mass of CO2e, in grams, equals in things that people know.
-- group: usage
CREATE OR REPLACE MACRO main.carbon_equivalences(g_co2e) AS TABLE
SELECT
    things.thing, -- what it equals
    g_co2e / things.g_each AS amount -- how many of it
FROM (
    VALUES
        ('miles driven', 400.0::DOUBLE),
        ('phone charges', 8.22::DOUBLE),
        ('days of a tree', 59.6::DOUBLE),
        ('hours of streaming', 55.0::DOUBLE)
) AS things (thing, g_each);
