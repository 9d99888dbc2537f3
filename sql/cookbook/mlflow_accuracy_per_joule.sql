-- What a joule buys: the value of a metric per joule of each tracked run whose energy was measured: metric=accuracy
SELECT run_name, experiment_name, value, energy_j, value_per_j, value_per_j_lo, value_per_j_hi, is_estimated
FROM mlflow.quality_per_joule($metric);
