-- Which points no other one beats, in throughput per megawatt against interactivity: model=dsr1 isl=1024 osl=1024
SELECT composite_key, x AS interactivity, y AS tok_s_per_mw, conc, date
FROM inference.pareto_points
WHERE
    chart = 'interactivity'
    AND y_metric = 'total_tput_per_mw'
    AND model = $model
    AND isl = $isl
    AND osl = $osl
ORDER BY composite_key, x;
