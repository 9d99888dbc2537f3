-- Totals of a period [from_ts, to_ts) by scope: 'ada', 'project', 'machine', 'user' or 'group' (as users are grouped now).
-- group: usage
-- depends: fact_usage, dim_project, dim_machine, dim_user, dim_group
CREATE OR REPLACE MACRO main.usage_totals(scope, from_ts, to_ts) AS TABLE
WITH sums AS (
    SELECT
        f.project_id,
        f.machine_id,
        f.user_id,
        fsum(f.busy_cpu_seconds_total) AS busy_s,
        fsum(f.idle_cpu_seconds_total) AS idle_s,
        fsum(f.busy_kwh) AS busy_kwh,
        fsum(f.idle_kwh) AS idle_kwh,
        fsum(f.busy_gCo2eq) AS busy_g,
        fsum(f.idle_gCo2eq) AS idle_g,
        bool_or(f.is_estimated) AS is_estimated,
        count(*) AS hours,
        count(f.busy_kwh) AS known_hours
    FROM main.fact_usage AS f
    WHERE f.scope = CASE WHEN scope = 'group' THEN 'user' ELSE scope END
        AND f.ts >= main.utc(from_ts)
        AND f.ts < main.utc(to_ts)
    GROUP BY f.project_id, f.machine_id, f.user_id
),
named AS (
    SELECT
        CASE scope
            WHEN 'project' THEN p.project_id::VARCHAR
            WHEN 'machine' THEN m.machine_id::VARCHAR
            WHEN 'user' THEN u.user_id
            WHEN 'group' THEN g.group_id::VARCHAR
        END AS key,
        CASE scope
            WHEN 'ada' THEN 'ada'
            WHEN 'project' THEN p.cloud_project_name
            WHEN 'machine' THEN m.machine_name
            WHEN 'user' THEN u.display_name
            WHEN 'group' THEN coalesce(g.group_name, '(no group)')
        END AS name,
        sums.* EXCLUDE (project_id, machine_id, user_id)
    FROM sums
    LEFT JOIN main.dim_project AS p ON p.project_id = sums.project_id
    LEFT JOIN main.dim_machine AS m ON m.machine_id = sums.machine_id
    LEFT JOIN main.dim_user AS u ON u.user_id = sums.user_id
    LEFT JOIN main.dim_group AS g ON g.group_id = u.group_id
)
SELECT
    key, -- id of the project, machine, user or group; NULL: of everything, or of users without a group
    name, -- its name
    fsum(busy_s) AS busy_cpu_seconds_total, -- CPU time busy, seconds
    fsum(idle_s) AS idle_cpu_seconds_total, -- CPU time idle, seconds
    fsum(busy_kwh) AS busy_kwh, -- energy of busy CPUs
    fsum(idle_kwh) AS idle_kwh, -- energy of idle CPUs
    fsum(busy_g) AS busy_gCo2eq, -- carbon of busy CPUs
    fsum(idle_g) AS idle_gCo2eq, -- carbon of idle CPUs
    (fsum(busy_g) + fsum(idle_g)) / nullif(fsum(busy_kwh) + fsum(idle_kwh), 0)
        AS weighted_intensity_gCo2eq_kwh, -- carbon / energy
    bool_or(is_estimated) AS is_estimated, -- some of it is estimated by more than the power model
    sum(hours)::BIGINT AS hours, -- hours with any use; of a group, those of each of its users
    sum(hours - known_hours)::BIGINT AS unknown_hours -- of these, hours of which a part is unknown: they are in no figure here
FROM named
GROUP BY key, name;
