-- A year by day, for a calendar heat map: energy, carbon, and how much of it rests on measured carbon intensity: year=2026
SELECT
    (ts AT TIME ZONE 'UTC')::DATE AS day,
    isodow(day) AS weekday,
    week(day) AS week,
    sum(busy_kwh + idle_kwh) AS energy_kwh,
    sum(busy_gCo2eq + idle_gCo2eq) AS carbon_g,
    count(*) AS hours,
    count(*) - count(busy_kwh) AS unknown_hours,
    count(*) FILTER (intensity_source = 'actual') AS hours_with_measured_intensity
FROM fact_usage
WHERE scope = 'ada'
    AND ts >= make_timestamptz($year::INTEGER, 1, 1, 0, 0, 0)
    AND ts < make_timestamptz($year::INTEGER + 1, 1, 1, 0, 0, 0)
GROUP BY day
ORDER BY day;
