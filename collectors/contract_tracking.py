"""The landing contract of experiment tracking: the tables of an MLflow backend store, with the store's column names.

Times are as in the store: milliseconds since 1970. What a run owns (params, tags, metrics) counts only beside the run's
own record that was read with it: see `mlflow_runs`. `collectors/contract.py` lists these datasets.
"""

from typing import Final

from collectors.dataset import TS, B, Column, Dataset, I, R, T, optional, required

STORE = required("store", T, "Schema that the store's tables go to: 'mlflow', or 'mlflow_<name>' of a further store")
RECORDED_AT = required("recorded_at", TS, "When this was read from the store; of several records the newest counts")
EXTRA = optional("extra_json", T, "JSON of the columns that the store has beside these")
WORKSPACE = optional("workspace", T, "Workspace that it belongs to, where the store has any")
RUN_UUID = required("run_uuid", T, "Run")
REQUEST_ID = required("request_id", T, "Trace")

TABLES: Final[dict[str, Dataset]] = {}
"""Table of an MLflow store -> its dataset."""


def _table(name: str, doc: str, key: tuple[str, ...], *columns: Column, owner: Dataset | None = None) -> Dataset:
    all_columns = (STORE, RECORDED_AT, *columns, EXTRA)
    dataset = Dataset(f"mlflow_{name}", "record", doc, ("store", *key), all_columns, newest_wins=True, owner=owner)
    TABLES[name] = dataset
    return dataset


ALEMBIC_VERSION = _table(
    "alembic_version",
    "The version of the store's schema.",
    ("version_num",),
    required("version_num", T, "Revision of the store's schema"),
)

EXPERIMENTS = _table(
    "experiments",
    "An experiment of the store.",
    ("experiment_id",),
    required("experiment_id", I, "Experiment"),
    optional("name", T, "Its name"),
    optional("artifact_location", T, "Where its runs' artifacts lie"),
    optional("lifecycle_stage", T, "active or deleted"),
    optional("creation_time", I, "When it was created, epoch ms"),
    optional("last_update_time", I, "When it was last changed, epoch ms"),
    WORKSPACE,
)

EXPERIMENT_TAGS = _table(
    "experiment_tags",
    "A tag of an experiment.",
    ("experiment_id", "key"),
    required("key", T, "Tag"),
    optional("value", T, "Its value"),
    required("experiment_id", I, "Experiment"),
)

DATASETS = _table(
    "datasets",
    "A dataset that runs of an experiment logged.",
    ("experiment_id", "name", "digest"),
    optional("dataset_uuid", T, "Its id in the store"),
    required("experiment_id", I, "Experiment that logged it"),
    required("name", T, "Its name"),
    required("digest", T, "Hash of its content"),
    optional("dataset_source_type", T, "Kind of its source: local, http, s3, …"),
    optional("dataset_source", T, "Where it is from, JSON"),
    optional("dataset_schema", T, "Its columns, JSON"),
    optional("dataset_profile", T, "Its size, JSON"),
)

INPUTS = _table(
    "inputs",
    "What one thing used of another: a run a dataset, or a model.",
    ("source_type", "source_id", "destination_type", "destination_id"),
    optional("input_uuid", T, "Id of the link"),
    required("source_type", T, "What was used: DATASET, RUN_OUTPUT, …"),
    required("source_id", T, "Its id"),
    required("destination_type", T, "What used it: RUN, …"),
    required("destination_id", T, "Its id"),
    optional("step", I, "Step at which it was used"),
)

INPUT_TAGS = _table(
    "input_tags",
    "A tag of an input.",
    ("input_uuid", "name"),
    required("input_uuid", T, "Id of the link"),
    required("name", T, "Tag"),
    optional("value", T, "Its value"),
)

REGISTERED_MODELS = _table(
    "registered_models",
    "A registered model.",
    ("workspace", "name"),
    required("name", T, "Its name"),
    optional("creation_time", I, "When it was registered, epoch ms"),
    optional("last_updated_time", I, "When it was last changed, epoch ms"),
    optional("description", T, "What it is"),
    WORKSPACE,
)

REGISTERED_MODEL_TAGS = _table(
    "registered_model_tags",
    "A tag of a registered model.",
    ("workspace", "name", "key"),
    required("key", T, "Tag"),
    optional("value", T, "Its value"),
    required("name", T, "Registered model"),
    WORKSPACE,
)

REGISTERED_MODEL_ALIASES = _table(
    "registered_model_aliases",
    "A name for one version of a registered model.",
    ("workspace", "name", "alias"),
    required("alias", T, "Alias"),
    optional("version", I, "Version that it stands for"),
    required("name", T, "Registered model"),
    WORKSPACE,
)

MODEL_VERSIONS = _table(
    "model_versions",
    "A version of a registered model.",
    ("workspace", "name", "version"),
    required("name", T, "Registered model"),
    required("version", I, "Version, from 1"),
    optional("creation_time", I, "When it was made, epoch ms"),
    optional("last_updated_time", I, "When it was last changed, epoch ms"),
    optional("description", T, "What it is"),
    optional("user_id", T, "Who made it"),
    optional("current_stage", T, "None, Staging, Production or Archived"),
    optional("source", T, "Where the model lies"),
    optional("run_id", T, "Run that made it"),
    optional("status", T, "READY, PENDING_REGISTRATION, …"),
    optional("status_message", T, "Why it is so"),
    optional("run_link", T, "Link to the run"),
    optional("storage_location", T, "Where the registry keeps it"),
    WORKSPACE,
)

