-- A dataset: the same name and digest is the same data, whichever experiments logged it.
-- depends: mlflow.datasets, mlflow.inputs, mlflow.runs
CREATE OR REPLACE VIEW mlflow.v_datasets AS
SELECT
    datasets.name, -- its name
    datasets.digest, -- hash of its content
    list(DISTINCT datasets.experiment_id ORDER BY datasets.experiment_id) AS experiment_ids, -- experiments that logged it
    count(DISTINCT runs.run_uuid) AS n_runs, -- runs that used it
    min(runs.started_at) AS first_used_at, -- start of the first of them
    max(runs.started_at) AS last_used_at, -- start of the last of them
    any_value(datasets.dataset_source_type ORDER BY datasets.experiment_id) AS dataset_source_type, -- kind of its source
    any_value(datasets.dataset_source ORDER BY datasets.experiment_id) AS dataset_source, -- where it is from, JSON
    any_value(datasets.dataset_schema ORDER BY datasets.experiment_id) AS dataset_schema, -- its columns, JSON
    any_value(datasets.dataset_profile ORDER BY datasets.experiment_id) AS dataset_profile -- its size, JSON
FROM mlflow.datasets AS datasets
LEFT JOIN mlflow.inputs AS inputs
    ON inputs.source_type = 'DATASET'
    AND inputs.source_id = datasets.dataset_uuid
    AND inputs.destination_type = 'RUN'
LEFT JOIN mlflow.runs AS runs ON runs.run_uuid = inputs.destination_id
GROUP BY datasets.name, datasets.digest;
