-- One table ml.samples_<name>: the samples of all datasets of a name, with a column for each feature that any of them has.
-- depends: ml.datasets, stage.ml_samples
CREATE TABLE IF NOT EXISTS ml.sample_tables (
    table_name VARCHAR PRIMARY KEY, -- table of schema ml
    n_datasets BIGINT NOT NULL, -- datasets in it
    n_samples BIGINT NOT NULL, -- samples in it
    n_features BIGINT NOT NULL, -- feature columns
    made_from VARCHAR NOT NULL -- hash of what it was made from; it is made again only when that changes
);
