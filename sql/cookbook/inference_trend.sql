-- How throughput and energy per token at an interactivity changed over time: model=dsr1 interactivity=40
SELECT
    composite_key, isl, osl, date, tput_per_gpu, joules_per_output_token, measured_joules_per_output_token
FROM inference.interpolated_metrics
WHERE model = $model AND interactivity = $interactivity
ORDER BY composite_key, isl, osl, date;
