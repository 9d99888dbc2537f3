-- Two GPU types beside each other, at each interactivity that both reach: a=b200 b=mi355x
FROM inference.compare_hardware($a, $b)
ORDER BY model, isl, osl, precision, interactivity;
