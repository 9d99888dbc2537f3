-- A name for one version of a registered model.
-- depends: tracked.registered_model_aliases
-- unique: workspace, name, alias
CREATE OR REPLACE TABLE mlflow.registered_model_aliases (
    alias VARCHAR NOT NULL, -- alias
    version BIGINT, -- version that it stands for
    name VARCHAR NOT NULL, -- registered model
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.registered_model_aliases BY NAME
SELECT
    alias,
    version,
    name,
    workspace,
    extra_json,
    recorded_at
FROM tracked.registered_model_aliases
WHERE store = {store}
ORDER BY workspace, name, alias;
