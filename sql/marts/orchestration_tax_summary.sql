-- What an agent's orchestration costs: one row per pair of a linear and an agentic run, with the dynamic energy that the
-- agentic one took on top. quality_flags is a JSON list: flags of the two runs as 'linear:…' and 'agentic:…' (see
-- sql/core/runs.sql); negative_tax; uncore_is_package_minus_core: no RAPL uncore domain, see linear_orchestration_uj.
-- depends: run_pairing, runs, idle_baselines, stage.reported_tax, stage.runs
-- unique: linear_run_id, agentic_run_id
CREATE OR REPLACE TABLE main.orchestration_tax_summary (
    comparison_id BIGINT PRIMARY KEY, -- stable id of the two runs
    linear_run_id BIGINT NOT NULL UNIQUE, -- linear run
    agentic_run_id BIGINT NOT NULL UNIQUE, -- agentic run
    linear_dynamic_uj BIGINT, -- dynamic energy of the linear run
    agentic_dynamic_uj BIGINT, -- dynamic energy of the agentic run
    orchestration_tax_uj BIGINT, -- agentic − linear; may be negative
    tax_percent DOUBLE, -- tax / agentic × 100: a share; NULL where agentic ≤ 0 or linear < 0
    linear_orchestration_uj BIGINT, -- linear run: uncore − idle uncore; uncore is RAPL's domain, else package − core
    agentic_orchestration_uj BIGINT, -- agentic run: the same
    exp_id BIGINT, -- experiment
    run_number BIGINT, -- number of the two runs in the experiment
    reported_orchestration_tax_uj BIGINT, -- tax that an imported store had written
    tax_multiplier DOUBLE, -- agentic / linear; NULL where linear ≤ 0
    tax_pct_of_linear DOUBLE, -- tax / linear × 100; NULL where linear ≤ 0
    is_estimated BOOLEAN, -- the energies are modelled, not measured
    quality_flags VARCHAR, -- JSON list of codes
    UNIQUE (linear_run_id, agentic_run_id)
);

INSERT INTO main.orchestration_tax_summary BY NAME
WITH splits AS (
    SELECT
        runs.*,
        CASE
            WHEN uncore_energy_uj IS NOT NULL
                THEN uncore_energy_uj - trunc(uncore_power_watts * duration_ns / 1e3)
            ELSE pkg_energy_uj - core_energy_uj
                - (trunc(package_power_watts * duration_ns / 1e3) - trunc(core_power_watts * duration_ns / 1e3))
        END AS orchestration_uj,
        uncore_energy_uj IS NULL AND pkg_energy_uj - core_energy_uj IS NOT NULL AS lacks_uncore
    FROM main.runs AS runs
    LEFT JOIN main.idle_baselines AS idle_baselines ON idle_baselines.baseline_id = runs.baseline_id
),
-- By key, since a pair that straddles midnight has its runs on two days.
reported AS (
    SELECT linear.run_id AS linear_run_id, agentic.run_id AS agentic_run_id, tax.orchestration_tax_uj
    FROM stage.reported_tax AS tax
    JOIN stage.runs AS linear ON linear.run_key = tax.linear_run_key
    JOIN stage.runs AS agentic ON agentic.run_key = tax.agentic_run_key
    QUALIFY row_number() OVER (
        PARTITION BY linear.run_id, agentic.run_id
        ORDER BY tax.recorded_at DESC, tax.landing_date DESC
    ) = 1
),
pairs AS (
    SELECT
        linear.run_id AS linear_run_id,
        agentic.run_id AS agentic_run_id,
        linear.exp_id,
        linear.run_number,
        linear.dynamic_energy_uj AS linear_dynamic_uj,
        agentic.dynamic_energy_uj AS agentic_dynamic_uj,
        try(agentic.dynamic_energy_uj - linear.dynamic_energy_uj) AS orchestration_tax_uj,
        try_cast(linear.orchestration_uj AS BIGINT) AS linear_orchestration_uj,
        try_cast(agentic.orchestration_uj AS BIGINT) AS agentic_orchestration_uj,
        coalesce(linear.is_estimated, agentic.is_estimated) AS is_estimated,
        linear.lacks_uncore OR agentic.lacks_uncore AS lacks_uncore,
        linear.quality_flags AS linear_flags,
        agentic.quality_flags AS agentic_flags
    FROM main.run_pairing AS pairing
    JOIN splits AS linear ON linear.run_id = pairing.run_id
    JOIN splits AS agentic ON agentic.run_id = pairing.partner_run_id
    WHERE pairing.workflow_type = 'linear'
)
SELECT
    ops.stable_id(concat_ws(chr(31), pairs.linear_run_id, pairs.agentic_run_id)) AS comparison_id,
    pairs.linear_run_id,
    pairs.agentic_run_id,
    pairs.linear_dynamic_uj,
    pairs.agentic_dynamic_uj,
    pairs.orchestration_tax_uj,
    CASE
        WHEN pairs.agentic_dynamic_uj > 0 AND pairs.linear_dynamic_uj >= 0
            THEN pairs.orchestration_tax_uj * 100.0::DOUBLE / pairs.agentic_dynamic_uj
    END AS tax_percent,
    pairs.linear_orchestration_uj,
    pairs.agentic_orchestration_uj,
    pairs.exp_id,
    pairs.run_number,
    reported.orchestration_tax_uj AS reported_orchestration_tax_uj,
    CASE WHEN pairs.linear_dynamic_uj > 0 THEN pairs.agentic_dynamic_uj / pairs.linear_dynamic_uj::DOUBLE END
        AS tax_multiplier,
    CASE WHEN pairs.linear_dynamic_uj > 0 THEN pairs.orchestration_tax_uj * 100.0::DOUBLE / pairs.linear_dynamic_uj END
        AS tax_pct_of_linear,
    is_estimated,
    '[' || concat_ws(
        ', ',
        nullif(trim(regexp_replace(linear_flags, '"(\w+)"', '"linear:\1"', 'g'), '[]'), ''),
        nullif(trim(regexp_replace(agentic_flags, '"(\w+)"', '"agentic:\1"', 'g'), '[]'), ''),
        CASE WHEN pairs.orchestration_tax_uj < 0 THEN '"negative_tax"' END,
        CASE WHEN lacks_uncore THEN '"uncore_is_package_minus_core"' END
    ) || ']' AS quality_flags
FROM pairs
LEFT JOIN reported
    ON reported.linear_run_id = pairs.linear_run_id
    AND reported.agentic_run_id = pairs.agentic_run_id;
