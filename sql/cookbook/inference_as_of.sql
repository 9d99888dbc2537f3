-- What was known of a model on a day: model=dsr1 day=2026-06-30
SELECT configs.composite_key, known.isl, known.osl, known.conc, known.tput_per_gpu, known.median_intvty, known.date
FROM inference.latest_benchmarks_as_of($day::DATE) AS known
JOIN inference.configs AS configs USING (config_id)
WHERE configs.model = $model
ORDER BY ALL;
