-- The dataset store is whole: every sample of every dataset landed, once, and what belongs to a sample finds it.
-- depends: ml.datasets, ml.targets, ml.predictions, ml.sample_tables, stage.ml_samples, stage.ml_predictions
-- severity: warn
WITH counted AS (
    SELECT datasets.dataset_id, datasets.name, datasets.n_samples, count(samples.sample_index) AS n_landed
    FROM ml.datasets AS datasets
    LEFT JOIN stage.ml_samples AS samples
        ON samples.dataset_id = datasets.dataset_id
        AND samples.recorded_at = datasets.recorded_at
    GROUP BY datasets.dataset_id, datasets.name, datasets.n_samples
),
known AS (
    SELECT dataset_id, sample_index
    FROM stage.ml_samples
)
SELECT 'ml.datasets' AS table_name, 'samples of ' || name || ' that did not land, or too many' AS problem,
    abs(n_samples - n_landed) AS n
FROM counted
WHERE n_samples <> n_landed
UNION ALL
SELECT 'ml.targets', 'target of a sample that is not there', count(*)
FROM ml.targets AS targets
ANTI JOIN known USING (dataset_id, sample_index)
HAVING count(*) > 0
UNION ALL
SELECT 'ml.predictions', 'prediction for a sample that is not there', count(*)
FROM ml.predictions AS predictions
ANTI JOIN known USING (dataset_id, sample_index)
HAVING count(*) > 0
UNION ALL
SELECT 'stage.ml_predictions', 'prediction for a dataset that did not land; run alems-collect dataset', count(*)
FROM stage.ml_predictions AS predictions
ANTI JOIN ml.datasets AS datasets ON datasets.dataset_id = predictions.dataset_id
HAVING count(*) > 0
UNION ALL
SELECT 'ml.sample_tables', 'samples in the tables, and not as many in the datasets',
    abs(sum(n_samples) - (SELECT sum(n_landed) FROM counted))::BIGINT
FROM ml.sample_tables
HAVING sum(n_samples) <> (SELECT sum(n_landed) FROM counted);
