"""Trains on the wine data and logs to MLflow; the program that is measured: wine_train.py FOLDER."""

import hashlib
import os
import sys
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = Path(sys.argv[1])
table = folder / "wine.csv"
wine = pd.read_csv(table)
features, target = wine.drop(columns="class"), wine["class"]

# The name and digest by which `alems-collect dataset` knows the file: so MLflow's dataset and ours are one.
digest = hashlib.sha256(table.read_bytes()).hexdigest()[:32]
data = mlflow.data.from_pandas(wine, source=str(table), targets="class", name="wine", digest=digest)

if mlflow.get_experiment_by_name("wine") is None:
    mlflow.create_experiment("wine", artifact_location=(folder / "artifacts").resolve().as_uri())
mlflow.set_experiment("wine")
# By this tag the tracked run and the measured one know each other.
with mlflow.start_run(tags={"alems.run_uid": os.environ.get("ALEMS_RUN_KEY", "")}) as run:
    mlflow.log_input(data, context="training")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    mlflow.log_params({"C": 0.1, "folds": 5})
    predicted = cross_val_predict(classifier, features, target, cv=5)
    mlflow.log_metric("accuracy", float((predicted == target).mean()))
    classifier.fit(features, target)
    mlflow.sklearn.log_model(classifier, name="wine", registered_model_name="wine", pip_requirements=["scikit-learn"])

pd.DataFrame({"sample_index": wine.index, "prediction": predicted}).to_csv(folder / "predictions.csv", index=False)
(folder / "run_uuid").write_text(run.info.run_id)
