-- Precision, recall and F1 of each class, by dataset and what predicted it, the newest predictions first.
SELECT
    d.name AS dataset,
    m.run_uuid,
    m.model_name,
    m.model_version,
    m.class,
    round(m.precision, 3) AS precision,
    round(m.recall, 3) AS recall,
    round(m.f1, 3) AS f1,
    m.support
FROM ml.v_class_metrics AS m
JOIN ml.datasets AS d ON d.dataset_id = m.dataset_id
ORDER BY d.name, m.run_uuid, m.model_name, m.model_version, m.class_number;
