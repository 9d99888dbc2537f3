-- One tabular dataset: a name and the digest of its file. A name may have several digests, each is a dataset of its own.
-- depends: stage.ml_datasets
-- unique: name, digest
CREATE OR REPLACE TABLE ml.datasets (
    dataset_id BIGINT PRIMARY KEY, -- stable id of name and digest
    name VARCHAR NOT NULL, -- name
    digest VARCHAR NOT NULL, -- first 32 hex digits of the SHA-256 of the file
    n_samples BIGINT NOT NULL, -- samples
    n_features BIGINT NOT NULL, -- feature columns
    features VARCHAR[] NOT NULL, -- their names
    targets VARCHAR[] NOT NULL, -- columns to be predicted, in the order of target_index
    table_name VARCHAR NOT NULL, -- table of schema ml with the features of all datasets of this name
    source VARCHAR NOT NULL, -- file that it was read from, on that host
    columns_json VARCHAR NOT NULL, -- JSON list of the file's columns: name, SQL type, role
    source_system VARCHAR NOT NULL, -- what collected it
    host VARCHAR NOT NULL, -- host that collected it
    recorded_at TIMESTAMPTZ NOT NULL -- when; the rows of its other collections do not count
);

INSERT INTO ml.datasets BY NAME
WITH newest AS (
    SELECT *, from_json(columns_json, '[{"name": "VARCHAR", "type": "VARCHAR", "role": "VARCHAR"}]') AS columns
    FROM stage.ml_datasets
    QUALIFY row_number() OVER (PARTITION BY dataset_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
told_apart AS (
    SELECT
        *,
        [one.name FOR one IN columns IF one.role = 'feature'] AS features,
        [one.name FOR one IN columns IF one.role = 'target'] AS targets
    FROM newest
)
SELECT
    dataset_id,
    name,
    digest,
    n_samples,
    len(features) AS n_features,
    features,
    targets,
    'samples_' || regexp_replace(lower(name), '[^a-z0-9]', '_', 'g') AS table_name,
    source,
    columns_json,
    source_system,
    host,
    recorded_at
FROM told_apart;
