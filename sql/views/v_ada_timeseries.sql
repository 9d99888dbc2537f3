-- CPU time, energy and carbon of everything in one window.
-- group: usage
-- depends: fact_usage
CREATE OR REPLACE VIEW main.v_ada_timeseries AS
SELECT
    f.ts, -- start of the window
    f.busy_cpu_seconds_total, -- CPU time busy, seconds
    f.idle_cpu_seconds_total, -- CPU time idle, seconds
    f.busy_kwh, -- energy of busy CPUs, kWh
    f.idle_kwh, -- energy of idle CPUs, kWh
    f.busy_gCo2eq, -- carbon of busy CPUs, g CO2e
    f.idle_gCo2eq, -- carbon of idle CPUs, g CO2e
    coalesce(
        f.intensity_gCo2eq_kwh,
        CASE WHEN f.busy_kwh + f.idle_kwh > 0 THEN (f.busy_gCo2eq + f.idle_gCo2eq) / (f.busy_kwh + f.idle_kwh) END
    ) AS intensity_gCo2eq_kwh -- carbon intensity as given, else of the window's carbon and energy, g CO2e per kWh
FROM main.fact_usage AS f
WHERE f.scope = 'ada';
