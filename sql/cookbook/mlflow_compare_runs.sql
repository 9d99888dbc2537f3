-- In what two tracked runs differ: one=<run_uuid> other=<run_uuid>
SELECT kind, key, one_value, other_value, difference
FROM mlflow.compare_runs($one, $other)
WHERE differs;
