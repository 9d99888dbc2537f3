-- Experiment tracking, with MLflow's names of tables and columns. A second store gets the same tables in a schema
-- `mlflow_<name>`: each file that makes one of them is run for it too, with the other name.
CREATE SCHEMA IF NOT EXISTS mlflow;
