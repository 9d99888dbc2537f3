-- A tag of a registered model.
-- depends: tracked.registered_model_tags
-- unique: workspace, name, key
CREATE OR REPLACE TABLE mlflow.registered_model_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    name VARCHAR NOT NULL, -- registered model
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.registered_model_tags BY NAME
SELECT
    key,
    value,
    name,
    workspace,
    extra_json,
    recorded_at
FROM tracked.registered_model_tags
WHERE store = {store}
ORDER BY workspace, name, key;
