-- One entry of the changelog of a workflow run: what was changed before it ran.
-- depends: inference.artifacts, inference.workflow_runs
CREATE OR REPLACE TABLE inference.changelog_entries (
    workflow_run_id BIGINT NOT NULL, -- workflow run and attempt
    date DATE NOT NULL, -- UTC day of the workflow run
    base_ref VARCHAR NOT NULL, -- what it was compared with
    head_ref VARCHAR NOT NULL, -- what ran
    entry_index BIGINT NOT NULL, -- place of the entry in the changelog, from 0
    config_keys VARCHAR[], -- configs concerned, as the benchmark names them
    description VARCHAR, -- what was changed, a line each
    pr_link VARCHAR, -- pull request
    evals_only BOOLEAN, -- the run only evaluates
    all_evals BOOLEAN, -- the run evaluates everything
    scenario_type VARCHAR, -- scenario, where not the usual one
    PRIMARY KEY (workflow_run_id, base_ref, head_ref, entry_index)
);

INSERT INTO inference.changelog_entries BY NAME
WITH changelogs AS (
    SELECT
        run_name,
        run_attempt,
        json_extract_string(raw, '$.base_ref') AS base_ref,
        json_extract_string(raw, '$.head_ref') AS head_ref,
        json_extract(raw, '$.entries[*]') AS entries
    FROM inference.artifacts
    WHERE kind = 'changelog' AND json_valid(raw)
    QUALIFY row_number() OVER (
        PARTITION BY run_name, run_attempt, base_ref, head_ref
        ORDER BY recorded_at DESC, document_path DESC, artifact_path DESC, row_index DESC, landing_date DESC
    ) = 1
),
entries AS (
    SELECT
        * EXCLUDE (entries),
        unnest(entries) AS entry,
        generate_subscripts(entries, 1) - 1 AS entry_index
    FROM changelogs
    WHERE base_ref IS NOT NULL AND head_ref IS NOT NULL
)
SELECT
    workflow_runs.workflow_run_id,
    workflow_runs.date,
    entries.base_ref,
    entries.head_ref,
    entries.entry_index,
    json_extract_string(entry, '$."config-keys"[*]') AS config_keys,
    CASE json_type(entry, '$.description')
        WHEN 'ARRAY' THEN array_to_string(json_extract_string(entry, '$.description[*]'), chr(10))
        ELSE json_extract_string(entry, '$.description')
    END AS description,
    json_extract_string(entry, '$."pr-link"') AS pr_link,
    try_cast(json_extract_string(entry, '$."evals-only"') AS BOOLEAN) AS evals_only,
    try_cast(json_extract_string(entry, '$."all-evals"') AS BOOLEAN) AS all_evals,
    json_extract_string(entry, '$."scenario-type"') AS scenario_type
FROM entries
JOIN inference.workflow_runs AS workflow_runs
    ON workflow_runs.run_name = entries.run_name
    AND workflow_runs.run_attempt = entries.run_attempt
ORDER BY workflow_runs.workflow_run_id, entries.base_ref, entries.head_ref, entries.entry_index;
