-- What the carbon of a period equals in things that people know, and how many hours it lacks: from_utc=2026-01-01 to_utc=2026-02-01
WITH total AS (
    SELECT busy_gCo2eq + idle_gCo2eq AS carbon_g, unknown_hours
    FROM usage_totals('ada', $from_utc, $to_utc)
)
SELECT carbon_g, thing, amount, unknown_hours
FROM total, carbon_equivalences(carbon_g);
