-- A label that a researcher put on a run or an experiment, by its newest record.
-- depends: stage.tags, stage.runs, runs, experiments
CREATE OR REPLACE TABLE main.tags (
    tag_id BIGINT PRIMARY KEY, -- stable id of source, host and the tag's id there
    run_id BIGINT, -- run, where one is tagged
    exp_id BIGINT, -- experiment, where one is tagged
    label VARCHAR NOT NULL, -- the label
    category VARCHAR, -- kind of label
    note VARCHAR, -- free text
    tagged_by VARCHAR, -- who
    tagged_at TIMESTAMPTZ, -- when
    source_system VARCHAR NOT NULL, -- where it was noted
    host VARCHAR NOT NULL, -- host of that source
    source_tag_id VARCHAR NOT NULL -- the tag's id there
);

INSERT INTO main.tags BY NAME
WITH newest AS (
    SELECT *
    FROM stage.tags
    QUALIFY row_number() OVER (
        PARTITION BY source_system, host, source_tag_id
        ORDER BY recorded_at DESC, landing_date DESC
    ) = 1
)
SELECT
    ops.stable_id(concat_ws(chr(31), newest.source_system, newest.host, source_tag_id)) AS tag_id,
    runs.run_id,
    experiments.exp_id,
    label,
    category,
    note,
    tagged_by,
    tagged_at,
    newest.source_system,
    newest.host,
    source_tag_id
FROM newest
LEFT JOIN (SELECT DISTINCT run_key, run_id FROM stage.runs) AS tagged ON tagged.run_key = newest.tagged_run_key
LEFT JOIN main.runs AS runs ON runs.run_id = tagged.run_id
LEFT JOIN main.experiments AS experiments ON experiments.exp_key = newest.tagged_exp_key;
