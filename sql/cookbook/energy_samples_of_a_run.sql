-- The energy samples of a run, by its run_id. Of a run whose energy is estimated model_energy_uj has it.
SELECT
    timestamp_ns,
    pkg_energy_uj / 1e6 as energy_j
FROM energy_samples
WHERE run_id = $run_id
ORDER BY timestamp_ns;
