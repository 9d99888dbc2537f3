"""What each landing file is about: the runs, experiments, hosts, datasets … of which it holds rows.

By this the lineage knows from which files a run is, and evidence takes no more of them than it needs.
"""

from typing import Final

import polars as pl

from collectors.dataset import Dataset

SUBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "experiments": ("exp_key",),
    "hardware_config": ("hw_id",),
    "environment_config": ("env_id",),
    "idle_baselines": ("source_system", "host", "baseline_id"),
    "carbon_intensity": ("region",),
    "reported_tax": ("linear_run_key", "agentic_run_key"),
    "ml_datasets": ("dataset_id",),
    "ml_samples": ("dataset_id",),
    "ml_targets": ("dataset_id",),
    "ml_predictions": ("dataset_id", "run_uuid", "model_name", "model_version"),
    "mlflow_experiments": ("store", "experiment_id"),
    "mlflow_runs": ("run_uuid",),
    "mlflow_params": ("run_uuid",),
    "mlflow_tags": ("run_uuid",),
    "mlflow_metrics": ("run_uuid",),
    "mlflow_latest_metrics": ("run_uuid",),
    "mlflow_datasets": ("name", "digest"),
    "mlflow_registered_models": ("store", "name"),
    "mlflow_model_versions": ("store", "name", "version"),
    "inference_artifacts": ("run_name", "run_attempt"),
    "rcdb_runs": ("schema_name", "number"),
    "rcdb_conditions": ("schema_name", "run_number"),
    "written_conditions": ("schema_name", "run_number"),
    "rcdb_files": ("schema_name", "file_id"),
}
"""Dataset -> the columns that name its subject. One with a run_key is about runs; any other is about none."""

SEPARATOR: Final = "\x1f"


def subjects_of(dataset: Dataset, path: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The subjects of a file's rows, as rows of stage.landing_subjects."""
    columns = ("run_key",) if dataset.has_run else SUBJECTS.get(dataset.name, ())
    if not columns:
        return NONE
    names = [pl.col(column).cast(pl.String).fill_null("") for column in columns]
    named = rows.select(columns).unique().select(subject=pl.concat_str(names, separator=SEPARATOR)).sort("subject")
    return named.select(pl.lit(path).alias("path"), pl.lit(dataset.name).alias("dataset"), "subject")


NONE: Final = pl.DataFrame(schema={"path": pl.String, "dataset": pl.String, "subject": pl.String})
