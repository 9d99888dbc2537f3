-- The unwrapped energy counters of a run at one of its edges: C(t) of every domain, linear between samples, and of the
-- run's total, with the counters' certain bounds there. Energies are differences of two rows: abutting spans add up.
-- depends: daily.run_edges, daily.run_gaps, stage.energy_sampling, daily.edge_gpu_counters
CREATE TABLE IF NOT EXISTS daily.edge_counters (
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    at_ns BIGINT NOT NULL, -- edge, ns UTC
    pkg_uj BIGINT, -- package energy since the run's first sample; NULL where not measured, here or at all
    core_uj BIGINT, -- core energy since the first sample
    uncore_uj BIGINT, -- uncore energy since the first sample
    dram_uj BIGINT, -- DRAM energy since the first sample
    psys_uj BIGINT, -- platform energy since the first sample
    model_uj BIGINT, -- energy by the CPU-time model since the first sample
    gpu_uj BIGINT, -- energy of all GPUs since their first samples
    total_uj BIGINT, -- package, DRAM where measured and GPU where measured; or the model
    cpu_lower_uj BIGINT, -- certain lower bound of the CPU's counters in the total, or of the model (NULL before its samples); 0 where it has none
    cpu_upper_uj BIGINT, -- certain upper bound of the same; of the model NULL after its samples
    gpu_lower_uj BIGINT, -- certain lower bound of the GPUs' counters in the total; 0 where it has none
    gpu_upper_uj BIGINT, -- certain upper bound of the same
    is_bounded BOOLEAN NOT NULL, -- all that the total is of gives a counter; else the total has no upper bound
    energy_source VARCHAR, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time; the same at all edges of a run
    missing_ns BIGINT -- how far the edge lies outside the samples: 0 inside; NULL where the total is not known
);

DELETE FROM daily.edge_counters
WHERE run_date = getvariable('day');

