-- The three best runs of each tracked experiment by a metric of which more is better: metric=accuracy
-- (of one of which less is better: best_runs('loss', minimise := TRUE))
SELECT experiment_name, place, run_name, run_uuid, value, step, started_at
FROM mlflow.best_runs($metric, n := 3);
