-- Every key of the usage tables is that of a row in its dimension.
-- severity: error
-- depends: fact_usage, usage_daily, active_workspace, map_user_project, map_project_machine, dim_group, dim_user, dim_project, dim_machine, dim_instance
WITH findings AS (
    SELECT 'fact_usage.project_id' AS table_name, count(*) AS n
    FROM main.fact_usage AS f
    ANTI JOIN main.dim_project AS d ON d.project_id = f.project_id
    WHERE f.scope = 'project'
    UNION ALL
    SELECT 'fact_usage.machine_id', count(*)
    FROM main.fact_usage AS f
    ANTI JOIN main.dim_machine AS d ON d.machine_id = f.machine_id
    WHERE f.scope = 'machine'
    UNION ALL
    SELECT 'fact_usage.user_id', count(*)
    FROM main.fact_usage AS f
    ANTI JOIN main.dim_user AS d ON d.user_id = f.user_id
    WHERE f.scope = 'user'
    UNION ALL
    SELECT 'usage_daily', count(*)
    FROM main.usage_daily AS f
    LEFT JOIN main.dim_project AS p ON p.project_id = f.project_id
    LEFT JOIN main.dim_machine AS m ON m.machine_id = f.machine_id
    LEFT JOIN main.dim_user AS u ON u.user_id = f.user_id
    WHERE p.project_id IS NULL OR m.machine_id IS NULL OR u.user_id IS NULL
    UNION ALL
    SELECT 'dim_user.group_id', count(*)
    FROM main.dim_user AS u
    ANTI JOIN main.dim_group AS d ON d.group_id = u.group_id
    WHERE u.group_id IS NOT NULL
    UNION ALL
    SELECT 'map_user_project', count(*)
    FROM main.map_user_project AS l
    LEFT JOIN main.dim_user AS u ON u.user_id = l.user_id
    LEFT JOIN main.dim_project AS p ON p.project_id = l.project_id
    WHERE u.user_id IS NULL OR p.project_id IS NULL
    UNION ALL
    SELECT 'map_project_machine', count(*)
    FROM main.map_project_machine AS l
    LEFT JOIN main.dim_project AS p ON p.project_id = l.project_id
    LEFT JOIN main.dim_machine AS m ON m.machine_id = l.machine_id
    WHERE p.project_id IS NULL OR m.machine_id IS NULL
    UNION ALL
    SELECT 'active_workspace', count(*)
    FROM main.active_workspace AS w
    LEFT JOIN main.dim_machine AS m ON m.machine_id = w.machine_id
    LEFT JOIN main.dim_instance AS i ON i.instance_id = w.instance_id
    LEFT JOIN main.dim_user AS u ON u.user_id = w.user_id
    LEFT JOIN main.dim_project AS p ON p.project_id = w.project_id
    WHERE m.machine_id IS NULL
        OR i.instance_id IS NULL
        OR (w.user_id IS NOT NULL AND u.user_id IS NULL)
        OR (w.project_id IS NOT NULL AND p.project_id IS NULL)
)
SELECT table_name, 'row that names nothing in its dimension' AS problem, n
FROM findings
WHERE n > 0;
