-- The version of the store's schema.
-- depends: stage.mlflow_alembic_version, stage.mlflow_removed
-- unique: version_num
CREATE OR REPLACE TABLE mlflow.alembic_version (
    version_num VARCHAR NOT NULL, -- revision of the store's schema
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.alembic_version BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_alembic_version
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY version_num ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.version_num,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'alembic_version'
    AND removed.row_key = concat_ws(chr(31), current.version_num)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.version_num;
