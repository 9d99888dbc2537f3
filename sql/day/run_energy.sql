-- The energy of a run: what the counters grew by between its start and its end, with certain bounds and how much of the
-- run was observed. A run without samples has the total that its source had written, where it is above 0, and no bounds.
-- depends: stage.runs, stage.energy_sampling, daily.run_gaps, daily.edge_counters, daily.edge_gpu_counters
-- unique: run_id
CREATE TABLE IF NOT EXISTS main.run_energy (
    run_id BIGINT NOT NULL, -- run
    run_date DATE NOT NULL, -- landing date of the run
    total_energy_uj BIGINT, -- package, DRAM where measured and GPU where measured; or the model; or as reported
    energy_lo_uj BIGINT, -- the total is certainly not less
    energy_hi_uj BIGINT, -- the total is certainly not more; NULL where a reset or a hidden wrap leaves no bound
    energy_source VARCHAR, -- what the total is: rapl, nvml, rapl+nvml or model:cpu_time; reported
    pkg_energy_uj BIGINT, -- all packages
    core_energy_uj BIGINT, -- all cores, a part of package
    uncore_energy_uj BIGINT, -- uncore, a part of package
    dram_energy_uj BIGINT, -- DRAM
    psys_energy_uj BIGINT, -- platform
    model_energy_uj BIGINT, -- estimate by the CPU-time model
    gpu_energy_uj BIGINT, -- all GPUs
    sample_coverage DOUBLE, -- share of the run's time that lies between samples, gaps taken off
    n_samples BIGINT, -- energy samples of the run
    n_packages BIGINT, -- CPU packages summed
    median_interval_ns BIGINT, -- median interval between energy samples
    start_missing_ns BIGINT, -- how far the start lies outside the samples: 0 inside; NULL where no energy is known there
    end_missing_ns BIGINT, -- how far the end lies outside the samples: 0 inside; NULL where no energy is known there
    n_gaps BIGINT, -- gaps between energy samples within the run
    gap_ns BIGINT, -- their length within the run
    n_resets BIGINT, -- counter resets within the run: what was counted before each is lost
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
gaps AS (
    SELECT
        day_runs.run_id,
        count(*) AS n_gaps,
        sum(least(gaps.to_ns, day_runs.end_time_ns) - greatest(gaps.from_ns, day_runs.start_time_ns))::BIGINT AS gap_ns,
        count(*) FILTER (WHERE is_reset) AS n_resets
    FROM daily.run_gaps AS gaps
    JOIN day_runs
        ON day_runs.run_id = gaps.run_id
        AND day_runs.start_time_ns < gaps.to_ns
        AND day_runs.end_time_ns > gaps.from_ns
    WHERE gaps.run_date = getvariable('day')
    GROUP BY day_runs.run_id
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
        greatest(ends.total_lower_uj - starts.total_upper_uj, 0) AS energy_lo_uj,
        ends.total_upper_uj - starts.total_lower_uj AS energy_hi_uj,
        ends.pkg_uj - starts.pkg_uj AS pkg_energy_uj,
        ends.core_uj - starts.core_uj AS core_energy_uj,
        ends.uncore_uj - starts.uncore_uj AS uncore_energy_uj,
        ends.dram_uj - starts.dram_uj AS dram_energy_uj,
        ends.psys_uj - starts.psys_uj AS psys_energy_uj,
        ends.model_uj - starts.model_uj AS model_energy_uj,
        ends.gpu_uj - starts.gpu_uj AS gpu_energy_uj,
        coalesce(gpu_ends.n_resets_after - gpu_starts.n_resets_before, 0) AS n_gpu_resets
    FROM day_runs
    JOIN daily.edge_counters AS starts
        ON starts.run_id = day_runs.run_id
        AND starts.at_ns = day_runs.start_time_ns
        AND starts.run_date = getvariable('day')
    JOIN daily.edge_counters AS ends
        ON ends.run_id = day_runs.run_id
        AND ends.at_ns = day_runs.end_time_ns
        AND ends.run_date = getvariable('day')
    LEFT JOIN daily.edge_gpu_counters AS gpu_starts
        ON gpu_starts.run_id = day_runs.run_id
        AND gpu_starts.at_ns = day_runs.start_time_ns
        AND gpu_starts.run_date = getvariable('day')
    LEFT JOIN daily.edge_gpu_counters AS gpu_ends
        ON gpu_ends.run_id = day_runs.run_id
        AND gpu_ends.at_ns = day_runs.end_time_ns
        AND gpu_ends.run_date = getvariable('day')
)
SELECT
    differences.run_id,
    getvariable('day') AS run_date,
    total_energy_uj,
    CASE WHEN total_energy_uj IS NOT NULL AND NOT is_reported THEN energy_lo_uj END AS energy_lo_uj,
    CASE
        WHEN coalesce(gaps.n_resets, 0) + n_gpu_resets > 0 THEN NULL
        WHEN gaps.n_gaps > 0 AND sampling.n_hidden_wrap_gaps > 0 THEN NULL
        WHEN total_energy_uj IS NOT NULL THEN energy_hi_uj
    END AS energy_hi_uj,
    energy_source,
    pkg_energy_uj,
    core_energy_uj,
    uncore_energy_uj,
    dram_energy_uj,
    psys_energy_uj,
    model_energy_uj,
    gpu_energy_uj,
    CASE
        WHEN sampling.run_id IS NOT NULL THEN greatest(
            least(sampling.last_ns, end_time_ns) - greatest(sampling.first_ns, start_time_ns)
                - coalesce(gaps.gap_ns, 0),
            0
        )
        WHEN energy_source = 'nvml'
            THEN greatest(end_time_ns - start_time_ns - start_missing_ns - end_missing_ns, 0)
    END / nullif(end_time_ns - start_time_ns, 0)::DOUBLE AS sample_coverage,
    sampling.n_samples,
    sampling.n_packages,
    sampling.median_interval_ns,
    start_missing_ns,
    end_missing_ns,
    CASE WHEN sampling.run_id IS NOT NULL THEN coalesce(gaps.n_gaps, 0) END AS n_gaps,
    CASE WHEN sampling.run_id IS NOT NULL THEN coalesce(gaps.gap_ns, 0) END AS gap_ns,
    CASE WHEN sampling.run_id IS NOT NULL THEN coalesce(gaps.n_resets, 0) END AS n_resets,
    CASE WHEN gaps.n_gaps > 0 THEN sampling.n_hidden_wrap_gaps WHEN sampling.run_id IS NOT NULL THEN 0 END
        AS n_hidden_wrap_gaps
FROM differences
LEFT JOIN stage.energy_sampling AS sampling
    ON sampling.run_id = differences.run_id
    AND sampling.landing_date = getvariable('day')
LEFT JOIN gaps ON gaps.run_id = differences.run_id;
