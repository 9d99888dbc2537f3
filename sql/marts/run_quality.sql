-- Whether the figures of a run may be used, and why not. It may not where the run failed or ended early, has no energy or
-- no baseline, was throttled, shared the host with a background load above 20 %, or misses energy samples (gaps, counter
-- resets, possibly hidden wraps, less than 95 % of its time observed) or has none, its energy being what its source had
-- written; or had a GPU that never gave its energy. Estimated energy alone is no reason.
-- depends: runs
CREATE OR REPLACE VIEW main.run_quality AS
WITH reasons AS (
    SELECT
        run_id,
        exp_id,
        is_estimated,
        background_cpu_percent,
        sample_coverage,
        '[' || concat_ws(
            ', ',
            CASE WHEN contains(quality_flags, '"run_failed"') THEN '"run_failed"' END,
            CASE WHEN contains(quality_flags, '"run_partial"') THEN '"run_partial"' END,
            CASE WHEN total_energy_uj IS NULL THEN '"no_energy"' END,
            CASE WHEN baseline_energy_uj IS NULL THEN '"no_baseline"' END,
            CASE WHEN thermal_during_experiment OR thermal_now_active THEN '"throttled"' END,
            CASE WHEN contains(quality_flags, '"background_cpu"') THEN '"background_cpu"' END,
            CASE WHEN energy_source = 'reported' THEN '"reported"' END,
            CASE WHEN contains(quality_flags, '"gpu_unread"') THEN '"gpu_unread"' END,
            CASE
                WHEN regexp_matches(quality_flags, '"(gaps|resets|hidden_wraps)"') OR sample_coverage < 0.95
                    THEN '"gaps"'
            END
        ) || ']' AS reasons
    FROM main.runs
)
SELECT
    run_id, -- run
    exp_id, -- experiment
    is_estimated, -- the energy is modelled, not measured
    reasons = '[]' AS experiment_valid, -- no reason speaks against its figures; runs.experiment_valid knows of throttling only
    reasons, -- JSON list: run_failed, run_partial, no_energy, no_baseline, throttled, background_cpu, reported, gpu_unread, gaps
    background_cpu_percent, -- CPU use of everything but the measured processes, percent of the host; NULL where not read
    sample_coverage -- share of the run's time that lies between energy samples, gaps taken off
FROM reasons;
