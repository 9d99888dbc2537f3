-- A plain name of a model, hardware or framework that records of runs carry, and what it resolves to. The hardware of a
-- measured run is its GPU; a host without one has none to name. The other names of benchmark rows, which have more to them, are in mapped_rows.
-- group: inference
-- depends: stage.experiments, stage.hardware_config, stage.environment_config, inference.artifacts, tracked.tags, tracked.params
-- made by: alems_pipeline/name_keys.py, alems_pipeline/keys/*.py, sql/registry/*.csv
CREATE OR REPLACE TABLE main.name_keys (
    kind VARCHAR NOT NULL, -- model, hardware, framework or precision
    raw_value VARCHAR NOT NULL, -- name as the source writes it
    key VARCHAR, -- canonical key; of an unknown framework or precision its lower-case name
    rule VARCHAR, -- rule that matched; NULL: none did
    n_rows BIGINT NOT NULL, -- records that carry it
    first_seen TIMESTAMPTZ NOT NULL, -- earliest record
    last_seen TIMESTAMPTZ NOT NULL, -- latest record
    example_path VARCHAR NOT NULL, -- an artifact, or a landing folder, that carries it
    PRIMARY KEY (kind, raw_value)
);
