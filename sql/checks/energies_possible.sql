-- No energy is negative, exceeds its bounds, or takes more power than hardware has: 1000 W a CPU package.
-- severity: error
-- depends: runs, run_energy, event_energy, orchestration_events
WITH findings AS (
    SELECT 'run_energy' AS table_name, 'negative energy' AS problem, count(*) AS n
    FROM main.run_energy
    WHERE least(
        total_energy_uj, energy_lo_uj, pkg_energy_uj, core_energy_uj, uncore_energy_uj, dram_energy_uj, psys_energy_uj,
        model_energy_uj, gpu_energy_uj
    ) < 0
    UNION ALL
    SELECT 'run_energy', 'energy outside its own bounds', count(*)
    FROM main.run_energy
    WHERE total_energy_uj NOT BETWEEN energy_lo_uj AND coalesce(energy_hi_uj, total_energy_uj)
    UNION ALL
    SELECT 'run_energy', 'coverage outside 0 to 1', count(*)
    FROM main.run_energy
    WHERE sample_coverage NOT BETWEEN 0 AND 1
    UNION ALL
    SELECT 'runs', 'average package power above 1000 W a package', count(*)
    FROM main.runs AS runs
    JOIN main.run_energy AS run_energy ON run_energy.run_id = runs.run_id
    WHERE runs.pkg_energy_uj > runs.duration_ns::DOUBLE * run_energy.n_packages
    UNION ALL
    SELECT 'runs', 'dynamic energy above the total', count(*)
    FROM main.runs
    WHERE dynamic_energy_uj > total_energy_uj
    UNION ALL
    SELECT 'runs', 'negative duration', count(*)
    FROM main.runs
    WHERE duration_ns < 0
    UNION ALL
    SELECT 'event_energy', 'negative energy', count(*)
    FROM main.event_energy
    WHERE least(event_energy_uj, event_energy_lo_uj, own_energy_uj) < 0
    UNION ALL
    SELECT 'event_energy', 'own energy above the event''s', count(*)
    FROM main.event_energy
    WHERE own_energy_uj > event_energy_uj
    UNION ALL
    SELECT 'orchestration_events', 'energy outside its own bounds', count(*)
    FROM main.orchestration_events
    WHERE event_energy_uj NOT BETWEEN event_energy_lo_uj AND coalesce(event_energy_hi_uj, event_energy_uj)
    UNION ALL
    SELECT 'orchestration_events', 'negative duration', count(*)
    FROM main.orchestration_events
    WHERE duration_ns < 0
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
