-- Energy of measured runs by experiment group (a session's experiments), measured and estimated apart.
SELECT
    e.group_id,
    min(e.started_at) AS started_at,
    count(DISTINCT e.exp_id) AS experiments,
    count(*) AS runs,
    r.is_estimated,
    sum(r.total_energy_uj) / 3.6e12 AS energy_kwh,
    sum(r.dynamic_energy_uj) / 3.6e12 AS dynamic_energy_kwh
FROM runs r
JOIN experiments e ON e.exp_id = r.exp_id
GROUP BY e.group_id, r.is_estimated
ORDER BY started_at DESC;
