-- The model, hardware and framework of a run where its tags or parameters name them, under the keys that benchmarks have.
-- Which tags and parameters count, and which before which, is in sql/registry/tracking_names.csv; a tag before a parameter.
-- depends: mlflow.runs, mlflow.tags, mlflow.params, name_keys
-- unique: run_uuid
CREATE OR REPLACE TABLE mlflow.run_keys (
    run_uuid VARCHAR NOT NULL, -- run
    model_name VARCHAR, -- model as the run names it
    model_key VARCHAR, -- its key; NULL where the registry does not know the name
    hardware_name VARCHAR, -- hardware as the run names it
    hardware_key VARCHAR, -- its key; NULL where the registry does not know the name
    framework_name VARCHAR, -- framework as the run names it
    framework_key VARCHAR -- its key; the name in small letters where the registry does not know it
);

INSERT INTO mlflow.run_keys BY NAME
WITH naming AS (
    SELECT kind, name, place
    FROM read_csv({registry:tracking_names})
),
named AS (
    SELECT tags.run_uuid, tags.value, naming.kind, naming.place
    FROM mlflow.tags AS tags
    JOIN naming ON naming.name = tags.key
    UNION ALL
    SELECT params.run_uuid, params.value, naming.kind, 1000 + naming.place
    FROM mlflow.params AS params
    JOIN naming ON naming.name = params.key
),
chosen AS (
    SELECT run_uuid, kind, arg_min(value, place) AS value
    FROM named
    WHERE value <> ''
    GROUP BY run_uuid, kind
),
keyed AS (
    SELECT
        chosen.run_uuid,
        any_value(chosen.value) FILTER (chosen.kind = 'model') AS model_name,
        any_value(names.key) FILTER (chosen.kind = 'model') AS model_key,
        any_value(chosen.value) FILTER (chosen.kind = 'hardware') AS hardware_name,
        any_value(names.key) FILTER (chosen.kind = 'hardware') AS hardware_key,
        any_value(chosen.value) FILTER (chosen.kind = 'framework') AS framework_name,
        any_value(names.key) FILTER (chosen.kind = 'framework') AS framework_key
    FROM chosen
    LEFT JOIN main.name_keys AS names ON names.kind = chosen.kind AND names.raw_value = chosen.value
    GROUP BY chosen.run_uuid
)
SELECT
    runs.run_uuid,
    keyed.model_name,
    keyed.model_key,
    keyed.hardware_name,
    keyed.hardware_key,
    keyed.framework_name,
    keyed.framework_key
FROM mlflow.runs AS runs
LEFT JOIN keyed ON keyed.run_uuid = runs.run_uuid
ORDER BY runs.run_uuid;
