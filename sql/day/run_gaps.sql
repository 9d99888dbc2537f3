-- A stretch of a run over which the energy counters do not tell how the energy was spent: no sample for longer than the
-- gap threshold, or a counter was reset, or may have wrapped unseen.
-- depends: stage.energy_gaps, daily.gpu_sampling
CREATE TABLE IF NOT EXISTS daily.run_gaps (
    run_id BIGINT NOT NULL, -- run that the samples name
    run_date DATE NOT NULL, -- landing date of the run
    gpu_index BIGINT, -- the GPU that was not read; NULL: the CPU's counters, or its model
    from_ns BIGINT NOT NULL, -- last sample before it, ns UTC
    to_ns BIGINT NOT NULL, -- first sample after it, ns UTC
    is_reset BOOLEAN NOT NULL -- a counter was reset in it: what it had counted is lost
);

DELETE FROM daily.run_gaps
WHERE run_date = getvariable('day');

INSERT INTO daily.run_gaps BY NAME
WITH gpu_readings AS (
    SELECT
        samples.run_id,
        samples.gpu_index,
        timestamp_ns,
        gap_threshold_ns,
        lag(timestamp_ns) OVER by_time AS previous_ns,
        energy_mj < lag(energy_mj) OVER by_time AS is_reset
    FROM day_gpu_samples AS samples
    JOIN daily.gpu_sampling AS sampling
        ON sampling.run_id = samples.run_id
        AND sampling.gpu_index = samples.gpu_index
        AND sampling.run_date = getvariable('day')
    WHERE CASE WHEN has_counter THEN energy_mj IS NOT NULL ELSE power_mw IS NOT NULL END
    WINDOW by_time AS (PARTITION BY samples.run_id, samples.gpu_index ORDER BY timestamp_ns)
)
SELECT run_id, getvariable('day') AS run_date, NULL::BIGINT AS gpu_index, from_ns, to_ns, is_reset
FROM stage.energy_gaps
WHERE landing_date = getvariable('day')
UNION ALL
SELECT
    run_id,
    getvariable('day') AS run_date,
    gpu_index,
    previous_ns AS from_ns,
    timestamp_ns AS to_ns,
    coalesce(is_reset, false) AS is_reset
FROM gpu_readings
WHERE timestamp_ns - previous_ns > gap_threshold_ns OR is_reset;
