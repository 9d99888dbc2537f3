-- What the samples of one run in one lake dataset look like, counted once when the day is built: the checks read these
-- counts instead of the whole lake. Samples are numbered 1, 2, … within their run, so counts tell whether a key is
-- missing or stands twice.
-- unique: dataset, run_id
CREATE TABLE IF NOT EXISTS daily.sample_audit (
    dataset VARCHAR NOT NULL, -- lake dataset
    run_id BIGINT NOT NULL, -- run that the samples name
    run_date DATE NOT NULL, -- day of the lake file
    n_samples BIGINT NOT NULL, -- samples
    max_sample_id BIGINT NOT NULL, -- greatest sample number
    sum_sample_id HUGEINT NOT NULL, -- sum of the sample numbers
    n_falling BIGINT NOT NULL -- samples whose energy counter, of any domain, is below that of the sample before
);

DELETE FROM daily.sample_audit
WHERE run_date = getvariable('day');

-- lag() OVER () streams through the sorted lake file at a quarter of the cost of a partitioned window. It has no order
-- of its own, so a row is compared only where the row before it is indeed the previous sample of the same run.
INSERT INTO daily.sample_audit BY NAME
WITH energy AS (
    SELECT
        run_id,
        sample_id,
        pkg_energy_uj,
        core_energy_uj,
        uncore_energy_uj,
        dram_energy_uj,
        psys_energy_uj,
        model_energy_uj,
        lag(run_id) OVER () AS previous_run_id,
        lag(sample_id) OVER () AS previous_sample_id,
        lag(pkg_energy_uj) OVER () AS previous_pkg_uj,
        lag(core_energy_uj) OVER () AS previous_core_uj,
        lag(uncore_energy_uj) OVER () AS previous_uncore_uj,
        lag(dram_energy_uj) OVER () AS previous_dram_uj,
        lag(psys_energy_uj) OVER () AS previous_psys_uj,
        lag(model_energy_uj) OVER () AS previous_model_uj
    FROM day_energy_samples
),
numbered AS (
    SELECT 'cpu_samples' AS dataset, run_id, sample_id FROM day_cpu_samples
    UNION ALL
    SELECT 'interrupt_samples' AS dataset, run_id, sample_id FROM day_interrupt_samples
    UNION ALL
    SELECT 'thermal_samples' AS dataset, run_id, sample_id FROM day_thermal_samples
    UNION ALL
    SELECT 'gpu_samples' AS dataset, run_id, sample_id FROM day_gpu_samples
)
SELECT
    'energy_samples' AS dataset,
    run_id,
    getvariable('day') AS run_date,
    count(*) AS n_samples,
    max(sample_id) AS max_sample_id,
    sum(sample_id) AS sum_sample_id,
    count(*) FILTER (
        WHERE previous_run_id = run_id
            AND previous_sample_id = sample_id - 1
            AND (
                pkg_energy_uj < previous_pkg_uj
                OR core_energy_uj < previous_core_uj
                OR uncore_energy_uj < previous_uncore_uj
                OR dram_energy_uj < previous_dram_uj
                OR psys_energy_uj < previous_psys_uj
                OR model_energy_uj < previous_model_uj
            )
    ) AS n_falling
FROM energy
GROUP BY run_id
UNION ALL BY NAME
SELECT
    dataset,
    run_id,
    getvariable('day') AS run_date,
    count(*) AS n_samples,
    max(sample_id) AS max_sample_id,
    sum(sample_id) AS sum_sample_id,
    0 AS n_falling
FROM numbered
GROUP BY dataset, run_id;
