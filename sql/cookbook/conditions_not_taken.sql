-- What was said of conditions and not taken, and why: no parameters
SELECT reason, name, source, count(*) AS statements, min(run_number) AS example_run, max(recorded_at) AS last_said
FROM rcdb.condition_statements
WHERE outcome = 'refused'
GROUP BY ALL
ORDER BY statements DESC, reason, name;
