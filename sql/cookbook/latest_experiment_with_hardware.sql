-- The latest experiment with its hardware and software.
SELECT
    e.exp_id,
    e.task_name,
    e.provider,
    h.cpu_model,
    env.python_version,
    env.git_commit
FROM experiments e
LEFT JOIN hardware_config h ON e.hw_id = h.hw_id
LEFT JOIN environment_config env ON e.env_id = env.env_id
ORDER BY e.exp_id DESC
LIMIT 1;
