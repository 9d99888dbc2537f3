#!/bin/sh
# From a table to a model whose energy, predictions and origins are known. Give a new folder for the data and MLflow's store:
#   examples/wine.sh /tmp/wine
# Needs the extras `pipeline` and `test` (scikit-learn and MLflow); the warehouse is $ALEMS_WAREHOUSE, or ./warehouse.
set -eu
here=$(dirname "$0")
mkdir -p "$1"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_TRACKING_URI="sqlite:///$(cd "$1" && pwd)/mlflow.db"

# 1. The data: scikit-learn's wine as a CSV file, dropped as the dataset `wine`.
python "$here/wine_data.py" "$1/wine.csv"
alems-collect dataset wine "$1/wine.csv" --target class

# 2. The model: trained, logged and registered in MLflow, while its energy is measured.
alems-collect run --experiment wine --task train --workflow linear --model logistic-regression --provider scikit-learn -- \
    python "$here/wine_train.py" "$1"

# 3. What it left: its predictions, and MLflow's record of it.
alems-collect predictions wine "$1/predictions.csv" --run-uuid "$(cat "$1/run_uuid")" --model wine --model-version 1
alems-collect mlflow "$MLFLOW_TRACKING_URI"

# 4. All of it in one file: how good it is by class, what it took, and what it was made from.
alems materialize
alems sql "SELECT class, precision, recall, f1, support FROM ml.v_class_metrics WHERE run_uuid = '$(cat "$1/run_uuid")' ORDER BY class"
alems sql "SELECT energy_j, is_estimated, duration_s FROM mlflow.v_run_energy WHERE run_uuid = '$(cat "$1/run_uuid")'"
alems lineage "$(cat "$1/run_uuid")"