-- The samples are read once and looked up by run and bucket of 100 ms. Those around an edge are no farther from it than
-- the longest interval of the run, unless it lies in a gap: then they are the two that bound the gap; or outside all
-- samples: then it is the first or the last.
INSERT INTO daily.edge_counters BY NAME
WITH sampling AS (
    SELECT
        run_id,
        first_ns,
        last_ns,
        coalesce(max_interval_ns, 0) AS reach_ns,
        -- Beyond an hour, which no sampling comes near, a threshold says that a time is wrong.
        least(greatest(gap_threshold_ns, 1), 3600000000000) AS gap_threshold_ns,
        list_contains(domains, 'pkg') AS has_pkg,
        list_contains(domains, 'dram') AS has_dram,
        list_contains(domains, 'model') AS has_model,
        -- Each summed RAPL zone may draw up to 1000 W, which is 1 µJ per ns. What the model may add nobody knows.
        CASE WHEN has_pkg THEN n_packages * (1 + has_dram::BIGINT) END AS ceiling_uj_per_ns
    FROM stage.energy_sampling
    WHERE landing_date = getvariable('day')
),
edges AS (
    SELECT run_id, at_ns
    FROM daily.run_edges
    WHERE run_date = getvariable('day')
),
gaps AS (
    SELECT run_id, from_ns, to_ns
    FROM daily.run_gaps
    WHERE run_date = getvariable('day') AND gpu_index IS NULL
),
buckets AS (
    SELECT
        run_id,
        at_ns,
        unnest(range((near_ns - reach_ns) // 100000000, (near_ns + reach_ns) // 100000000 + 1)) AS bucket
    FROM (
        SELECT
            edges.run_id,
            at_ns,
            least(greatest(at_ns, first_ns), last_ns) AS near_ns,
            least(reach_ns, gap_threshold_ns) AS reach_ns
        FROM edges
        JOIN sampling ON sampling.run_id = edges.run_id
    )
    UNION
    SELECT edges.run_id, edges.at_ns, unnest([gaps.from_ns, gaps.to_ns]) // 100000000 AS bucket
    FROM edges
    JOIN gaps ON gaps.run_id = edges.run_id AND edges.at_ns BETWEEN gaps.from_ns AND gaps.to_ns
),
samples AS (
    SELECT *, timestamp_ns // 100000000 AS bucket
    FROM day_energy_samples
),
candidates AS (
    SELECT
        buckets.run_id,
        buckets.at_ns,
        samples.timestamp_ns,
        {
            'at_ns': samples.timestamp_ns,
            'pkg': samples.pkg_energy_uj,
            'core': samples.core_energy_uj,
            'uncore': samples.uncore_energy_uj,
            'dram': samples.dram_energy_uj,
            'psys': samples.psys_energy_uj,
            'model': samples.model_energy_uj
        } AS counters
    FROM samples
    JOIN buckets ON buckets.run_id = samples.run_id AND buckets.bucket = samples.bucket
    JOIN sampling ON sampling.run_id = buckets.run_id
    -- A sample that lacks a domain of the total was a failed read: it is missing.
    WHERE CASE
        WHEN has_pkg THEN pkg_energy_uj IS NOT NULL AND (dram_energy_uj IS NOT NULL OR NOT has_dram)
        WHEN has_model THEN model_energy_uj IS NOT NULL
        ELSE true
    END
),
neighbours AS (
    SELECT
        run_id,
        at_ns,
        arg_max(counters, timestamp_ns) FILTER (timestamp_ns <= at_ns) AS before,
        arg_min(counters, timestamp_ns) FILTER (timestamp_ns >= at_ns) AS after
    FROM candidates
    GROUP BY run_id, at_ns
),
-- Outside the samples, both neighbours are the nearest sample.
bracketed AS (
    SELECT run_id, at_ns, coalesce(before, after) AS lower, coalesce(after, before) AS upper
    FROM neighbours
),
placed AS (
    SELECT
        run_id,
        at_ns,
        lower,
        upper,
        greatest(lower.at_ns - at_ns, 0) AS missing_before_ns,
        greatest(at_ns - upper.at_ns, 0) AS missing_after_ns,
        coalesce((at_ns - lower.at_ns) / nullif(upper.at_ns - lower.at_ns, 0)::DOUBLE, 0) AS weight
    FROM bracketed
),
interpolated AS (
    SELECT
        placed.run_id,
        placed.at_ns,
        missing_before_ns + missing_after_ns AS missing_ns,
        round(lower.pkg + (upper.pkg - lower.pkg) * weight)::BIGINT AS pkg_uj,
        round(lower.core + (upper.core - lower.core) * weight)::BIGINT AS core_uj,
        round(lower.uncore + (upper.uncore - lower.uncore) * weight)::BIGINT AS uncore_uj,
        round(lower.dram + (upper.dram - lower.dram) * weight)::BIGINT AS dram_uj,
        round(lower.psys + (upper.psys - lower.psys) * weight)::BIGINT AS psys_uj,
        round(lower.model + (upper.model - lower.model) * weight)::BIGINT AS model_uj,
        CASE WHEN has_pkg THEN lower.pkg + CASE WHEN has_dram THEN lower.dram ELSE 0 END ELSE lower.model END
            - CASE WHEN missing_before_ns > 0 THEN missing_before_ns * ceiling_uj_per_ns ELSE 0 END AS cpu_lower_uj,
        CASE WHEN has_pkg THEN upper.pkg + CASE WHEN has_dram THEN upper.dram ELSE 0 END ELSE upper.model END
            + CASE WHEN missing_after_ns > 0 THEN missing_after_ns * ceiling_uj_per_ns ELSE 0 END AS cpu_upper_uj
    FROM placed
    JOIN sampling ON sampling.run_id = placed.run_id
    WHERE missing_before_ns + missing_after_ns < gap_threshold_ns
),
gpu_runs AS (
    SELECT DISTINCT run_id
    FROM daily.edge_gpu_counters
    WHERE run_date = getvariable('day')
),
sources AS (
    SELECT
        edges.run_id,
        edges.at_ns,
        CASE
            WHEN has_pkg AND gpu_runs.run_id IS NOT NULL THEN 'rapl+nvml'
            WHEN has_pkg THEN 'rapl'
            WHEN gpu_runs.run_id IS NOT NULL THEN 'nvml'
            WHEN has_model THEN 'model:cpu_time'
        END AS energy_source,
        coalesce(has_dram, false) AS has_dram
    FROM edges
    LEFT JOIN sampling ON sampling.run_id = edges.run_id
    LEFT JOIN gpu_runs ON gpu_runs.run_id = edges.run_id
)
SELECT
    sources.run_id,
    getvariable('day') AS run_date,
    sources.at_ns,
    cpu.pkg_uj,
    cpu.core_uj,
    cpu.uncore_uj,
    cpu.dram_uj,
    cpu.psys_uj,
    cpu.model_uj,
    gpu.gpu_uj,
    CASE energy_source
        WHEN 'rapl+nvml' THEN cpu.pkg_uj + CASE WHEN has_dram THEN cpu.dram_uj ELSE 0 END + gpu.gpu_uj
        WHEN 'rapl' THEN cpu.pkg_uj + CASE WHEN has_dram THEN cpu.dram_uj ELSE 0 END
        WHEN 'nvml' THEN gpu.gpu_uj
        ELSE cpu.model_uj
    END AS total_uj,
    CASE WHEN energy_source = 'nvml' THEN 0 ELSE cpu.cpu_lower_uj END AS cpu_lower_uj,
    CASE WHEN energy_source = 'nvml' THEN 0 ELSE cpu.cpu_upper_uj END AS cpu_upper_uj,
    CASE WHEN contains(energy_source, 'nvml') THEN gpu.gpu_lower_uj ELSE 0 END AS gpu_lower_uj,
    CASE WHEN contains(energy_source, 'nvml') THEN gpu.gpu_upper_uj ELSE 0 END AS gpu_upper_uj,
    coalesce(gpu.has_all_counters, true) AS is_bounded,
    energy_source,
    CASE
        WHEN energy_source = 'nvml' THEN gpu.missing_ns
        WHEN energy_source <> 'rapl+nvml' THEN cpu.missing_ns
        -- greatest() would pass over the one that is not known.
        WHEN cpu.missing_ns IS NOT NULL AND gpu.missing_ns IS NOT NULL THEN greatest(cpu.missing_ns, gpu.missing_ns)
    END AS missing_ns
FROM sources
LEFT JOIN interpolated AS cpu
    ON cpu.run_id = sources.run_id
    AND cpu.at_ns = sources.at_ns
LEFT JOIN daily.edge_gpu_counters AS gpu
    ON gpu.run_id = sources.run_id
    AND gpu.at_ns = sources.at_ns
    AND gpu.run_date = getvariable('day');
