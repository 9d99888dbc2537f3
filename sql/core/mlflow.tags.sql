-- A tag of a run.
-- depends: tracked.tags
-- unique: run_uuid, key
CREATE OR REPLACE TABLE mlflow.tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    run_uuid VARCHAR NOT NULL -- run
);

INSERT INTO mlflow.tags BY NAME
SELECT
    key,
    value,
    run_uuid
FROM tracked.tags
WHERE store = {store}
ORDER BY run_uuid, key;
