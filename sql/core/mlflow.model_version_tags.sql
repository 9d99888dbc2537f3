-- A tag of a version of a registered model.
-- depends: tracked.model_version_tags
-- unique: workspace, name, version, key
CREATE OR REPLACE TABLE mlflow.model_version_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    name VARCHAR NOT NULL, -- registered model
    version BIGINT NOT NULL, -- version
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.model_version_tags BY NAME
SELECT
    key,
    value,
    name,
    version,
    workspace,
    extra_json,
    recorded_at
FROM tracked.model_version_tags
WHERE store = {store}
ORDER BY workspace, name, version, key;
