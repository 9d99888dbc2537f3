-- Top N groups by energy this quarter: q_start=2026-01-01 q_end=2026-04-01 n=10
WITH group_ts AS (
  SELECT g.group_name,
         f.ts,
         (f.busy_kwh + f.idle_kwh) AS kwh
  FROM fact_usage f
  JOIN dim_user u ON u.user_id = f.user_id
  JOIN dim_group g ON g.group_id = u.group_id
  WHERE f.scope = 'user'
    AND f.ts >= $q_start
    AND f.ts <  $q_end
)
SELECT group_name, SUM(kwh) AS energy_kwh
FROM group_ts
GROUP BY group_name
ORDER BY energy_kwh DESC
LIMIT $n;
