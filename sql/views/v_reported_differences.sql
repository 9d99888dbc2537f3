-- A figure that an imported store had written, beside ours, and why they differ. reasons is a JSON list:
-- wrap: the store's counter wrapped in the run and it wrote less, or 0; tail: it counted beyond the run's start or end;
-- baseline_method: it takes mean − 2σ as idle power, ours the mean; clipping: a result below 0 became 0;
-- uncore_definition: its uncore is package − core, ours RAPL's domain; missing_as_zero: nothing measures it, it wrote 0;
-- other_window: its tax is not the difference of what it wrote for its two runs, but of another stretch of time;
-- unexplained: none of these.
-- depends: runs, stage.runs, stage.energy_sampling, v_energy_by_method, orchestration_tax_summary
CREATE OR REPLACE VIEW main.v_reported_differences AS
WITH reported AS (
    SELECT
        run_id,
        reported_total_energy_uj AS total_uj,
        reported_dynamic_energy_uj AS dynamic_uj,
        try_cast(json_extract_string(reported_json, '$.pkg_energy_uj') AS BIGINT) AS pkg_uj,
        try_cast(json_extract_string(reported_json, '$.core_energy_uj') AS BIGINT) AS core_uj,
        try_cast(json_extract_string(reported_json, '$.uncore_energy_uj') AS BIGINT) AS uncore_uj,
        try_cast(json_extract_string(reported_json, '$.dram_energy_uj') AS BIGINT) AS dram_uj,
        try_cast(json_extract_string(reported_json, '$.baseline_energy_uj') AS BIGINT) AS baseline_uj
    FROM stage.runs
    WHERE reported_total_energy_uj IS NOT NULL
        OR reported_dynamic_energy_uj IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY recorded_at DESC, landing_date DESC) = 1
),
compared AS (
    SELECT
        reported.*,
        runs.exp_id,
        runs.total_energy_uj,
        runs.pkg_energy_uj,
        runs.core_energy_uj,
        runs.uncore_energy_uj,
        runs.dram_energy_uj,
        runs.baseline_energy_uj,
        runs.dynamic_energy_uj,
        lowest.baseline_energy_uj AS lowest_baseline_uj,
        coalesce(sampling.n_wraps > 0, false) AS has_wrapped
    FROM reported
    JOIN main.runs AS runs ON runs.run_id = reported.run_id
    LEFT JOIN stage.energy_sampling AS sampling ON sampling.run_id = reported.run_id
    LEFT JOIN main.v_energy_by_method AS lowest
        ON lowest.run_id = reported.run_id
        AND lowest.baseline_method = 'mean_minus_2sigma'
),
reasoned AS (
    SELECT
        *,
        CASE
            WHEN total_uj = total_energy_uj THEN NULL
            WHEN has_wrapped AND total_uj < total_energy_uj THEN 'wrap'
            WHEN total_uj > total_energy_uj THEN 'tail'
            ELSE 'unexplained'
        END AS total_reason,
        CASE
            WHEN baseline_uj = baseline_energy_uj THEN NULL
            WHEN abs(baseline_uj - lowest_baseline_uj) <= 1 THEN 'baseline_method'
            ELSE 'unexplained'
        END AS baseline_reason,
        dynamic_uj = 0 AND total_uj < baseline_uj AS is_clipped
    FROM compared
),
-- A tax that the store computed from what it wrote for the two runs differs for the reasons of their dynamic energies.
taxes AS (
    SELECT
        tax.exp_id,
        tax.agentic_run_id AS run_id,
        tax.reported_orchestration_tax_uj AS reported_uj,
        tax.orchestration_tax_uj AS ours_uj,
        linear.total_reason AS linear_reason,
        agentic.total_reason AS agentic_reason,
        coalesce(linear.baseline_reason, agentic.baseline_reason) AS baseline_reason,
        linear.is_clipped OR agentic.is_clipped AS is_clipped,
        tax.reported_orchestration_tax_uj <> agentic.dynamic_uj - linear.dynamic_uj AS has_other_window
    FROM main.orchestration_tax_summary AS tax
    JOIN reasoned AS linear ON linear.run_id = tax.linear_run_id
    JOIN reasoned AS agentic ON agentic.run_id = tax.agentic_run_id
    WHERE tax.reported_orchestration_tax_uj IS NOT NULL
),
figures AS (
    SELECT
        run_id,
        exp_id,
        'total_energy_uj' AS figure,
        total_uj AS reported_uj,
        total_energy_uj AS ours_uj,
        NULL AS reproduced_uj,
        [total_reason] AS reasons
    FROM reasoned
    UNION ALL
    SELECT
        run_id,
        exp_id,
        'core_energy_uj',
        core_uj,
        core_energy_uj,
        NULL,
        [CASE WHEN core_uj > core_energy_uj THEN 'tail' WHEN core_uj <> core_energy_uj THEN 'unexplained' END]
    FROM reasoned
    UNION ALL
    SELECT
        run_id,
        exp_id,
        'uncore_energy_uj',
        uncore_uj,
        uncore_energy_uj,
        -- Of its own window, whose package energy is not kept where the counter wrapped.
        CASE WHEN NOT has_wrapped THEN pkg_uj - core_uj END,
        [CASE WHEN uncore_uj <> uncore_energy_uj THEN 'uncore_definition' END]
    FROM reasoned
    UNION ALL
    SELECT
        run_id,
        exp_id,
        'dram_energy_uj',
        dram_uj,
        dram_energy_uj,
        NULL,
        [
            CASE
                WHEN dram_energy_uj IS NULL AND dram_uj = 0 THEN 'missing_as_zero'
                WHEN dram_uj <> dram_energy_uj THEN 'unexplained'
            END
        ]
    FROM reasoned
    UNION ALL
    SELECT run_id, exp_id, 'baseline_energy_uj', baseline_uj, baseline_energy_uj, lowest_baseline_uj, [baseline_reason]
    FROM reasoned
    UNION ALL
    SELECT
        run_id,
        exp_id,
        'dynamic_energy_uj',
        dynamic_uj,
        dynamic_energy_uj,
        greatest(total_uj - lowest_baseline_uj, 0),
        [total_reason, baseline_reason, CASE WHEN is_clipped THEN 'clipping' END]
    FROM reasoned
    UNION ALL
    SELECT
        run_id,
        exp_id,
        'orchestration_tax_uj',
        reported_uj,
        ours_uj,
        NULL,
        [
            CASE WHEN NOT has_other_window THEN linear_reason END,
            CASE WHEN NOT has_other_window AND agentic_reason IS DISTINCT FROM linear_reason THEN agentic_reason END,
            baseline_reason,
            CASE WHEN NOT has_other_window AND is_clipped THEN 'clipping' END,
            CASE WHEN has_other_window THEN 'other_window' END
        ]
    FROM taxes
)
SELECT
    run_id, -- run; of orchestration_tax_uj the agentic run of the pair
    exp_id, -- experiment
    figure, -- column of runs, or orchestration_tax_uj
    reported_uj, -- what the store had written
    ours_uj, -- what the samples give; NULL where nothing measures it
    reported_uj - ours_uj AS difference_uj, -- reported − ours
    reproduced_uj, -- the store's rule, computed here from its own energies; NULL where that takes more than it keeps
    '[' || coalesce('"' || nullif(array_to_string(reasons, '", "'), '') || '"', '') || ']' AS reasons -- why they differ; [] where they do not
FROM figures
WHERE reported_uj IS NOT NULL;
