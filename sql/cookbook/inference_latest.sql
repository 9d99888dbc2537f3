-- The newest results of a model at given lengths, the most tokens per GPU first: model=dsr1 isl=1024 osl=1024
SELECT
    configs.composite_key,
    latest.conc,
    latest.tput_per_gpu,
    latest.median_intvty,
    latest.median_ttft,
    latest.measured_power_per_gpu_w,
    latest.provisioned_power_per_gpu_w,
    latest.date
FROM inference.latest_benchmarks AS latest
JOIN inference.configs AS configs USING (config_id)
WHERE configs.model = $model AND latest.isl = $isl AND latest.osl = $osl
ORDER BY latest.tput_per_gpu DESC;
