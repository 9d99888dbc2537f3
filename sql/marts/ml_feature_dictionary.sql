-- One column of ml_feature_table: what it is and what a model may do with it, by sql/registry/ml_feature_roles.csv.
-- depends: ml_feature_table
CREATE OR REPLACE TABLE main.ml_feature_dictionary (
    position BIGINT NOT NULL, -- position in ml_feature_table, from 1
    name VARCHAR PRIMARY KEY, -- column
    data_type VARCHAR NOT NULL, -- type in DuckDB
    unit VARCHAR, -- unit; NULL where it has none
    source VARCHAR NOT NULL, -- table that it comes from or is computed from
    role VARCHAR NOT NULL, -- target, feature, leakage (computed from the target's energy), identifier or split
    reason VARCHAR NOT NULL, -- why it has that role
    meaning VARCHAR, -- in words
    null_share DOUBLE -- share of rows without a value; NULL while there are no rows
);

INSERT INTO main.ml_feature_dictionary BY NAME
WITH described AS (
    SELECT column_index AS position, column_name AS name, data_type
    FROM duckdb_columns()
    WHERE database_name = current_database()
        AND schema_name = 'main'
        AND table_name = 'ml_feature_table'
),
meanings AS (
    SELECT column_name AS name, comment AS meaning
    FROM duckdb_columns()
    WHERE database_name = current_database()
        AND schema_name = 'main'
        AND table_name = 'ml_feature_table'
),
origins AS (
    SELECT
        column_name AS name,
        arg_min(
            table_name,
            list_position(
                ['runs', 'experiments', 'hardware_config', 'environment_config', 'orchestration_tax_summary'], table_name
            )
        ) AS source
    FROM duckdb_columns()
    WHERE database_name = current_database()
        AND schema_name = 'main'
        AND table_name IN ('runs', 'experiments', 'hardware_config', 'environment_config', 'orchestration_tax_summary')
    GROUP BY column_name
),
null_shares AS (
    SELECT name, null_share
    FROM (
        UNPIVOT (SELECT avg((COLUMNS(*) IS NULL)::BIGINT) AS '\0' FROM main.ml_feature_table)
        ON COLUMNS(*)
        INTO NAME name VALUE null_share
    )
),
roles AS (
    SELECT
        described.name,
        arg_min(registry.role, registry.priority) AS role,
        arg_min(registry.reason, registry.priority) AS reason
    FROM described
    JOIN read_csv({registry:ml_feature_roles}, header = true, all_varchar = true) AS registry
        ON regexp_full_match(described.name, registry.pattern)
    GROUP BY described.name
)
SELECT
    described.position,
    described.name,
    described.data_type,
    CASE
        WHEN regexp_matches(described.name, '^energy_per_') THEN 'J'
        WHEN regexp_matches(described.name, '_uj$') THEN 'µJ'
        WHEN regexp_matches(described.name, '_j$') THEN 'J'
        WHEN regexp_matches(described.name, '_ns$') THEN 'ns'
        WHEN regexp_matches(described.name, '_us$') THEN 'µs'
        WHEN regexp_matches(described.name, '_ms$') THEN 'ms'
        WHEN regexp_matches(described.name, '_seconds$') THEN 's'
        WHEN regexp_matches(described.name, '(_watts|^baseline_\w+_power)$') THEN 'W'
        WHEN regexp_matches(described.name, '_mhz$') THEN 'MHz'
        WHEN regexp_matches(described.name, '_gb$') THEN 'GiB'
        WHEN regexp_matches(described.name, '_mb$') THEN 'MiB'
        WHEN regexp_matches(described.name, '(_percent|^baseline_background_cpu|^tax_pct_of_linear)$') THEN '%'
        WHEN regexp_matches(described.name, '(_celsius|_c)$') THEN '°C'
        WHEN regexp_matches(described.name, '_g$') THEN 'g'
        WHEN regexp_matches(described.name, '_ml$') THEN 'ml'
        WHEN regexp_matches(described.name, '_mg$') THEN 'mg'
        WHEN regexp_matches(described.name, '^bytes_') THEN 'B'
        WHEN described.name IN ('interrupt_rate', 'interrupts_per_second') THEN '1/s'
    END AS unit,
    CASE
        WHEN roles.role = 'split' THEN 'ml_feature_table'
        WHEN origins.source IS NOT NULL THEN origins.source
        WHEN starts_with(described.name, 'baseline_') AND NOT contains(described.name, 'energy') THEN 'idle_baselines'
        WHEN contains(described.name, 'tax') THEN 'orchestration_tax_summary'
        ELSE 'runs'
    END AS source,
    roles.role,
    roles.reason,
    meanings.meaning,
    null_shares.null_share
FROM described
JOIN roles ON roles.name = described.name
LEFT JOIN meanings ON meanings.name = described.name
LEFT JOIN origins ON origins.name = described.name
LEFT JOIN null_shares ON null_shares.name = described.name
ORDER BY described.position;
