-- The average orchestration tax by provider, as a share of the agentic run, as the guide of A-LEMS has it: measured and
-- estimated pairs together, and pairs without a tax counted. The view tax_by_group keeps them apart.
SELECT
    e.provider,
    AVG(ots.tax_percent) as avg_tax,
    COUNT(*) as samples
FROM orchestration_tax_summary ots
JOIN runs r ON ots.linear_run_id = r.run_id
JOIN experiments e ON r.exp_id = e.exp_id
GROUP BY e.provider;
