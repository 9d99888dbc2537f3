-- Which classes a run confuses, by its run_uuid.
SELECT
    target_class,
    predicted_class,
    n_samples
FROM ml.v_confusion
WHERE run_uuid = $run_uuid
ORDER BY target_class_number, predicted_class_number;
