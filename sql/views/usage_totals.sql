-- Totals of a period [from_ts, to_ts) by scope: 'ada', 'project', 'machine', 'user' or 'group' (as users are grouped now).
-- group: usage
-- depends: fact_usage, dim_project, dim_machine, dim_user, dim_group
CREATE OR REPLACE MACRO main.usage_totals(scope, from_ts, to_ts) AS TABLE
SELECT
    coalesce(p.project_id::VARCHAR, m.machine_id::VARCHAR, CASE WHEN scope = 'group' THEN g.group_id::VARCHAR ELSE u.user_id END)
        AS key, -- id of the project, machine, user or group; NULL: of everything, or of users without a group
    CASE
        WHEN scope = 'ada' THEN 'ada'
        WHEN scope = 'group' THEN coalesce(g.group_name, '(no group)')
        ELSE coalesce(p.cloud_project_name, m.machine_name, u.display_name)
    END AS name, -- its name
    fsum(f.busy_cpu_seconds_total) AS busy_cpu_seconds_total, -- CPU time busy, seconds
    fsum(f.idle_cpu_seconds_total) AS idle_cpu_seconds_total, -- CPU time idle, seconds
    fsum(f.busy_kwh) AS busy_kwh, -- energy of busy CPUs
    fsum(f.idle_kwh) AS idle_kwh, -- energy of idle CPUs
    fsum(f.busy_gCo2eq) AS busy_gCo2eq, -- carbon of busy CPUs
    fsum(f.idle_gCo2eq) AS idle_gCo2eq, -- carbon of idle CPUs
    fsum(f.busy_gCo2eq + f.idle_gCo2eq) / nullif(fsum(f.busy_kwh + f.idle_kwh), 0)
        AS weighted_intensity_gCo2eq_kwh, -- carbon / energy
    bool_or(f.is_estimated) AS is_estimated -- some of it is estimated by more than the power model
FROM main.fact_usage AS f
LEFT JOIN main.dim_project AS p ON p.project_id = f.project_id
LEFT JOIN main.dim_machine AS m ON m.machine_id = f.machine_id
LEFT JOIN main.dim_user AS u ON u.user_id = f.user_id
LEFT JOIN main.dim_group AS g ON g.group_id = u.group_id AND scope = 'group'
WHERE f.scope = CASE WHEN scope = 'group' THEN 'user' ELSE scope END
    AND f.ts >= main.utc(from_ts)
    AND f.ts < main.utc(to_ts)
GROUP BY ALL;
