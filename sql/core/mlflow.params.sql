-- A parameter of a run.
-- depends: tracked.params
-- unique: run_uuid, key
CREATE OR REPLACE TABLE mlflow.params (
    key VARCHAR NOT NULL, -- parameter
    value VARCHAR, -- its value
    run_uuid VARCHAR NOT NULL -- run
);

INSERT INTO mlflow.params BY NAME
SELECT
    key,
    value,
    run_uuid
FROM tracked.params
WHERE store = {store}
ORDER BY run_uuid, key;
