-- Carbon intensity trend for a machine, with fallback: machine=m5.large
SELECT m.machine_name,
       f.ts,
       COALESCE(
         f.intensity_gCo2eq_kwh,
         CASE WHEN (f.busy_kwh + f.idle_kwh) > 0
              THEN (f.busy_gCo2eq + f.idle_gCo2eq) / (f.busy_kwh + f.idle_kwh)
         END
       ) AS intensity_g_per_kwh
FROM fact_usage f
JOIN dim_machine m ON m.machine_id = f.machine_id
WHERE f.scope = 'machine' AND m.machine_name = $machine
ORDER BY f.ts;
