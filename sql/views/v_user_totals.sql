-- CPU time, energy and carbon of a user over all time; for a period see usage_totals.
-- group: usage
-- depends: v_user_timeseries
CREATE OR REPLACE VIEW main.v_user_totals AS
SELECT
    user_id, -- user
    display_name, -- their name
    fsum(busy_cpu_seconds_total) AS busy_cpu_seconds_total, -- CPU time busy, seconds
    fsum(idle_cpu_seconds_total) AS idle_cpu_seconds_total, -- CPU time idle, seconds
    fsum(busy_kwh) AS busy_kwh, -- energy of busy CPUs, kWh
    fsum(idle_kwh) AS idle_kwh, -- energy of idle CPUs, kWh
    fsum(busy_gCo2eq) AS busy_gCo2eq, -- carbon of busy CPUs, g CO2e
    fsum(idle_gCo2eq) AS idle_gCo2eq, -- carbon of idle CPUs, g CO2e
    count(*) AS hours, -- hours with any use
    count(*) - count(busy_kwh) AS unknown_hours -- of these, hours of which a part is unknown: they are in no figure here
FROM main.v_user_timeseries
GROUP BY user_id, display_name;
