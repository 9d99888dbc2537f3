-- Each run and the run that it is compared with, or why there is none: a linear and an agentic run of one experiment
-- with the same number on the same hardware. Runs that did not end well are listed, not paired.
-- depends: runs
CREATE OR REPLACE TABLE main.run_pairing (
    run_id BIGINT PRIMARY KEY, -- run
    exp_id BIGINT NOT NULL, -- experiment
    hw_id BIGINT, -- hardware
    run_number BIGINT, -- position in the experiment
    workflow_type VARCHAR NOT NULL, -- linear or agentic
    status VARCHAR NOT NULL, -- completed, partial or failed
    partner_run_id BIGINT, -- the other run of the pair; NULL where unpaired
    reason VARCHAR -- why it is not in orchestration_tax_summary; NULL where it is
);

INSERT INTO main.run_pairing BY NAME
WITH candidates AS (
    SELECT
        runs.run_id,
        runs.exp_id,
        runs.hw_id,
        runs.run_number,
        runs.workflow_type,
        runs.energy_source,
        runs.total_energy_uj IS NOT NULL AND runs.dram_energy_uj IS NULL AS lacks_dram,
        runs.total_energy_uj IS NOT NULL AND runs.dram_energy_uj IS NOT NULL AS has_dram,
        contains(runs.quality_flags, '"duplicate_run_number"') AS has_taken_number,
        CASE
            WHEN contains(runs.quality_flags, '"run_failed"') THEN 'failed'
            WHEN contains(runs.quality_flags, '"run_partial"') THEN 'partial'
            ELSE 'completed'
        END AS status
    FROM main.runs AS runs
),
partners AS (
    SELECT
        runs.run_id,
        partner.run_id AS partner_run_id,
        partner.status AS partner_status,
        partner.energy_source AS partner_energy_source,
        (runs.has_dram AND partner.lacks_dram) OR (runs.lacks_dram AND partner.has_dram) AS differ_in_dram
    FROM candidates AS runs
    JOIN candidates AS partner
        ON partner.exp_id = runs.exp_id
        AND partner.hw_id = runs.hw_id
        AND partner.run_number = runs.run_number
        AND partner.workflow_type = CASE runs.workflow_type WHEN 'linear' THEN 'agentic' WHEN 'agentic' THEN 'linear' END
),
reasoned AS (
    SELECT
        candidates.*,
        partners.partner_run_id,
        CASE
            WHEN candidates.status <> 'completed' THEN 'run ' || candidates.status
            WHEN has_taken_number THEN 'another run has its number'
            WHEN run_number IS NULL THEN 'no run number'
            WHEN hw_id IS NULL THEN 'hardware unknown'
            WHEN workflow_type NOT IN ('linear', 'agentic') THEN 'neither linear nor agentic'
            WHEN partners.run_id IS NULL THEN 'no partner'
            WHEN partner_status <> 'completed' THEN 'partner ' || partner_status
            -- Estimated and measured energies, or energies of other domains, do not compare.
            WHEN energy_source <> partner_energy_source OR differ_in_dram THEN 'partner measured by other means'
        END AS reason
    FROM candidates
    LEFT JOIN partners ON partners.run_id = candidates.run_id
)
SELECT
    run_id,
    exp_id,
    hw_id,
    run_number,
    workflow_type,
    status,
    CASE WHEN reason IS NULL THEN partner_run_id END AS partner_run_id,
    reason
FROM reasoned;
