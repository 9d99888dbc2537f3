-- A canonical serving framework: a line of sql/registry/frameworks.csv.
-- group: inference
CREATE OR REPLACE TABLE main.dim_framework (
    framework_key VARCHAR PRIMARY KEY CHECK (framework_key = lower(framework_key)), -- canonical key
    label VARCHAR -- name for people
);

INSERT INTO main.dim_framework BY NAME
SELECT framework_key, label
FROM read_csv({registry:frameworks}, header = true, all_varchar = true)
ORDER BY framework_key;
