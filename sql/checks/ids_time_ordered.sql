-- Ids of experiments and runs rise by time, so that ORDER BY exp_id DESC LIMIT 1 is the latest.
-- severity: error
-- depends: experiments, runs
SELECT 'runs' AS table_name, 'run_id is of another second than its start' AS problem, count(*) AS n
FROM main.runs
WHERE run_id // 4194304 NOT BETWEEN greatest(start_time_ns // 1000000000 - 1577836800, 0)
    AND greatest(start_time_ns // 1000000000 - 1577836800, 0) + 1
HAVING count(*) > 0
UNION ALL
SELECT 'experiments' AS table_name, 'exp_id is of another second than its creation' AS problem, count(*) AS n
FROM main.experiments
WHERE exp_id // 4194304 NOT BETWEEN greatest(floor(epoch(coalesce(created_at, started_at))) - 1577836800, 0)
    AND greatest(floor(epoch(coalesce(created_at, started_at))) - 1577836800, 0) + 1
HAVING count(*) > 0;
