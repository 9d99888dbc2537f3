-- How often a GPU of a run was read: its energy counter, or its power where it gives no counter. A GPU that answered, but
-- gave neither, was never read: it has a row without times.
-- unique: run_id, gpu_index
CREATE TABLE IF NOT EXISTS daily.gpu_sampling (
    run_id BIGINT NOT NULL, -- run that the samples name
    run_date DATE NOT NULL, -- landing date of the run
    gpu_index BIGINT NOT NULL, -- GPU
    has_counter BOOLEAN NOT NULL, -- it gives an energy counter; else its power is integrated
    first_ns BIGINT, -- first reading, ns UTC; NULL: there was none
    last_ns BIGINT, -- last reading, ns UTC; NULL: there was none
    median_interval_ns BIGINT, -- median interval between readings; NULL of one or none
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
        timestamp_ns,
        timestamp_ns - lag(timestamp_ns) OVER (PARTITION BY samples.run_id, samples.gpu_index ORDER BY timestamp_ns)
            AS interval_ns
    FROM day_gpu_samples AS samples
    JOIN gpus ON gpus.run_id = samples.run_id AND gpus.gpu_index = samples.gpu_index
    WHERE CASE WHEN has_counter THEN energy_mj IS NOT NULL ELSE power_mw IS NOT NULL END
)
SELECT
    gpus.run_id,
    getvariable('day') AS run_date,
    gpus.gpu_index,
    gpus.has_counter,
    min(timestamp_ns) AS first_ns,
    max(timestamp_ns) AS last_ns,
    floor(median(interval_ns))::BIGINT AS median_interval_ns,
    coalesce(greatest(3 * median_interval_ns, 1000000000), 1000000000) AS gap_threshold_ns
FROM gpus
LEFT JOIN readings ON readings.run_id = gpus.run_id AND readings.gpu_index = gpus.gpu_index
GROUP BY gpus.run_id, gpus.gpu_index, gpus.has_counter;
