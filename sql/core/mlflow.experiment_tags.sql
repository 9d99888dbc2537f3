-- A tag of an experiment.
-- depends: stage.mlflow_experiment_tags, stage.mlflow_removed
-- unique: experiment_id, key
CREATE OR REPLACE TABLE mlflow.experiment_tags (
    key VARCHAR NOT NULL, -- tag
    value VARCHAR, -- its value
    experiment_id BIGINT NOT NULL, -- experiment
    extra_json VARCHAR, -- JSON of further columns of the store
    recorded_at TIMESTAMPTZ NOT NULL -- when it was read from the store
);

INSERT INTO mlflow.experiment_tags BY NAME
WITH current AS (
    SELECT *
    FROM stage.mlflow_experiment_tags
    WHERE store = 'mlflow'
    QUALIFY row_number() OVER (PARTITION BY experiment_id, key ORDER BY recorded_at DESC, landing_date DESC) = 1
)
SELECT
    current.key,
    current.value,
    current.experiment_id,
    current.extra_json,
    current.recorded_at
FROM current
ANTI JOIN stage.mlflow_removed AS removed
    ON removed.store = 'mlflow'
    AND removed.table_name = 'experiment_tags'
    AND removed.row_key = concat_ws(chr(31), current.experiment_id, current.key)
    AND removed.recorded_at > current.recorded_at
ORDER BY current.experiment_id, current.key;
