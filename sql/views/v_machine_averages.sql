-- Mean energy, carbon and carbon intensity of a machine over its windows, each window counting the same.
-- group: usage
-- depends: v_machine_timeseries
CREATE OR REPLACE VIEW main.v_machine_averages AS
SELECT
    machine_id, -- machine
    machine_name, -- its name
    favg(busy_kwh) AS avg_busy_energy_kwh, -- energy of busy CPUs, kWh per window
    favg(idle_kwh) AS avg_idle_energy_kwh, -- energy of idle CPUs, kWh per window
    favg(busy_gCo2eq) AS avg_busy_carbon_gCo2eq, -- carbon of busy CPUs, g CO2e per window
    favg(idle_gCo2eq) AS avg_idle_carbon_gCo2eq, -- carbon of idle CPUs, g CO2e per window
    favg(intensity_gCo2eq_kwh) AS avg_intensity_gCo2eq_kwh, -- carbon intensity, g CO2e per kWh, a window without use counting like any other
    fsum((busy_kwh + idle_kwh) * intensity_gCo2eq_kwh)
        / nullif(fsum(busy_kwh + idle_kwh) FILTER (intensity_gCo2eq_kwh IS NOT NULL), 0)
        AS weighted_intensity_gCo2eq_kwh, -- carbon intensity weighted by energy: carbon / energy
    count(*) AS hours, -- hours with any use
    count(*) - count(busy_kwh) AS unknown_hours -- of these, hours of which a part is unknown: they are in no figure here
FROM main.v_machine_timeseries
GROUP BY machine_id, machine_name;
