-- Models that were both measured as programs and benchmarked as services: energy of a run beside J per served token.
WITH served AS (
    SELECT
        configs.model AS model_key,
        min(1000 * hardware.power_kw / nullif(latest.output_tput_per_gpu, 0)) AS least_joules_per_output_token
    FROM inference.latest_benchmarks AS latest
    JOIN inference.configs AS configs USING (config_id)
    JOIN dim_hardware AS hardware ON hardware.hardware_key = configs.hardware
    GROUP BY configs.model
)
SELECT runs.model_key, runs.workflow_type, count(*) AS runs, median(runs.dynamic_energy_uj) / 1e6 AS median_run_j,
    any_value(served.least_joules_per_output_token) AS least_served_joules_per_output_token
FROM runs
JOIN served ON served.model_key = runs.model_key
GROUP BY runs.model_key, runs.workflow_type
ORDER BY ALL;
