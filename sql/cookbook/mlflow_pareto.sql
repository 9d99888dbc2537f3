-- The tracked runs that no other beats in both quality and energy: metric=accuracy
SELECT run_name, run_uuid, value, energy_j, is_estimated
FROM mlflow.pareto($metric)
WHERE on_front;
