-- The version of the store's schema.
-- depends: tracked.alembic_version
-- unique: version_num
CREATE OR REPLACE TABLE mlflow.alembic_version (
    version_num VARCHAR NOT NULL, -- revision of the store's schema
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.alembic_version BY NAME
SELECT
    version_num,
    extra_json,
    recorded_at
FROM tracked.alembic_version
WHERE store = {store}
ORDER BY version_num;
