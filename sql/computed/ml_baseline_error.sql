-- What the features of ml_feature_table are worth: the error of a small model that predicts the dynamic energy of runs of
-- sessions that it has not seen, computed by alems_pipeline/baseline_model.py. One row; none while there are too few runs.
-- depends: ml_feature_table, ml_feature_dictionary
CREATE OR REPLACE TABLE main.ml_baseline_error (
    target VARCHAR NOT NULL, -- column predicted
    model VARCHAR NOT NULL, -- kind of model
    n_runs BIGINT NOT NULL, -- measured runs with a dynamic energy: the newest, at most 1,000
    n_groups BIGINT NOT NULL, -- sessions that they belong to
    n_features BIGINT NOT NULL, -- columns used: features that give nothing away and are known of some run
    target_min_j DOUBLE NOT NULL, -- least energy among them, J
    target_max_j DOUBLE NOT NULL, -- greatest
    held_out_mae_j DOUBLE NOT NULL, -- mean absolute error, each session predicted by a model of others, J
    mean_mae_j DOUBLE NOT NULL -- the same of guessing the mean of the others
);
