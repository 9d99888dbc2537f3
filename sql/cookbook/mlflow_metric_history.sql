-- The history of a metric in 50 parts of each run, for a plot: metric=loss
SELECT run_uuid, part, first_step, last_step, mean_value, min_value, max_value
FROM mlflow.metric_history($metric, n := 50);
