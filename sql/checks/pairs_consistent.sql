-- Each pair is a linear and an agentic run that belong together, its figures follow from theirs, and the parts of its
-- events sum to its tax. A run is in a pair or has a reason why not.
-- severity: error
-- depends: runs, run_pairing, orchestration_tax_summary, orchestration_events
WITH pairs AS (
    SELECT tax.*, linear, agentic
    FROM main.orchestration_tax_summary AS tax
    JOIN main.runs AS linear ON linear.run_id = tax.linear_run_id
    JOIN main.runs AS agentic ON agentic.run_id = tax.agentic_run_id
),
parts AS (
    SELECT run_id, sum(tax_contribution_uj)::BIGINT AS contribution_uj
    FROM main.orchestration_events
    GROUP BY run_id
),
findings AS (
    SELECT 'orchestration_tax_summary' AS table_name, 'runs that are no pair' AS problem, count(*) AS n
    FROM pairs
    WHERE linear.workflow_type <> 'linear'
        OR agentic.workflow_type <> 'agentic'
        OR linear.exp_id <> agentic.exp_id
        OR linear.hw_id <> agentic.hw_id
        OR linear.run_number <> agentic.run_number
        OR linear.is_estimated <> agentic.is_estimated
        OR linear_run_id = agentic_run_id
    UNION ALL
    SELECT 'orchestration_tax_summary', 'a run that failed or was ended early', count(*)
    FROM pairs
    WHERE regexp_matches(linear.quality_flags || agentic.quality_flags, '"run_(failed|partial)"')
    UNION ALL
    SELECT 'orchestration_tax_summary', 'figures that do not follow from the two runs', count(*)
    FROM pairs
    WHERE linear_dynamic_uj IS DISTINCT FROM linear.dynamic_energy_uj
        OR agentic_dynamic_uj IS DISTINCT FROM agentic.dynamic_energy_uj
        OR orchestration_tax_uj IS DISTINCT FROM agentic_dynamic_uj - linear_dynamic_uj
        OR tax_percent > 100
        OR (tax_percent IS NOT NULL AND (agentic_dynamic_uj <= 0 OR linear_dynamic_uj < 0))
        OR abs(tax_percent - 100 * orchestration_tax_uj / agentic_dynamic_uj) > 1e-6
        OR abs(tax_multiplier - agentic_dynamic_uj / linear_dynamic_uj) > 1e-6 * abs(tax_multiplier)
    UNION ALL
    SELECT 'orchestration_events', 'pairs whose events'' parts do not sum to the tax', count(*)
    FROM main.orchestration_tax_summary AS tax
    LEFT JOIN parts ON parts.run_id = tax.agentic_run_id
    WHERE coalesce(parts.contribution_uj, 0) <> tax.orchestration_tax_uj
    UNION ALL
    SELECT 'run_pairing', 'runs neither paired nor explained, or both', count(*)
    FROM main.run_pairing AS pairing
    LEFT JOIN main.orchestration_tax_summary AS tax
        ON pairing.run_id IN (tax.linear_run_id, tax.agentic_run_id)
    WHERE (tax.comparison_id IS NULL) = (pairing.reason IS NULL)
        OR (pairing.partner_run_id IS NULL) = (pairing.reason IS NULL)
)
SELECT table_name, problem, n
FROM findings
WHERE n > 0;
