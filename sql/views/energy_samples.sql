-- Energy counters within and around runs, 100 Hz: cumulative, unwrapped, summed over packages. The rows stand in the lake's
-- Parquet files; landing holds the raw counters.
CREATE OR REPLACE VIEW main.energy_samples AS
SELECT
    sample_id, -- position within its run, from 1
    run_id, -- run
    timestamp_ns, -- time of the sample, ns UTC
    pkg_energy_uj, -- energy of all packages since the run's first sample, unwrapped
    core_energy_uj, -- energy of all cores since the first sample, a part of package
    uncore_energy_uj, -- energy of the uncore since the first sample, a part of package
    dram_energy_uj, -- energy of DRAM since the first sample
    model_energy_uj, -- energy by the CPU-time model since the first sample, on hosts without a counter
    psys_energy_uj, -- energy of the platform since the first sample
    gap_ns, -- interval since the sample before where samples are missing in it or a counter was reset; else NULL
    is_reset, -- true where a counter was reset in the interval, which then adds nothing
    date AS run_date -- day under which the run landed; a filter on it reads that day's file only
FROM read_parquet({lake:energy_samples}, union_by_name = true, hive_types = {'date': DATE});
