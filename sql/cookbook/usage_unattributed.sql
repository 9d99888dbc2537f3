-- Which hosts used energy that nobody can be given, and how much: from_utc=2026-01-01 to_utc=2026-02-01
SELECT
    host,
    count(*) AS windows,
    sum(busy_kwh + idle_kwh) AS energy_kwh,
    count(*) - count(busy_kwh) AS unknown_windows,
    bool_or(user_id IS NULL) AS without_user,
    bool_or(cloud_project_name IS NULL) AS without_project,
    bool_or(machine_name IS NULL) AS without_machine
FROM usage_attributed(utc($from_utc), utc($to_utc))
WHERE user_id IS NULL OR cloud_project_name IS NULL OR machine_name IS NULL
GROUP BY host
ORDER BY energy_kwh DESC;
