-- What is odd about a run, one row per finding: figures far from those of equal runs, and figures that contradict one
-- another or what a machine can do. Something to look at, not a verdict: run_quality says what may be used.
-- depends: outliers, runs
CREATE OR REPLACE VIEW main.anomalies AS
SELECT
    run_id, -- run
    'outlier' AS kind, -- outlier, negative_dynamic, core_above_package, instant, no_tokens or waiting_beyond_end
    metric || ' ' || printf('%.4g', value) || ', median of ' || n_runs || ' equal runs ' || printf('%.4g', median)
        || ', robust z ' || printf('%.1f', robust_z) AS finding -- in words
FROM main.outliers
WHERE is_outlier
UNION ALL
SELECT run_id, 'negative_dynamic', 'less energy than idling would take: ' || printf('%.4g', dynamic_energy_uj / 1e6) || ' J'
FROM main.runs
WHERE dynamic_energy_uj < 0
UNION ALL
SELECT run_id, 'core_above_package', 'the cores took more than the package they are part of'
FROM main.runs
WHERE core_energy_uj > pkg_energy_uj
UNION ALL
SELECT run_id, 'instant', 'shorter than 100 ms: the counters resolve it poorly'
FROM main.runs
WHERE duration_ns < 100000000
UNION ALL
SELECT run_id, 'no_tokens', llm_calls || ' LLM calls, but no token'
FROM main.runs
WHERE llm_calls > 0
    AND total_tokens = 0
UNION ALL
SELECT run_id, 'waiting_beyond_end', 'its LLM calls took longer than the run: ' || printf('%.0f', api_latency_ms) || ' ms'
FROM main.runs
WHERE api_latency_ms * 1e6 > duration_ns
    AND llm_calls = 1;
