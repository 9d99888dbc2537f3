-- Precision, recall and F1 of each class, by dataset, run and model version: as scikit-learn computes them, but for what
-- has no value: NULL where it divides by 0 (no sample predicted as the class, or none of it), never 0.
-- depends: ml.v_confusion
CREATE OR REPLACE VIEW ml.v_class_metrics AS
WITH of_class AS (
    SELECT
        dataset_id,
        run_uuid,
        model_name,
        model_version,
        prediction_index,
        unnest([target_class, predicted_class]) AS class,
        unnest([target_class_number, predicted_class_number]) AS class_number,
        unnest([n_samples, 0]) AS n_target,
        unnest([0, n_samples]) AS n_predicted,
        unnest([CASE WHEN target_class = predicted_class THEN n_samples ELSE 0 END, 0]) AS n_right
    FROM ml.v_confusion
),
counted AS (
    SELECT
        dataset_id,
        run_uuid,
        model_name,
        model_version,
        prediction_index,
        class,
        min(class_number) AS class_number,
        sum(n_target)::BIGINT AS n_target,
        sum(n_predicted)::BIGINT AS n_predicted,
        sum(n_right)::BIGINT AS n_right
    FROM of_class
    WHERE class IS NOT NULL
    GROUP BY dataset_id, run_uuid, model_name, model_version, prediction_index, class
)
SELECT
    dataset_id, -- dataset
    run_uuid, -- run that predicted
    model_name, -- model that predicted
    model_version, -- its version
    prediction_index, -- which target
    class, -- class: its text where it has one
    class_number, -- class as a number; NULL where it was predicted and is none of the target's
    n_right / nullif(n_predicted, 0) AS precision, -- share of the samples predicted as the class that are of it
    n_right / nullif(n_target, 0) AS recall, -- share of the class's samples that are predicted as it
    2 * n_right / nullif(n_target + n_predicted, 0) AS f1, -- harmonic mean of both
    n_target AS support, -- samples of the class
    n_predicted, -- samples predicted as the class
    n_right -- samples of the class predicted as it
FROM counted;
