-- Mean energy, carbon and carbon intensity of the users who are in a group now, over their windows, each window of each
-- user counting the same.
-- group: usage
-- depends: v_user_timeseries, dim_user, dim_group
CREATE OR REPLACE VIEW main.v_group_averages AS
SELECT
    g.group_id, -- group; NULL: of users without one
    coalesce(g.group_name, '(no group)') AS group_name, -- its name
    favg(busy_kwh) AS avg_busy_energy_kwh, -- energy of busy CPUs, kWh per window
    favg(idle_kwh) AS avg_idle_energy_kwh, -- energy of idle CPUs, kWh per window
    favg(busy_gCo2eq) AS avg_busy_carbon_gCo2eq, -- carbon of busy CPUs, g CO2e per window
    favg(idle_gCo2eq) AS avg_idle_carbon_gCo2eq, -- carbon of idle CPUs, g CO2e per window
    favg(intensity_gCo2eq_kwh) AS avg_intensity_gCo2eq_kwh, -- carbon intensity, g CO2e per kWh, a window without use counting like any other
    fsum((busy_kwh + idle_kwh) * intensity_gCo2eq_kwh)
        / nullif(fsum(busy_kwh + idle_kwh) FILTER (intensity_gCo2eq_kwh IS NOT NULL), 0)
        AS weighted_intensity_gCo2eq_kwh, -- carbon intensity weighted by energy: carbon / energy
    count(*) AS hours, -- hours of its users with any use, those of each user counted for themselves
    count(*) - count(f.busy_kwh) AS unknown_hours -- of these, hours of which a part is unknown: they are in no figure here
FROM main.v_user_timeseries AS f
JOIN main.dim_user AS u ON u.user_id = f.user_id
LEFT JOIN main.dim_group AS g ON g.group_id = u.group_id
GROUP BY g.group_id, g.group_name;
