-- Which hardware serves a model cheapest at an interactivity, by the cost of ownership to a neocloud:
-- model=dsr1 isl=1024 osl=1024 interactivity=40
SELECT rank, composite_key, cost_usd_per_mtok, ratio_to_best, tput_per_gpu
FROM inference.tco
WHERE
    question = 'cost_at_interactivity'
    AND cost_basis = 'neocloud'
    AND model = $model
    AND isl = $isl
    AND osl = $osl
    AND asked = $interactivity
ORDER BY rank;
