-- A result of a serving benchmark as it stands in the lineage, with its two steps: from its run and from its config.
-- depends: inference.benchmark_results
-- unique: node
CREATE OR REPLACE TABLE main.lineage_results (
    node UBIGINT NOT NULL, -- its number
    id VARCHAR NOT NULL, -- run, config and what was measured
    label VARCHAR, -- how a person calls it
    began_at TIMESTAMPTZ, -- day of its run
    run_id VARCHAR NOT NULL, -- its run, as the lineage calls it
    run_node UBIGINT NOT NULL, -- the run's number
    config_id VARCHAR NOT NULL, -- its config
    config_node UBIGINT NOT NULL -- the config's number
);

INSERT INTO main.lineage_results BY NAME
WITH named AS (
    SELECT
        concat_ws('/', workflow_run_id, config_id, isl, osl, conc) AS id,
        concat_ws(' ', isl || '→' || osl || ' tokens,', conc || ' at once') AS label,
        date::TIMESTAMPTZ AS began_at,
        'inference:' || workflow_run_id AS run_id,
        config_id::VARCHAR AS config_id
    FROM inference.benchmark_results
)
SELECT
    hash('benchmark_result ' || id) AS node,
    id,
    label,
    began_at,
    run_id,
    hash('run ' || run_id) AS run_node,
    config_id,
    hash('benchmark_config ' || config_id) AS config_node
FROM named;
