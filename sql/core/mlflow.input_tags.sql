-- A tag of an input.
-- depends: tracked.input_tags
-- unique: input_uuid, name
CREATE OR REPLACE TABLE mlflow.input_tags (
    input_uuid VARCHAR NOT NULL, -- id of the link
    name VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.input_tags BY NAME
SELECT
    input_uuid,
    name,
    value,
    extra_json,
    recorded_at
FROM tracked.input_tags
WHERE store = {store}
ORDER BY input_uuid, name;
