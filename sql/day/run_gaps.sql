-- A stretch of a run over which the energy counters do not tell how the energy was spent: no sample for longer than the
-- run's gap threshold, or a counter was reset, or may have wrapped unseen.
CREATE TABLE IF NOT EXISTS daily.run_gaps (
    run_id BIGINT NOT NULL, -- run that the samples name
    run_date DATE NOT NULL, -- landing date of the run
    from_ns BIGINT NOT NULL, -- last sample before it, ns UTC
    to_ns BIGINT NOT NULL, -- first sample after it, ns UTC
    is_reset BOOLEAN NOT NULL -- a counter was reset in it: what it had counted is lost
);

DELETE FROM daily.run_gaps
WHERE run_date = getvariable('day');

INSERT INTO daily.run_gaps BY NAME
SELECT
    run_id,
    getvariable('day') AS run_date,
    timestamp_ns - gap_ns AS from_ns,
    timestamp_ns AS to_ns,
    coalesce(is_reset, false) AS is_reset
FROM day_energy_samples
WHERE gap_ns IS NOT NULL;
