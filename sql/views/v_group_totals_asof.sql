-- CPU time, energy and carbon of groups over all time, each window counted to the group that its user was in at the time.
-- group: usage
-- depends: v_user_timeseries, user_group_history
CREATE OR REPLACE VIEW main.v_group_totals_asof AS
WITH memberships AS (
    SELECT
        user_id,
        group_id,
        group_name,
        coalesce(valid_from, TIMESTAMPTZ '-infinity') AS valid_from,
        coalesce(valid_to, TIMESTAMPTZ 'infinity') AS valid_to
    FROM main.user_group_history
)
SELECT
    h.group_id, -- group, also one that is deleted by now; NULL: of use while the user was in none
    coalesce(h.group_name, '(no group)') AS group_name, -- its name
    fsum(f.busy_cpu_seconds_total) AS busy_cpu_seconds_total, -- CPU time busy, seconds
    fsum(f.idle_cpu_seconds_total) AS idle_cpu_seconds_total, -- CPU time idle, seconds
    fsum(f.busy_kwh) AS busy_kwh, -- energy of busy CPUs, kWh
    fsum(f.idle_kwh) AS idle_kwh, -- energy of idle CPUs, kWh
    fsum(f.busy_gCo2eq) AS busy_gCo2eq, -- carbon of busy CPUs, g CO2e
    fsum(f.idle_gCo2eq) AS idle_gCo2eq, -- carbon of idle CPUs, g CO2e
    count(*) AS hours, -- hours of its users with any use, those of each user counted for themselves
    count(*) - count(f.busy_kwh) AS unknown_hours -- of these, hours of which a part is unknown: they are in no figure here
FROM main.v_user_timeseries AS f
LEFT JOIN memberships AS h
    ON h.user_id = f.user_id
    AND h.valid_from <= f.ts
    AND h.valid_to > f.ts
GROUP BY h.group_id, h.group_name;
