-- The footprint of a period by scope with what the power model leaves out: `pue` times the energy for cooling and losses of
-- the data centre, and the carbon of making the machines, `embodied_g_per_cpu_hour` for each hour of a CPU.
-- group: usage
-- depends: usage_totals
CREATE OR REPLACE MACRO main.usage_footprint(scope, from_ts, to_ts, pue := 1.0, embodied_g_per_cpu_hour := 0.0) AS TABLE
SELECT
    totals.key, -- id of the project, machine, user or group
    totals.name, -- its name
    totals.busy_kwh + totals.idle_kwh AS it_kwh, -- energy of the machines
    (totals.busy_kwh + totals.idle_kwh) * pue AS facility_kwh, -- energy of machines and data centre
    (totals.busy_gCo2eq + totals.idle_gCo2eq) * pue AS operational_gCo2eq, -- carbon of that energy
    (totals.busy_cpu_seconds_total + totals.idle_cpu_seconds_total) / 3600 * embodied_g_per_cpu_hour
        AS embodied_gCo2eq, -- carbon of making the machines
    (totals.busy_gCo2eq + totals.idle_gCo2eq) * pue
        + (totals.busy_cpu_seconds_total + totals.idle_cpu_seconds_total) / 3600 * embodied_g_per_cpu_hour
        AS total_gCo2eq, -- both together
    totals.is_estimated, -- some of it is estimated by more than the power model
    totals.unknown_hours -- hours of which a part is unknown: they are in no figure here
FROM main.usage_totals(scope, from_ts, to_ts) AS totals;
