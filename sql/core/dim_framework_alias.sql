-- Another name of a serving framework, looked up in lower case.
-- group: inference
CREATE OR REPLACE TABLE main.dim_framework_alias (
    alias VARCHAR PRIMARY KEY, -- the other name
    framework_key VARCHAR NOT NULL, -- canonical framework
    disagg BOOLEAN -- whether it means prefill and decode apart; NULL: it does not say
);

INSERT INTO main.dim_framework_alias BY NAME
SELECT alias, framework_key, disagg::BOOLEAN AS disagg
FROM read_csv({registry:framework_aliases}, header = true, all_varchar = true)
ORDER BY alias;
