-- Energy and carbon of each group, every window counted to the group that its user was in at the time:
-- from_utc=2026-01-01 to_utc=2026-02-01
SELECT
    coalesce(h.group_name, '(no group)') AS group_name,
    sum(f.busy_kwh + f.idle_kwh) AS energy_kwh,
    sum(f.busy_gCo2eq + f.idle_gCo2eq) AS carbon_g,
    count(*) - count(f.busy_kwh) AS unknown_hours
FROM fact_usage f
LEFT JOIN user_group_history h
    ON h.user_id = f.user_id
    AND f.ts >= coalesce(h.valid_from, '-infinity'::TIMESTAMPTZ)
    AND f.ts < coalesce(h.valid_to, 'infinity'::TIMESTAMPTZ)
WHERE f.scope = 'user'
    AND f.ts >= $from_utc
    AND f.ts < $to_utc
GROUP BY ALL
ORDER BY energy_kwh DESC;
