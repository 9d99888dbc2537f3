-- The energy of a run: what the counters grew by between its start and its end, with certain bounds and how much of the
-- run was observed. A run without samples has the total that its source had written, where it is above 0, and no bounds.
-- depends: stage.runs, stage.energy_sampling, daily.gpu_sampling, daily.run_gaps, daily.edge_counters
-- unique: run_id
CREATE TABLE IF NOT EXISTS main.run_energy (
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    total_energy_uj BIGINT, -- package, DRAM where measured and GPU where measured; or the model; or as reported
    energy_lo_uj BIGINT, -- the total is certainly not less
    energy_hi_uj BIGINT, -- the total is certainly not more; NULL where a reset, a hidden wrap or power alone leaves no bound
    energy_source VARCHAR, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time; reported
    pkg_energy_uj BIGINT, -- all packages
    core_energy_uj BIGINT, -- all cores, a part of package
    uncore_energy_uj BIGINT, -- uncore, a part of package
    dram_energy_uj BIGINT, -- DRAM
    psys_energy_uj BIGINT, -- platform
    model_energy_uj BIGINT, -- estimate by the CPU-time model
    gpu_energy_uj BIGINT, -- all GPUs; NULL where one of them gave no energy at the start or the end
    sample_coverage DOUBLE, -- share of the run's time that lies between samples of all that the total is of, less gaps
    n_samples BIGINT, -- energy samples of the run, without those of GPUs
    n_packages BIGINT, -- CPU packages summed
    median_interval_ns BIGINT, -- median interval between energy samples, of what the total is of: the longest
    start_missing_ns BIGINT, -- how far the start lies outside the samples: 0 inside; NULL where no energy is known there
    end_missing_ns BIGINT, -- how far the end lies outside the samples: 0 inside; NULL where no energy is known there
    n_gaps BIGINT, -- gaps between energy samples within the run, of all that the total is of
    gap_ns BIGINT, -- their length within the run; the same time counts once
    n_resets BIGINT, -- counter resets within the run: what was counted before each is lost
    n_gpus_unread BIGINT, -- GPUs that answered in the run, but never with their energy or power; NULL: none answered
    n_hidden_wrap_gaps BIGINT -- gaps so long that a counter may have wrapped unseen: the energy is a lower bound
);

DELETE FROM main.run_energy
WHERE run_date = getvariable('day');

