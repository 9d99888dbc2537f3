-- The unwrapped energy counters of the lake never fall within a run.
-- severity: error
-- depends: daily.sample_audit
SELECT
    'energy_samples' AS table_name,
    'samples below the one before, first in run ' || min(run_id) || ' of ' || arg_min(run_date, run_id) AS problem,
    sum(n_falling)::BIGINT AS n
FROM daily.sample_audit
WHERE n_falling > 0
HAVING count(*) > 0;
