-- Every sample of the lake belongs to a run, and the lake's books count what its files hold.
-- severity: error
-- depends: daily.sample_audit, stage.energy_sampling, ops.lake_files, runs
WITH orphans AS (
    SELECT
        audit.dataset AS table_name,
        'samples without a run, first of run ' || min(audit.run_id) AS problem,
        sum(audit.n_samples)::BIGINT AS n
    FROM daily.sample_audit AS audit
    ANTI JOIN main.runs AS runs ON runs.run_id = audit.run_id
    GROUP BY audit.dataset
),
misplaced AS (
    SELECT
        audit.dataset AS table_name,
        'samples on another day than their run' AS problem,
        sum(audit.n_samples)::BIGINT AS n
    FROM daily.sample_audit AS audit
    JOIN main.runs AS runs ON runs.run_id = audit.run_id
    WHERE audit.run_date <> runs.run_date
    GROUP BY audit.dataset
),
audited_days AS (
    SELECT dataset, run_date AS landing_date, sum(n_samples) AS n_rows
    FROM daily.sample_audit
    GROUP BY dataset, run_date
),
miscounted AS (
    SELECT
        coalesce(files.dataset, audited_days.dataset) AS table_name,
        'days whose lake file holds other rows than were counted' AS problem,
        count(*) AS n
    FROM ops.lake_files AS files
    FULL JOIN audited_days
        ON audited_days.dataset = files.dataset
        AND audited_days.landing_date = files.landing_date
    WHERE coalesce(files.n_rows, 0) <> coalesce(audited_days.n_rows, 0)
    GROUP BY coalesce(files.dataset, audited_days.dataset)
),
unsampled AS (
    SELECT
        'energy_sampling' AS table_name,
        'runs whose energy samples were counted differently' AS problem,
        count(*) AS n
    FROM stage.energy_sampling AS sampling
    FULL JOIN (SELECT run_id, n_samples FROM daily.sample_audit WHERE dataset = 'energy_samples') AS audit
        ON audit.run_id = sampling.run_id
    -- A failed read is a row of the lake that sampling does not count.
    WHERE sampling.run_id IS NULL OR audit.run_id IS NULL OR sampling.n_samples > audit.n_samples
)
SELECT table_name, problem, n FROM orphans
UNION ALL
SELECT table_name, problem, n FROM misplaced
UNION ALL
SELECT table_name, problem, n FROM miscounted
UNION ALL
SELECT table_name, problem, n FROM unsampled WHERE n > 0;
