-- Each user's energy and carbon by project, the projects adding up to the user: what is known to be of a project is its;
-- the rest is shared out equally among the projects that the user belongs to, or stays unattributed.
-- from_day=2026-01-01 to_day=2026-02-01 (not included)
WITH used AS (
    SELECT
        d.user_id,
        nullif(p.cloud_project_name, '(unattributed)') AS cloud_project_name,
        sum(d.busy_kwh + d.idle_kwh) AS energy_kwh,
        sum(d.busy_gCo2eq + d.idle_gCo2eq) AS carbon_g,
        count(*) - count(d.busy_kwh) AS unknown_days
    FROM usage_daily d
    JOIN dim_project p ON p.project_id = d.project_id
    WHERE d.usage_day >= $from_day
        AND d.usage_day < $to_day
    GROUP BY ALL
),
shares AS (
    SELECT up.user_id, p.cloud_project_name, 1.0 / count(*) OVER (PARTITION BY up.user_id) AS share
    FROM map_user_project up
    JOIN dim_project p ON p.project_id = up.project_id
)
SELECT
    used.user_id,
    coalesce(used.cloud_project_name, shares.cloud_project_name, '(unattributed)') AS cloud_project_name,
    sum(used.energy_kwh * coalesce(shares.share, 1)) AS energy_kwh,
    sum(used.carbon_g * coalesce(shares.share, 1)) AS carbon_g,
    sum(used.unknown_days)::BIGINT AS unknown_days
FROM used
LEFT JOIN shares ON shares.user_id = used.user_id AND used.cloud_project_name IS NULL
GROUP BY ALL
ORDER BY used.user_id, energy_kwh DESC;
