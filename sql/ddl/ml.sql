-- The dataset store: tabular data, its targets, and what models predicted for it.
CREATE SCHEMA IF NOT EXISTS ml;

-- The name of a feature of the wine data as all its sources write it: UCI's Malicacid and 0D280_0D315_of_diluted_wines
-- (a zero for the letter O) are scikit-learn's malic_acid and od280/od315_of_diluted_wines.
CREATE OR REPLACE MACRO ml.wine_feature(name) AS
    replace(regexp_replace(lower(name), '[^a-z0-9]', '', 'g'), '0d', 'od');