MODEL_VERSION_TAGS = _table(
    "model_version_tags",
    "A tag of a version of a registered model.",
    ("workspace", "name", "version", "key"),
    required("key", T, "Tag"),
    optional("value", T, "Its value"),
    required("name", T, "Registered model"),
    required("version", I, "Version"),
    WORKSPACE,
)

RUNS = _table(
    "runs",
    "A run of the store. It is dropped after all that it owns, which has the same recorded_at: what has another is no "
    "longer in the store, or not yet all here.",
    ("run_uuid",),
    RUN_UUID,
    optional("name", T, "Its name"),
    optional("source_type", T, "What it was started by: LOCAL, NOTEBOOK, …"),
    optional("source_name", T, "Program that ran"),
    optional("entry_point_name", T, "Entry point of the project"),
    optional("user_id", T, "Who ran it"),
    optional("status", T, "RUNNING, SCHEDULED, FINISHED, FAILED or KILLED"),
    optional("start_time", I, "Start, epoch ms"),
    optional("end_time", I, "End, epoch ms"),
    optional("source_version", T, "Commit of the program"),
    optional("lifecycle_stage", T, "active or deleted"),
    optional("artifact_uri", T, "Where its artifacts lie"),
    optional("experiment_id", I, "Experiment"),
    optional("deleted_time", I, "When it was deleted, epoch ms"),
)

METRICS = _table(
    "metrics",
    "One value of a metric of a run.",
    ("run_uuid", "key", "timestamp", "step", "value", "is_nan"),
    required("key", T, "Metric"),
    required("value", R, "Its value as stored: 0 stands for NaN, ±1.797…e308 for ±infinity"),
    required("timestamp", I, "When it was logged, epoch ms"),
    RUN_UUID,
    required("step", I, "Step of the run"),
    required("is_nan", B, "The value is NaN"),
    owner=RUNS,
)

LATEST_METRICS = _table(
    "latest_metrics",
    "The latest value of a metric of a run, as the store itself says.",
    ("run_uuid", "key"),
    required("key", T, "Metric"),
    required("value", R, "Its value as stored: 0 stands for NaN, ±1.797…e308 for ±infinity"),
    optional("timestamp", I, "When it was logged, epoch ms"),
    optional("step", I, "Step of the run"),
    optional("is_nan", B, "The value is NaN"),
    RUN_UUID,
    owner=RUNS,
)

PARAMS = _table(
    "params",
    "A parameter of a run.",
    ("run_uuid", "key"),
    required("key", T, "Parameter"),
    optional("value", T, "Its value"),
    RUN_UUID,
    owner=RUNS,
)

TAGS = _table(
    "tags",
    "A tag of a run.",
    ("run_uuid", "key"),
    required("key", T, "Tag"),
    optional("value", T, "Its value"),
    RUN_UUID,
    owner=RUNS,
)

TRACE_INFO = _table(
    "trace_info",
    "A trace: one call of an instrumented program. Dropped after its tags and metadata, as a run after what it owns.",
    ("request_id",),
    REQUEST_ID,
    optional("experiment_id", I, "Experiment"),
    optional("timestamp_ms", I, "Start, epoch ms"),
    optional("execution_time_ms", I, "How long it took, ms"),
    optional("status", T, "OK, ERROR, IN_PROGRESS, …"),
    optional("client_request_id", T, "The caller's id of it"),
    optional("request_preview", T, "Beginning of the request"),
    optional("response_preview", T, "Beginning of the response"),
    optional("trace_name", T, "Its name"),
    optional("session_id", T, "Session that it belongs to"),
    optional("input_tokens", I, "Tokens read"),
    optional("output_tokens", I, "Tokens written"),
    optional("total_tokens", I, "Both"),
    optional("cache_read_input_tokens", I, "Tokens read from a cache"),
    optional("cache_creation_input_tokens", I, "Tokens put into a cache"),
    optional("input_cost", R, "Cost of the tokens read, in the store's currency"),
    optional("output_cost", R, "Cost of the tokens written"),
    optional("total_cost", R, "Both"),
)

TRACE_TAGS = _table(
    "trace_tags",
    "A tag of a trace.",
    ("request_id", "key"),
    required("key", T, "Tag"),
    optional("value", T, "Its value"),
    REQUEST_ID,
    owner=TRACE_INFO,
)

TRACE_REQUEST_METADATA = _table(
    "trace_request_metadata",
    "A fact about a trace, fixed when it began.",
    ("request_id", "key"),
    required("key", T, "Name"),
    optional("value", T, "Its value"),
    REQUEST_ID,
    owner=TRACE_INFO,
)

REMOVED = Dataset(
    "mlflow_removed",
    "record",
    "A row that was once read from a store and is no longer in it.",
    ("store", "table_name", "row_key"),
    (
        STORE,
        RECORDED_AT,
        required("table_name", T, "Table of the store"),
        required("row_key", T, "Its key as the dataset has it after the store: the parts joined by U+001F, NULL as ''"),
    ),
    newest_wins=True,
)

IMPORTS = Dataset(
    "mlflow_imports",
    "record",
    "An import of a store that found something to drop; dropped after all of it.",
    ("store", "recorded_at"),
    (
        STORE,
        RECORDED_AT,
        optional("whole_since", TS, "All of the store was read anew since then: what was read before is gone from it"),
    ),
)

TRACKING_DATASETS: Final = (*TABLES.values(), REMOVED, IMPORTS)
