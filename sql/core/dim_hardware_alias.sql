-- Other writings of hardware: suffixes of runners, stripped in this order, and product names of drivers.
-- group: inference
CREATE OR REPLACE TABLE main.dim_hardware_alias (
    kind VARCHAR NOT NULL CHECK (kind IN ('suffix', 'name')), -- how it is looked up
    alias VARCHAR NOT NULL, -- the suffix or name
    position INTEGER, -- of a suffix: its place in the order
    hardware_key VARCHAR, -- of a name: GPU type
    PRIMARY KEY (kind, alias)
);

INSERT INTO main.dim_hardware_alias BY NAME
SELECT 'suffix' AS kind, suffix AS alias, position::INTEGER AS position, NULL AS hardware_key
FROM read_csv({registry:hardware_suffixes}, header = true, all_varchar = true)
UNION ALL
SELECT 'name' AS kind, raw_name AS alias, NULL AS position, hardware_key
FROM read_csv({registry:hardware_names}, header = true, all_varchar = true)
ORDER BY kind, position, alias;
