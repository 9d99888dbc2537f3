-- The orchestration tax of each pair, once per way to take the idle power: see v_energy_by_method. The rows of 'mean' are
-- those of orchestration_tax_summary.
-- depends: orchestration_tax_summary, v_energy_by_method
CREATE OR REPLACE VIEW main.v_tax_by_method AS
WITH pairs AS (
    SELECT
        tax.comparison_id,
        tax.exp_id,
        tax.linear_run_id,
        tax.agentic_run_id,
        linear.baseline_method,
        linear.dynamic_energy_uj AS linear_dynamic_uj,
        agentic.dynamic_energy_uj AS agentic_dynamic_uj,
        tax.is_estimated
    FROM main.orchestration_tax_summary AS tax
    JOIN main.v_energy_by_method AS linear ON linear.run_id = tax.linear_run_id
    JOIN main.v_energy_by_method AS agentic
        ON agentic.run_id = tax.agentic_run_id
        AND agentic.baseline_method = linear.baseline_method
)
SELECT
    comparison_id, -- pair
    baseline_method, -- mean or mean_minus_2sigma
    exp_id, -- experiment
    linear_run_id, -- linear run
    agentic_run_id, -- agentic run
    linear_dynamic_uj, -- dynamic energy of the linear run
    agentic_dynamic_uj, -- dynamic energy of the agentic run
    agentic_dynamic_uj - linear_dynamic_uj AS orchestration_tax_uj, -- agentic − linear
    CASE
        WHEN agentic_dynamic_uj > 0 AND linear_dynamic_uj >= 0
            THEN (agentic_dynamic_uj - linear_dynamic_uj) * 100.0::DOUBLE / agentic_dynamic_uj
    END AS tax_percent, -- tax / agentic × 100; NULL where agentic ≤ 0 or linear < 0
    CASE WHEN linear_dynamic_uj > 0 THEN agentic_dynamic_uj / linear_dynamic_uj::DOUBLE END AS tax_multiplier, -- agentic / linear; NULL where linear ≤ 0
    is_estimated -- the energies are modelled, not measured
FROM pairs;
