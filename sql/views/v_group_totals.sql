-- CPU time, energy and carbon of the users who are in a group now, over all time; v_group_totals_asof has the groups of
-- the time of use.
-- group: usage
-- depends: v_user_timeseries, dim_user, dim_group
CREATE OR REPLACE VIEW main.v_group_totals AS
SELECT
    g.group_id, -- group; NULL: of users without one
    coalesce(g.group_name, '(no group)') AS group_name, -- its name
    fsum(f.busy_cpu_seconds_total) AS busy_cpu_seconds_total, -- CPU time busy, seconds
    fsum(f.idle_cpu_seconds_total) AS idle_cpu_seconds_total, -- CPU time idle, seconds
    fsum(f.busy_kwh) AS busy_kwh, -- energy of busy CPUs, kWh
    fsum(f.idle_kwh) AS idle_kwh, -- energy of idle CPUs, kWh
    fsum(f.busy_gCo2eq) AS busy_gCo2eq, -- carbon of busy CPUs, g CO2e
    fsum(f.idle_gCo2eq) AS idle_gCo2eq, -- carbon of idle CPUs, g CO2e
    count(*) AS hours, -- hours of its users with any use, those of each user counted for themselves
    count(*) - count(f.busy_kwh) AS unknown_hours -- of these, hours of which a part is unknown: they are in no figure here
FROM main.v_user_timeseries AS f
JOIN main.dim_user AS u ON u.user_id = f.user_id
LEFT JOIN main.dim_group AS g ON g.group_id = u.group_id
GROUP BY g.group_id, g.group_name;
