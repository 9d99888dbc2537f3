-- The history of a metric, each run's steps cut into n parts of equal length, one row each: `metric_history('loss', n := 50)`,
-- however many steps were logged. NaN counts as no value.
-- depends: mlflow.metrics
CREATE OR REPLACE MACRO mlflow.metric_history(metric, n := 100) AS TABLE
WITH history AS (
    SELECT values_.run_uuid, values_.step, values_.timestamp, values_.value
    FROM mlflow.metrics AS values_
    WHERE values_.key = metric
),
bounds AS (
    SELECT run_uuid, min(step) AS first_step, max(step) AS last_step
    FROM history
    GROUP BY run_uuid
)
SELECT
    history.run_uuid, -- run
    ((history.step - bounds.first_step) * n // (bounds.last_step - bounds.first_step + 1))::BIGINT AS part, -- part of the run's steps, from 0
    min(history.step) AS first_step, -- first step in it
    max(history.step) AS last_step, -- last step in it
    count(history.value) AS n_values, -- values in it
    avg(history.value) AS mean_value, -- their mean
    min(history.value) AS min_value, -- the least
    max(history.value) AS max_value, -- the greatest
    arg_max(history.value, (history.step, history.timestamp)) AS last_value, -- the last
    ops.time_of_ms(max(history.timestamp)) AS last_at -- when the last was logged
FROM history
JOIN bounds ON bounds.run_uuid = history.run_uuid
GROUP BY history.run_uuid, part
ORDER BY history.run_uuid, part;
