-- GPU telemetry by NVML, 10 Hz: one row per GPU and time. The rows stand in the lake's Parquet files.
CREATE OR REPLACE VIEW main.gpu_samples AS
SELECT
    run_id, -- run
    timestamp_ns, -- time of the sample, ns UTC
    gpu_index, -- GPU, from 0
    gpu_uuid, -- GPU UUID
    energy_mj, -- total-energy counter, mJ since the driver was loaded
    power_mw, -- power, mW
    util_percent, -- GPU utilisation
    memory_used_mb, -- GPU memory used, MiB
    temp_c, -- GPU temperature, °C
    sm_clock_mhz, -- SM clock
    sample_id, -- position within its run, from 1
    date AS run_date -- day under which the run landed; a filter on it reads that day's file only
FROM read_parquet({lake:gpu_samples}, union_by_name = true, hive_types = {'date': DATE});
