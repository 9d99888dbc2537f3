-- How often samples of a class were predicted as which class, by dataset, run and model version: one row per pair that
-- occurs. Samples without a target do not count.
-- depends: ml.predictions, ml.targets
CREATE OR REPLACE VIEW ml.v_confusion AS
SELECT
    p.dataset_id, -- dataset
    p.run_uuid, -- run that predicted
    p.model_name, -- model that predicted
    p.model_version, -- its version
    p.prediction_index, -- which target
    coalesce(t.label, t.class::VARCHAR) AS target_class, -- class as it is: its text where it has one
    coalesce(p.label, p.class::VARCHAR) AS predicted_class, -- class as predicted; NULL: none
    t.class AS target_class_number, -- class as it is, as a number
    p.class AS predicted_class_number, -- class as predicted, as a number
    count(*) AS n_samples -- samples
FROM ml.predictions AS p
JOIN ml.targets AS t
    ON t.dataset_id = p.dataset_id
    AND t.sample_index = p.sample_index
    AND t.target_index = p.prediction_index
WHERE t.class IS NOT NULL
GROUP BY ALL;
