-- One target of a sample: what a model is to predict. A class (a whole number, or the rank of a text among the texts of
-- its column, from 0) or a number.
-- depends: ml.datasets, stage.ml_targets
-- unique: dataset_id, sample_index, target_index
CREATE OR REPLACE TABLE ml.targets (
    target_id BIGINT NOT NULL, -- stable id of dataset_id, sample_index and target_index
    dataset_id BIGINT NOT NULL, -- dataset
    sample_index BIGINT NOT NULL, -- sample
    target_index BIGINT NOT NULL, -- which target, from 0
    class BIGINT, -- class; NULL where the target has a fraction, or is missing
    label VARCHAR, -- text that the class stands for, where the file has texts
    value DOUBLE, -- number, where the file has numbers that may have a fraction
    target_name VARCHAR NOT NULL -- column of the file
);

INSERT INTO ml.targets BY NAME
SELECT
    ops.stable_id(concat_ws(chr(31), targets.dataset_id, targets.sample_index, targets.target_index)) AS target_id,
    targets.dataset_id,
    targets.sample_index,
    targets.target_index,
    targets.class,
    targets.label,
    targets.value,
    targets.target_name
FROM stage.ml_targets AS targets
JOIN ml.datasets AS datasets
    ON datasets.dataset_id = targets.dataset_id
    AND datasets.recorded_at = targets.recorded_at
QUALIFY row_number() OVER (
    PARTITION BY targets.dataset_id, targets.sample_index, targets.target_index
    ORDER BY targets.landing_date DESC
) = 1;
