-- The energy of all GPUs of a run up to one of its edges, with hard bounds; only for runs of which a GPU was measured.
-- depends: daily.run_edges, daily.gpu_sampling
CREATE TABLE IF NOT EXISTS daily.edge_gpu_counters (
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    at_ns BIGINT NOT NULL, -- edge, ns UTC
    gpu_uj BIGINT, -- energy of all GPUs since their first sample; NULL where one of them was not measured at the edge
    gpu_lower_uj BIGINT, -- certain lower bound of the GPUs' counters; a GPU without one adds 0, as it takes no less
    gpu_upper_uj BIGINT, -- certain upper bound of the same counters
    has_all_counters BOOLEAN NOT NULL, -- every GPU gives a counter; else what the GPUs took has no upper bound
    missing_ns BIGINT -- how far the edge lies outside the samples; 0 inside; NULL where a GPU was never read
);

DELETE FROM daily.edge_gpu_counters
WHERE run_date = getvariable('day');

-- NVML's counter restarts when the driver does: a fall adds nothing, and run_gaps tells of it. A GPU without the counter
-- has its power integrated by trapezoids, but never across a gap.
INSERT INTO daily.edge_gpu_counters BY NAME
WITH gpus AS (
    SELECT run_id, gpu_index, has_counter, gap_threshold_ns
    FROM daily.gpu_sampling
    WHERE run_date = getvariable('day')
    QUALIFY count(first_ns) OVER (PARTITION BY run_id) > 0
),
intervals AS (
    SELECT
        samples.run_id,
        samples.gpu_index,
        timestamp_ns,
        has_counter,
        gap_threshold_ns,
        timestamp_ns - lag(timestamp_ns) OVER by_time AS interval_ns,
        (energy_mj - lag(energy_mj) OVER by_time) * 1000::HUGEINT AS counted_uj,
        (power_mw::DOUBLE + lag(power_mw) OVER by_time) / 2 AS mean_mw
    FROM day_gpu_samples AS samples
    JOIN gpus ON gpus.run_id = samples.run_id AND gpus.gpu_index = samples.gpu_index
    WHERE CASE WHEN has_counter THEN energy_mj IS NOT NULL ELSE power_mw IS NOT NULL END
    WINDOW by_time AS (PARTITION BY samples.run_id, samples.gpu_index ORDER BY timestamp_ns)
),
counters AS (
    SELECT
        run_id,
        gpu_index,
        timestamp_ns,
        sum(
            CASE
                WHEN has_counter THEN greatest(counted_uj, 0)
                WHEN interval_ns <= gap_threshold_ns THEN mean_mw * interval_ns / 1e6
                ELSE 0
            END
        ) OVER (PARTITION BY run_id, gpu_index ORDER BY timestamp_ns) AS energy_uj
    FROM intervals
),
edges AS (
    SELECT run_edges.run_id, gpus.gpu_index, gpus.has_counter, gpus.gap_threshold_ns, run_edges.at_ns
    FROM daily.run_edges
    JOIN gpus ON gpus.run_id = run_edges.run_id
    WHERE run_edges.run_date = getvariable('day')
),
neighbours AS (
    SELECT
        edges.run_id,
        edges.gpu_index,
        edges.at_ns,
        edges.has_counter,
        edges.gap_threshold_ns,
        coalesce(before.timestamp_ns, after.timestamp_ns) AS lower_ns,
        coalesce(after.timestamp_ns, before.timestamp_ns) AS upper_ns,
        coalesce(before.energy_uj, after.energy_uj) AS lower_uj,
        coalesce(after.energy_uj, before.energy_uj) AS upper_uj
    FROM edges
    ASOF LEFT JOIN counters AS before
        ON before.run_id = edges.run_id
        AND before.gpu_index = edges.gpu_index
        AND before.timestamp_ns <= edges.at_ns
    ASOF LEFT JOIN counters AS after
        ON after.run_id = edges.run_id
        AND after.gpu_index = edges.gpu_index
        AND after.timestamp_ns >= edges.at_ns
),
placed AS (
    SELECT
        neighbours.*,
        CASE WHEN lower_ns IS NOT NULL THEN greatest(lower_ns - at_ns, at_ns - upper_ns, 0) END AS missing_ns,
        coalesce((at_ns - lower_ns) / nullif(upper_ns - lower_ns, 0)::DOUBLE, 0) AS weight
    FROM neighbours
),
bounded AS (
    SELECT
        run_id,
        at_ns,
        has_counter,
        missing_ns,
        CASE WHEN missing_ns < gap_threshold_ns THEN round(lower_uj + (upper_uj - lower_uj) * weight) END AS energy_uj,
        -- Outside the samples a GPU may have drawn up to 2 kW, which is 2 µJ per ns.
        CASE WHEN has_counter THEN lower_uj - 2 * greatest(lower_ns - at_ns, 0) ELSE 0 END AS energy_lower_uj,
        CASE WHEN has_counter THEN upper_uj + 2 * greatest(at_ns - upper_ns, 0) ELSE 0 END AS energy_upper_uj
    FROM placed
)
SELECT
    run_id,
    getvariable('day') AS run_date,
    at_ns,
    CASE WHEN count(*) = count(energy_uj) THEN try_cast(sum(energy_uj) AS BIGINT) END AS gpu_uj,
    try_cast(floor(sum(energy_lower_uj)) AS BIGINT) AS gpu_lower_uj,
    try_cast(ceil(sum(energy_upper_uj)) AS BIGINT) AS gpu_upper_uj,
    bool_and(has_counter) AS has_all_counters,
    CASE WHEN count(*) = count(missing_ns) THEN max(missing_ns) END AS missing_ns
FROM bounded
GROUP BY run_id, at_ns;
