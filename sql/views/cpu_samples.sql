-- CPU telemetry within and around runs, 10 Hz. The rows stand in the lake's Parquet files.
CREATE OR REPLACE VIEW main.cpu_samples AS
SELECT
    sample_id, -- position within its run, from 1
    run_id, -- run
    timestamp_ns, -- time of the sample, ns UTC
    cpu_util_percent, -- utilisation of all CPUs
    cpu_busy_mhz, -- mean frequency while busy
    cpu_avg_mhz, -- mean frequency over busy and idle time
    c1_residency, -- core C1 residency, percent
    c2_residency, -- core C2 residency, percent
    c3_residency, -- core C3 residency, percent
    c6_residency, -- core C6 residency, percent
    c7_residency, -- core C7 residency, percent
    pkg_c8_residency, -- package C8 residency, percent
    pkg_c9_residency, -- package C9 residency, percent
    pkg_c10_residency, -- package C10 residency, percent
    package_power, -- package power that the source gives, W
    dram_power, -- DRAM power that the source gives, W
    gpu_rc6, -- integrated GPU RC6 residency, percent
    package_temp, -- package temperature, °C
    ipc, -- instructions per cycle
    extra_metrics_json, -- JSON of further metrics
    date AS run_date -- day under which the run landed; a filter on it reads that day's file only
FROM read_parquet({lake:cpu_samples}, union_by_name = true, hive_types = {'date': DATE});
