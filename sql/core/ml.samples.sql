-- One sample of the wine data, under whatever name it was collected: the datasets that have its 13 features. The samples
-- of every dataset, these too, stand in the table that ml.datasets names.
-- depends: ml.datasets, stage.ml_samples
CREATE OR REPLACE TABLE ml.samples (
    sample_id BIGINT PRIMARY KEY, -- stable id of dataset_id and sample_index
    dataset_id BIGINT NOT NULL, -- dataset
    sample_index BIGINT NOT NULL, -- position in the dataset, from 0
    "Alcohol" DOUBLE, -- alcohol, percent by volume
    "Malicacid" DOUBLE, -- malic acid, g/l
    "Ash" DOUBLE, -- ash, g/l
    "Alcalinity_of_ash" DOUBLE, -- alcalinity of the ash, mEq/l
    "Magnesium" DOUBLE, -- magnesium, mg/l
    "Total_phenols" DOUBLE, -- phenols
    "Flavanoids" DOUBLE, -- flavanoids
    "Nonflavanoid_phenols" DOUBLE, -- phenols other than flavanoids
    "Proanthocyanins" DOUBLE, -- proanthocyanins
    "Color_intensity" DOUBLE, -- intensity of the colour
    "Hue" DOUBLE, -- hue
    "0D280_0D315_of_diluted_wines" DOUBLE, -- OD280/OD315 of diluted wine; the name begins with a zero, as in its source
    "Proline" DOUBLE -- proline, mg/l
);

INSERT INTO ml.samples BY NAME
WITH wine AS (
    SELECT dataset_id, recorded_at
    FROM ml.datasets
    WHERE list_has_all([ml.wine_feature(feature) FOR feature IN features], [
        'alcohol', 'malicacid', 'ash', 'alcalinityofash', 'magnesium', 'totalphenols', 'flavanoids',
        'nonflavanoidphenols', 'proanthocyanins', 'colorintensity', 'hue', 'od280od315ofdilutedwines', 'proline'
    ])
),
sample_values AS (
    SELECT
        samples.dataset_id,
        samples.sample_index,
        ml.wine_feature(feature.key) AS feature,
        try_cast(feature.value ->> '$' AS DOUBLE) AS value
    FROM stage.ml_samples AS samples
    JOIN wine
        ON wine.dataset_id = samples.dataset_id
        AND wine.recorded_at = samples.recorded_at
    CROSS JOIN json_each(samples.features_json) AS feature
)
SELECT
    ops.stable_id(concat_ws(chr(31), dataset_id, sample_index)) AS sample_id,
    dataset_id,
    sample_index,
    max(value) FILTER (feature = 'alcohol') AS "Alcohol",
    max(value) FILTER (feature = 'malicacid') AS "Malicacid",
    max(value) FILTER (feature = 'ash') AS "Ash",
    max(value) FILTER (feature = 'alcalinityofash') AS "Alcalinity_of_ash",
    max(value) FILTER (feature = 'magnesium') AS "Magnesium",
    max(value) FILTER (feature = 'totalphenols') AS "Total_phenols",
    max(value) FILTER (feature = 'flavanoids') AS "Flavanoids",
    max(value) FILTER (feature = 'nonflavanoidphenols') AS "Nonflavanoid_phenols",
    max(value) FILTER (feature = 'proanthocyanins') AS "Proanthocyanins",
    max(value) FILTER (feature = 'colorintensity') AS "Color_intensity",
    max(value) FILTER (feature = 'hue') AS "Hue",
    max(value) FILTER (feature = 'od280od315ofdilutedwines') AS "0D280_0D315_of_diluted_wines",
    max(value) FILTER (feature = 'proline') AS "Proline"
FROM sample_values
GROUP BY dataset_id, sample_index;
