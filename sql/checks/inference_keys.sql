-- Every natural key of the serving benchmarks stands once, and rows name what there is.
-- severity: error
-- depends: inference.benchmark_results, inference.configs, inference.eval_results, inference.latest_benchmarks, inference.availability, inference.curve_points, inference.mapped_rows, inference.artifacts
WITH counts AS (
    SELECT
        'inference.benchmark_results' AS table_name,
        count(*) AS n_rows,
        count(DISTINCT (workflow_run_id, config_id, benchmark_type, isl, osl, conc)) AS n_keys
    FROM inference.benchmark_results
    UNION ALL
    SELECT
        'inference.configs',
        count(*),
        count(DISTINCT (
            hardware, framework, model, precision, spec_method, disagg, is_multinode, prefill_tp, prefill_ep,
            prefill_dp_attention, prefill_num_workers, decode_tp, decode_ep, decode_dp_attention, decode_num_workers,
            num_prefill_gpu, num_decode_gpu
        ))
    FROM inference.configs
    UNION ALL
    SELECT 'inference.eval_results', count(*), count(DISTINCT (workflow_run_id, config_id, task, isl, osl, conc))
    FROM inference.eval_results
    UNION ALL
    SELECT 'inference.latest_benchmarks', count(*), count(DISTINCT (config_id, conc, isl, osl))
    FROM inference.latest_benchmarks
    UNION ALL
    SELECT
        'inference.availability',
        count(*),
        count(DISTINCT (model, isl, osl, precision, hardware, framework, spec_method, disagg, date))
    FROM inference.availability
    UNION ALL
    SELECT
        'inference.curve_points',
        count(*),
        count(DISTINCT (model, isl, osl, composite_key, date, config_id, conc))
    FROM inference.curve_points
)
SELECT table_name, 'rows with a key that stands twice' AS problem, n_rows - n_keys AS n
FROM counts
WHERE n_rows <> n_keys
UNION ALL
SELECT 'inference.benchmark_results', 'rows of a config that does not stand in configs', count(*)
FROM inference.benchmark_results AS results
ANTI JOIN inference.configs AS configs ON configs.config_id = results.config_id
HAVING count(*) > 0
UNION ALL
SELECT 'inference.mapped_rows', 'benchmark rows that landed and are not there, or the other way round', abs(mapped - landed)
FROM
    (SELECT count(*) AS mapped FROM inference.mapped_rows),
    (SELECT count(*) AS landed FROM inference.artifacts WHERE kind = 'benchmark')
WHERE mapped <> landed
ORDER BY ALL;
