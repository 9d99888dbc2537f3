"""The landing contract of the dataset store: tabular data, its targets, and what models predicted for it.

What the columns mean stands here; `collectors/contract.py` lists these datasets among all others.
"""

from typing import Final

from collectors.dataset import TS, Column, Dataset, I, R, T, optional, required

DATASET_ID = required("dataset_id", I, "The dataset: stable id of its name and digest")
SAMPLE_INDEX = required("sample_index", I, "Position of the sample in its dataset, from 0, or as its index column says")
RECORDED_AT = required("recorded_at", TS, "When it was collected; of a dataset only the newest whole collection counts")


def _outcome(of: str) -> tuple[Column, ...]:
    """The value of a target or of a prediction: a class, or a number."""
    return (
        optional(
            "class", I, f"Class of the {of}, where it is a whole number; of a text target its rank by name, from 0"
        ),
        optional("label", T, f"Class of the {of}, where it is a text"),
        optional("value", R, f"The {of}, where it is a number that may have a fraction"),
    )


ML_SAMPLES = Dataset(
    "ml_samples",
    "record",
    "One sample of a dataset: its features.",
    ("dataset_id", "sample_index"),
    (
        DATASET_ID,
        SAMPLE_INDEX,
        required("features_json", T, "JSON of the features by name; a missing one is null"),
        RECORDED_AT,
    ),
    newest_wins=True,
)

ML_TARGETS = Dataset(
    "ml_targets",
    "record",
    "One target of a sample: what a model is to predict.",
    ("dataset_id", "sample_index", "target_index"),
    (
        DATASET_ID,
        SAMPLE_INDEX,
        required("target_index", I, "Which target, from 0"),
        required("target_name", T, "Column that it stands in"),
        *_outcome("target"),
        RECORDED_AT,
    ),
    newest_wins=True,
)

ML_PREDICTIONS = Dataset(
    "ml_predictions",
    "record",
    "What a model predicted for one target of a sample.",
    ("dataset_id", "run_uuid", "model_name", "model_version", "sample_index", "prediction_index"),
    (
        DATASET_ID,
        optional("run_uuid", T, "Run that made the model or the prediction: its run_uuid in MLflow"),
        optional("model_name", T, "Registered model"),
        optional("model_version", I, "Its version"),
        SAMPLE_INDEX,
        required("prediction_index", I, "Which target is predicted, from 0"),
        *_outcome("prediction"),
        required("host", T, "Host that collected it"),
        RECORDED_AT,
    ),
    newest_wins=True,
)

ML_DATASET_RECORDS = Dataset(
    "ml_datasets",
    "record",
    "One tabular dataset as it is in one file. Dropped after its samples, so that where it is they are.",
    ("dataset_id",),
    (
        DATASET_ID,
        required("name", T, "Name; several digests may have it"),
        required("digest", T, "First 32 hex digits of the SHA-256 of the file's bytes"),
        required("source", T, "The file, by absolute path on its host"),
        required("n_samples", I, "Samples"),
        required("columns_json", T, "JSON list of the file's columns: name, SQL type, role (feature, target or index)"),
        required("source_system", T, "What collected it"),
        required("host", T, "Host that collected it"),
        RECORDED_AT,
    ),
    newest_wins=True,
)

ML_DATASETS: Final = (ML_DATASET_RECORDS, ML_SAMPLES, ML_TARGETS, ML_PREDICTIONS)