INSERT INTO main.run_energy BY NAME
WITH day_runs AS (
    SELECT run_id, start_time_ns, end_time_ns, reported_total_energy_uj
    FROM stage.runs
    WHERE landing_date = getvariable('day')
),
differences AS (
    SELECT
        day_runs.run_id,
        start_time_ns,
        end_time_ns,
        -- A-LEMS writes 0 where it measured nothing, and where a counter wrapped.
        starts.energy_source IS NULL AND reported_total_energy_uj > 0 AS is_reported,
        CASE WHEN is_reported THEN 'reported' ELSE starts.energy_source END AS energy_source,
        starts.missing_ns AS start_missing_ns,
        ends.missing_ns AS end_missing_ns,
        CASE WHEN is_reported THEN reported_total_energy_uj ELSE ends.total_uj - starts.total_uj END AS total_energy_uj,
        -- No counter falls, so each part of the total took at least 0, whatever is known of the other.
        greatest(ends.cpu_lower_uj - starts.cpu_upper_uj, 0) + greatest(ends.gpu_lower_uj - starts.gpu_upper_uj, 0)
            AS energy_lo_uj,
        CASE
            WHEN starts.is_bounded AND ends.is_bounded
                THEN ends.cpu_upper_uj - starts.cpu_lower_uj + ends.gpu_upper_uj - starts.gpu_lower_uj
        END AS energy_hi_uj,
        ends.pkg_uj - starts.pkg_uj AS pkg_energy_uj,
        ends.core_uj - starts.core_uj AS core_energy_uj,
        ends.uncore_uj - starts.uncore_uj AS uncore_energy_uj,
        ends.dram_uj - starts.dram_uj AS dram_energy_uj,
        ends.psys_uj - starts.psys_uj AS psys_energy_uj,
        ends.model_uj - starts.model_uj AS model_energy_uj,
        ends.gpu_uj - starts.gpu_uj AS gpu_energy_uj
    FROM day_runs
    JOIN daily.edge_counters AS starts
        ON starts.run_id = day_runs.run_id
        AND starts.at_ns = day_runs.start_time_ns
        AND starts.run_date = getvariable('day')
    JOIN daily.edge_counters AS ends
        ON ends.run_id = day_runs.run_id
        AND ends.at_ns = day_runs.end_time_ns
        AND ends.run_date = getvariable('day')
),
gpus AS (
    SELECT
        run_id,
        max(first_ns) AS first_ns,
        min(last_ns) AS last_ns,
        max(median_interval_ns) AS median_interval_ns,
        count(*) - count(first_ns) AS n_unread
    FROM daily.gpu_sampling
    WHERE run_date = getvariable('day')
    GROUP BY run_id
),
-- When all was sampled that the total is of.
sampled AS (
    SELECT
        differences.run_id,
        start_time_ns,
        end_time_ns,
        has_cpu,
        has_gpu,
        greatest(start_time_ns, CASE WHEN has_cpu THEN cpu.first_ns END, CASE WHEN has_gpu THEN gpus.first_ns END)
            AS from_ns,
        least(end_time_ns, CASE WHEN has_cpu THEN cpu.last_ns END, CASE WHEN has_gpu THEN gpus.last_ns END) AS to_ns,
        cpu.n_samples,
        cpu.n_packages,
        greatest(CASE WHEN has_cpu THEN cpu.median_interval_ns END, CASE WHEN has_gpu THEN gpus.median_interval_ns END)
            AS median_interval_ns,
        CASE WHEN has_cpu THEN cpu.n_hidden_wrap_gaps ELSE 0 END AS n_hidden_wrap_gaps,
        has_gpu AND gpus.n_unread > 0 AS lacks_gpu
    FROM (
        SELECT
            *,
            energy_source IN ('rapl', 'rapl+nvml', 'model:cpu_time') AS has_cpu,
            contains(energy_source, 'nvml') AS has_gpu
        FROM differences
    ) AS differences
    LEFT JOIN stage.energy_sampling AS cpu
        ON cpu.run_id = differences.run_id
        AND cpu.landing_date = getvariable('day')
    LEFT JOIN gpus ON gpus.run_id = differences.run_id
    WHERE has_cpu OR has_gpu
),
-- Gaps of several counters may overlap: each counts from where those before it end.
gaps AS (
    SELECT
        sampled.run_id,
        gaps.gpu_index,
        gaps.is_reset,
        least(gaps.to_ns, sampled.to_ns) AS to_ns,
        greatest(gaps.from_ns, sampled.from_ns, max(gaps.to_ns) OVER before) AS from_ns
    FROM daily.run_gaps AS gaps
    JOIN sampled
        ON sampled.run_id = gaps.run_id
        AND sampled.start_time_ns < gaps.to_ns
        AND sampled.end_time_ns > gaps.from_ns
    WHERE gaps.run_date = getvariable('day')
        AND CASE WHEN gaps.gpu_index IS NULL THEN sampled.has_cpu ELSE sampled.has_gpu END
    WINDOW before AS (
        PARTITION BY sampled.run_id
        ORDER BY gaps.from_ns, gaps.to_ns, gaps.gpu_index
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
counted AS (
    SELECT
        run_id,
        count(*) AS n_gaps,
        sum(greatest(to_ns - from_ns, 0))::BIGINT AS gap_ns,
        count(*) FILTER (WHERE is_reset) AS n_resets,
        count(*) FILTER (WHERE gpu_index IS NULL) AS n_cpu_gaps
    FROM gaps
    GROUP BY run_id
),
observed AS (
    SELECT
        sampled.run_id,
        n_samples,
        n_packages,
        median_interval_ns,
        CASE WHEN lacks_gpu THEN 0 ELSE greatest(to_ns - from_ns - coalesce(gap_ns, 0), 0) END
            / nullif(end_time_ns - start_time_ns, 0)::DOUBLE AS sample_coverage,
        coalesce(n_gaps, 0) AS n_gaps,
        coalesce(gap_ns, 0) AS gap_ns,
        coalesce(n_resets, 0) AS n_resets,
        CASE WHEN n_cpu_gaps > 0 THEN n_hidden_wrap_gaps ELSE 0 END AS n_hidden_wrap_gaps
    FROM sampled
    LEFT JOIN counted ON counted.run_id = sampled.run_id
)
SELECT
    differences.run_id,
    getvariable('day') AS run_date,
    total_energy_uj,
    CASE WHEN total_energy_uj IS NOT NULL AND NOT is_reported THEN energy_lo_uj END AS energy_lo_uj,
    CASE WHEN n_resets = 0 AND n_hidden_wrap_gaps = 0 AND total_energy_uj IS NOT NULL THEN energy_hi_uj END
        AS energy_hi_uj,
    energy_source,
    pkg_energy_uj,
    core_energy_uj,
    uncore_energy_uj,
    dram_energy_uj,
    psys_energy_uj,
    model_energy_uj,
    gpu_energy_uj,
    sample_coverage,
    n_samples,
    n_packages,
    observed.median_interval_ns,
    start_missing_ns,
    end_missing_ns,
    n_gaps,
    gap_ns,
    n_resets,
    gpus.n_unread AS n_gpus_unread,
    n_hidden_wrap_gaps
FROM differences
LEFT JOIN observed ON observed.run_id = differences.run_id
LEFT JOIN gpus ON gpus.run_id = differences.run_id;
