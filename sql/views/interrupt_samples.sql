-- Interrupt rate of the host, 10 Hz. The rows stand in the lake's Parquet files.
CREATE OR REPLACE VIEW main.interrupt_samples AS
SELECT
    sample_id, -- position within its run, from 1
    run_id, -- run
    timestamp_ns, -- time of the sample, ns UTC
    interrupts_per_sec, -- interrupts per second since the previous sample
    date AS run_date -- day under which the run landed; a filter on it reads that day's file only
FROM read_parquet({lake:interrupt_samples}, union_by_name = true, hive_types = {'date': DATE});
