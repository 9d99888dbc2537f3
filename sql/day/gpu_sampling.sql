-- How often a GPU of a run was read: its energy counter, or its power where it gives no counter.
-- unique: run_id, gpu_index
CREATE TABLE IF NOT EXISTS daily.gpu_sampling (
    run_id BIGINT NOT NULL, -- run that the samples name
    run_date DATE NOT NULL, -- landing date of the run
    gpu_index BIGINT NOT NULL, -- GPU
    has_counter BOOLEAN NOT NULL, -- it gives an energy counter; else its power is integrated
    first_ns BIGINT NOT NULL, -- first reading, ns UTC
    last_ns BIGINT NOT NULL, -- last reading, ns UTC
    median_interval_ns BIGINT, -- median interval between readings; NULL of a single one
    gap_threshold_ns BIGINT NOT NULL -- a longer interval is a gap
);

DELETE FROM daily.gpu_sampling
WHERE run_date = getvariable('day');

-- An NVML sample is due every 100 ms: up to 1 s is no gap.
INSERT INTO daily.gpu_sampling BY NAME
WITH gpus AS (
    SELECT run_id, gpu_index, count(energy_mj) > 0 AS has_counter
    FROM day_gpu_samples
    GROUP BY run_id, gpu_index
),
readings AS (
    SELECT
        samples.run_id,
        samples.gpu_index,
        gpus.has_counter,
        timestamp_ns,
        timestamp_ns - lag(timestamp_ns) OVER (PARTITION BY samples.run_id, samples.gpu_index ORDER BY timestamp_ns)
            AS interval_ns
    FROM day_gpu_samples AS samples
    JOIN gpus ON gpus.run_id = samples.run_id AND gpus.gpu_index = samples.gpu_index
    WHERE CASE WHEN has_counter THEN energy_mj IS NOT NULL ELSE power_mw IS NOT NULL END
)
SELECT
    run_id,
    getvariable('day') AS run_date,
    gpu_index,
    has_counter,
    min(timestamp_ns) AS first_ns,
    max(timestamp_ns) AS last_ns,
    floor(median(interval_ns))::BIGINT AS median_interval_ns,
    coalesce(greatest(3 * median_interval_ns, 1000000000), 1000000000) AS gap_threshold_ns
FROM readings
GROUP BY run_id, gpu_index, has_counter;
