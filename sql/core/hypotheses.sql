-- A hypothesis that researchers hold against the runs, by its newest record.
-- depends: stage.hypotheses, stage.runs, runs, experiments
CREATE OR REPLACE TABLE main.hypotheses (
    hypothesis_id BIGINT PRIMARY KEY, -- stable id of source, host and the hypothesis's id there
    title VARCHAR NOT NULL, -- the hypothesis
    description VARCHAR, -- free text
    status VARCHAR, -- open, supported, … as the source writes it
    evidence_for VARCHAR, -- what speaks for it
    evidence_against VARCHAR, -- what speaks against it
    key_run_id BIGINT, -- the run that tells most
    key_exp_id BIGINT, -- the experiment that tells most
    created_by VARCHAR, -- who
    created_at TIMESTAMPTZ, -- when it was put
    updated_at TIMESTAMPTZ, -- when it was last changed
    source_system VARCHAR NOT NULL, -- where it was noted
    host VARCHAR NOT NULL, -- host of that source
    source_hypothesis_id VARCHAR NOT NULL -- the hypothesis's id there
);

INSERT INTO main.hypotheses BY NAME
WITH newest AS (
    SELECT *
    FROM stage.hypotheses
    QUALIFY row_number() OVER (
        PARTITION BY source_system, host, source_hypothesis_id
        ORDER BY recorded_at DESC, landing_date DESC
    ) = 1
)
SELECT
    ops.stable_id(concat_ws(chr(31), newest.source_system, newest.host, source_hypothesis_id)) AS hypothesis_id,
    title,
    newest.description,
    newest.status,
    evidence_for,
    evidence_against,
    runs.run_id AS key_run_id,
    experiments.exp_id AS key_exp_id,
    created_by,
    newest.created_at,
    updated_at,
    newest.source_system,
    newest.host,
    source_hypothesis_id
FROM newest
LEFT JOIN (SELECT DISTINCT run_key, run_id FROM stage.runs) AS telling ON telling.run_key = newest.evidence_run_key
LEFT JOIN main.runs AS runs ON runs.run_id = telling.run_id
LEFT JOIN main.experiments AS experiments ON experiments.exp_key = newest.evidence_exp_key;
