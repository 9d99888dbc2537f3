-- From which run, commit and data each version of a registered model is: model=classifier
SELECT model_name, version, aliases, run_name, run_uuid, source_version, dataset_name, dataset_digest, context
FROM mlflow.v_model_origins
WHERE model_name = $model
ORDER BY version, dataset_name;
