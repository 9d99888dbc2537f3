-- The footprint of projects with the data centre's share and the making of the machines:
-- from_utc=2026-01-01 to_utc=2026-02-01 pue=1.4 embodied_g_per_cpu_hour=0.9
SELECT name, it_kwh, facility_kwh, operational_gCo2eq, embodied_gCo2eq, total_gCo2eq, is_estimated, unknown_hours
FROM usage_footprint(
    'project', $from_utc, $to_utc,
    pue := $pue::DOUBLE,
    embodied_g_per_cpu_hour := $embodied_g_per_cpu_hour::DOUBLE
)
ORDER BY total_gCo2eq DESC;
