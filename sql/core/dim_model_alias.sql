-- Another name of a model: a prefix, looked up in lower case, or a name exactly as a source writes it.
-- group: inference
CREATE OR REPLACE TABLE main.dim_model_alias (
    kind VARCHAR NOT NULL CHECK (kind IN ('prefix', 'name')), -- how it is looked up
    alias VARCHAR NOT NULL, -- the other name
    model_key VARCHAR NOT NULL, -- canonical model
    PRIMARY KEY (kind, alias)
);

INSERT INTO main.dim_model_alias BY NAME
SELECT 'prefix' AS kind, alias, model_key
FROM read_csv({registry:model_aliases}, header = true, all_varchar = true)
UNION ALL
SELECT 'name' AS kind, raw_name AS alias, model_key
FROM read_csv({registry:model_names}, header = true, all_varchar = true)
ORDER BY kind, alias;
