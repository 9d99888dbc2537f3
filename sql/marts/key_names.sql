-- Every name of a model, hardware, framework or precision that a source wrote, what it resolved to and by which rule.
-- Fills ops.key_resolutions and ops.unmapped_keys, which say the same by name alone.
-- depends: name_keys, inference.mapped_rows, inference.mapped_evals
CREATE OR REPLACE TABLE main.key_names (
    kind VARCHAR NOT NULL, -- model, hardware, framework or precision
    raw_value VARCHAR NOT NULL, -- name as the source writes it; '' where a row names none
    key VARCHAR, -- canonical key; of an unknown framework or precision its lower-case name
    rule VARCHAR, -- rule that matched; NULL: none did
    source VARCHAR NOT NULL, -- records, benchmarks or evaluations
    n_rows BIGINT NOT NULL, -- rows that carry it
    first_seen TIMESTAMPTZ NOT NULL, -- earliest row
    last_seen TIMESTAMPTZ NOT NULL, -- latest row
    example_path VARCHAR NOT NULL -- an artifact, or a landing folder, that carries it
);

INSERT INTO main.key_names BY NAME
WITH named AS (
    SELECT 'records' AS source, kind, raw_value, key, rule, n_rows, first_seen, last_seen, example_path
    FROM main.name_keys
    UNION ALL
    SELECT
        'benchmarks', 'model', model_raw, any_value(model), model_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_rows
    WHERE model_raw IS NOT NULL
    GROUP BY model_raw, model_rule
    UNION ALL
    SELECT
        'benchmarks', 'hardware', hardware_raw, any_value(hardware), hardware_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_rows
    WHERE hardware_raw IS NOT NULL
    GROUP BY hardware_raw, hardware_rule
    UNION ALL
    SELECT
        'benchmarks', 'framework', framework_raw, any_value(framework), framework_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_rows
    WHERE framework_raw IS NOT NULL
    GROUP BY framework_raw, framework_rule
    UNION ALL
    SELECT
        'benchmarks', 'precision', precision_raw, any_value(precision), precision_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_rows
    WHERE precision_raw IS NOT NULL
    GROUP BY precision_raw, precision_rule
    UNION ALL
    SELECT
        'evaluations', 'model', model_raw, any_value(model), model_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_evals
    WHERE model_raw IS NOT NULL
    GROUP BY model_raw, model_rule
    UNION ALL
    SELECT
        'evaluations', 'hardware', hardware_raw, any_value(hardware), hardware_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_evals
    WHERE hardware_raw IS NOT NULL
    GROUP BY hardware_raw, hardware_rule
    UNION ALL
    SELECT
        'evaluations', 'framework', framework_raw, any_value(framework), framework_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_evals
    WHERE framework_raw IS NOT NULL
    GROUP BY framework_raw, framework_rule
    UNION ALL
    SELECT
        'evaluations', 'precision', precision_raw, any_value(precision), precision_rule, count(*), min(created_at), max(created_at), min(artifact_path)
    FROM inference.mapped_evals
    WHERE precision_raw IS NOT NULL
    GROUP BY precision_raw, precision_rule
)
SELECT *
FROM named
-- Whoever names no framework or precision has none that is unknown; without model or hardware a row is left out.
WHERE raw_value <> '' OR kind IN ('model', 'hardware')
ORDER BY kind, raw_value, source, key, rule;

DELETE FROM ops.key_resolutions;

INSERT INTO ops.key_resolutions BY NAME
SELECT DISTINCT kind, raw_value, key, rule
FROM main.key_names
WHERE rule IS NOT NULL
ORDER BY ALL;

DELETE FROM ops.unmapped_keys;

INSERT INTO ops.unmapped_keys BY NAME
SELECT
    kind,
    raw_value,
    sum(n_rows)::BIGINT AS n_rows,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    min(example_path) AS example_path
FROM main.key_names
WHERE rule IS NULL
GROUP BY kind, raw_value
ORDER BY kind, raw_value;
