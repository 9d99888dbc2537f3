-- What a model predicted for one target of a sample: by which run, and which version of which model.
-- depends: ml.datasets, ml.targets, stage.ml_predictions
-- unique: dataset_id, run_uuid, model_name, model_version, sample_index, prediction_index
CREATE OR REPLACE TABLE ml.predictions (
    prediction_id BIGINT NOT NULL, -- stable id of the columns that tell one from another
    dataset_id BIGINT NOT NULL, -- dataset
    sample_index BIGINT NOT NULL, -- sample
    prediction_index BIGINT NOT NULL, -- which target it is for: its target_index
    class BIGINT, -- class; NULL where a number with a fraction, or a text that is none of the target's, is predicted
    label VARCHAR, -- text that the class stands for
    value DOUBLE, -- number
    run_uuid VARCHAR, -- run that made it, by its run_uuid in MLflow
    model_name VARCHAR, -- registered model that made it
    model_version BIGINT, -- its version
    host VARCHAR NOT NULL, -- host that collected it
    recorded_at TIMESTAMPTZ NOT NULL -- when
);

INSERT INTO ml.predictions BY NAME
WITH newest AS (
    SELECT *
    FROM stage.ml_predictions
    QUALIFY row_number() OVER (
        PARTITION BY dataset_id, run_uuid, model_name, model_version, sample_index, prediction_index
        ORDER BY recorded_at DESC, landing_date DESC
    ) = 1
),
labels AS (
    SELECT dataset_id, target_index, label, min(class) AS class
    FROM ml.targets
    WHERE label IS NOT NULL
    GROUP BY dataset_id, target_index, label
),
classes AS (
    SELECT dataset_id, target_index, class, min(label) AS label
    FROM labels
    GROUP BY dataset_id, target_index, class
)
SELECT
    ops.stable_id(
        concat_ws(
            chr(31), newest.dataset_id, coalesce(run_uuid, ''), coalesce(model_name, ''),
            coalesce(model_version::VARCHAR, ''), sample_index, prediction_index
        )
    ) AS prediction_id,
    newest.dataset_id,
    newest.sample_index,
    newest.prediction_index,
    coalesce(newest.class, labels.class) AS class,
    coalesce(newest.label, classes.label) AS label,
    newest.value,
    newest.run_uuid,
    newest.model_name,
    newest.model_version,
    newest.host,
    newest.recorded_at
FROM newest
JOIN ml.datasets AS datasets ON datasets.dataset_id = newest.dataset_id
LEFT JOIN labels
    ON labels.dataset_id = newest.dataset_id
    AND labels.target_index = newest.prediction_index
    AND labels.label = newest.label
LEFT JOIN classes
    ON classes.dataset_id = newest.dataset_id
    AND classes.target_index = newest.prediction_index
    AND classes.class = newest.class;
