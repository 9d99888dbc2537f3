-- The model, hardware and framework of a run where its tags or parameters name them, under the keys that benchmarks have.
-- Names that count: alems.model, model_key, model_name, model, …; alems.hardware, gpu, …; alems.framework, engine, …
-- depends: mlflow.runs, mlflow.tags, mlflow.params
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
