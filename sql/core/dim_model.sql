-- A canonical model: a line of sql/registry/models.csv.
-- group: inference
CREATE OR REPLACE TABLE main.dim_model (
    model_key VARCHAR PRIMARY KEY CHECK (model_key = lower(model_key)), -- canonical key
    display_name VARCHAR NOT NULL, -- name for people
    origin VARCHAR NOT NULL -- collection that names it
);

INSERT INTO main.dim_model BY NAME
SELECT model_key, display_name, origin
FROM read_csv({registry:models}, header = true, all_varchar = true)
ORDER BY model_key;
