-- How well the predictions of a run or model version fit, over a dataset: accuracy and mean F1 of classes, errors of
-- numbers.
-- depends: ml.predictions, ml.targets, ml.v_class_metrics, ml.datasets
CREATE OR REPLACE VIEW ml.v_prediction_scores AS
WITH scored AS (
    SELECT
        p.dataset_id,
        p.run_uuid,
        p.model_name,
        p.model_version,
        p.prediction_index,
        count(*) AS n_samples,
        count(t.class) AS n_classes,
        count(*) FILTER (coalesce(t.label, t.class::VARCHAR) = coalesce(p.label, p.class::VARCHAR)) AS n_right,
        avg(abs(p.value - t.value)) AS mean_absolute_error,
        sqrt(avg((p.value - t.value) ** 2)) AS root_mean_squared_error
    FROM ml.predictions AS p
    JOIN ml.targets AS t
        ON t.dataset_id = p.dataset_id
        AND t.sample_index = p.sample_index
        AND t.target_index = p.prediction_index
    GROUP BY p.dataset_id, p.run_uuid, p.model_name, p.model_version, p.prediction_index
),
means AS (
    SELECT
        dataset_id,
        run_uuid,
        model_name,
        model_version,
        prediction_index,
        avg(coalesce(f1, 0)) AS macro_f1
    FROM ml.v_class_metrics
    GROUP BY dataset_id, run_uuid, model_name, model_version, prediction_index
)
SELECT
    d.name AS dataset, -- dataset
    d.digest, -- its digest
    s.dataset_id, -- its id
    s.run_uuid, -- run that predicted
    s.model_name, -- model that predicted
    s.model_version, -- its version
    s.prediction_index, -- which target
    s.n_samples, -- samples predicted that have a target
    s.n_right / nullif(s.n_classes, 0) AS accuracy, -- share predicted right; NULL where the target is no class
    m.macro_f1, -- mean F1 of the classes, a class without any right prediction counting 0
    s.mean_absolute_error, -- of numbers
    s.root_mean_squared_error -- of numbers
FROM scored AS s
JOIN ml.datasets AS d ON d.dataset_id = s.dataset_id
LEFT JOIN means AS m
    ON m.dataset_id = s.dataset_id
    AND m.run_uuid IS NOT DISTINCT FROM s.run_uuid
    AND m.model_name IS NOT DISTINCT FROM s.model_name
    AND m.model_version IS NOT DISTINCT FROM s.model_version
    AND m.prediction_index = s.prediction_index;
