-- A dataset that a run used.
-- depends: mlflow.inputs, mlflow.datasets, mlflow.input_tags
CREATE OR REPLACE VIEW mlflow.v_run_datasets AS
SELECT
    inputs.destination_id AS run_uuid, -- run
    datasets.name AS dataset_name, -- dataset
    datasets.digest AS dataset_digest, -- hash of its content
    tags.value AS context -- what for: training, testing, …
FROM mlflow.inputs AS inputs
JOIN mlflow.datasets AS datasets ON datasets.dataset_uuid = inputs.source_id
LEFT JOIN mlflow.input_tags AS tags
    ON tags.input_uuid = inputs.input_uuid
    AND tags.name = 'mlflow.data.context'
WHERE inputs.source_type = 'DATASET'
    AND inputs.destination_type = 'RUN';
