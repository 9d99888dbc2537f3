-- Temperatures of the host, 1 Hz. The rows stand in the lake's Parquet files.
CREATE OR REPLACE VIEW main.thermal_samples AS
SELECT
    sample_id, -- position within its run, from 1
    run_id, -- run
    timestamp_ns, -- time of the sample, ns UTC
    sample_time_s, -- seconds since the start of the run
    cpu_temp, -- CPU package temperature, °C
    system_temp, -- board temperature, °C
    wifi_temp, -- Wi-Fi adapter temperature, °C
    throttle_event, -- 1 where a zone is at its passive trip point or the CPU counts a throttling
    all_zones_json, -- JSON of every zone's temperature, °C
    sensor_count, -- zones read
    date AS run_date -- day under which the run landed; a filter on it reads that day's file only
FROM read_parquet({lake:thermal_samples}, union_by_name = true, hive_types = {'date': DATE});
