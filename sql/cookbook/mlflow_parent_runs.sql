-- The child runs of each tracked run, with what they took: energy in J where it was measured.
SELECT
    parents.name AS parent_name,
    parents.run_uuid AS parent_run_uuid,
    count(*) AS n_children,
    count(energies.run_uuid) AS n_measured,
    sum(energies.energy_j) AS energy_j
FROM mlflow.tags AS tags
JOIN mlflow.runs AS parents ON parents.run_uuid = tags.value
LEFT JOIN mlflow.v_run_energy AS energies ON energies.run_uuid = tags.run_uuid
WHERE tags.key = 'mlflow.parentRunId'
GROUP BY parents.name, parents.run_uuid
ORDER BY parents.name, parents.run_uuid;
