-- A plain name of a model, hardware or framework that records of runs carry, and what it resolves to. The hardware of a
-- measured run is its GPU; a host without one has none to name. The other names of benchmark rows, which have more to them, are in mapped_rows.
-- group: inference
<<<<<<< HEAD
-- depends: stage.experiments, stage.hardware_config, stage.environment_config, stage.inference_artifacts, tracked.tags, tracked.params
=======
-- depends: stage.experiments, stage.hardware_config, stage.environment_config, inference.artifacts, stage.mlflow_tags, stage.mlflow_params
>>>>>>> 9139653 (Count of a changed document only what it holds now; set aside rows of attempts and times that cannot be)
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
