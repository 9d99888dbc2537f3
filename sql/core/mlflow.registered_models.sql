-- A registered model.
-- depends: tracked.registered_models
-- unique: workspace, name
CREATE OR REPLACE TABLE mlflow.registered_models (
    name VARCHAR NOT NULL, -- its name
    creation_time BIGINT, -- when it was registered, epoch ms
    last_updated_time BIGINT, -- when it was last changed, epoch ms
    description VARCHAR, -- what it is
    workspace VARCHAR, -- workspace that it belongs to, where the store has any
    created_at TIMESTAMPTZ, -- when it was registered
    updated_at TIMESTAMPTZ, -- when it was last changed
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.registered_models BY NAME
SELECT
    name,
    creation_time,
    last_updated_time,
    description,
    workspace,
    ops.time_of_ms(creation_time) AS created_at,
    ops.time_of_ms(last_updated_time) AS updated_at,
    extra_json,
    recorded_at
FROM tracked.registered_models
WHERE store = {store}
ORDER BY workspace, name;
