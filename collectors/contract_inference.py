"""The landing contract of LLM serving benchmarks: the rows of artifacts as their CI wrote them.

What the columns mean stands here; `collectors/contract.py` lists these datasets among all others. Nothing is mapped
before it lands: a new alias in the registry maps what landed long ago.
"""

from typing import Final

from collectors.dataset import TS, Dataset, I, T, optional, required

KINDS: Final = (
    "benchmark", "eval", "eval_aggregate", "run_stats", "changelog", "server_log", "workflow_run", "withdrawn",
)  # fmt: skip
"""What an artifact row may be: 'eval' is an object of an evaluation's `meta` and `results`; 'withdrawn' says of a file
which had rows in a run that it has none there any more."""

MAX_ATTEMPT: Final = 10_000  # of a workflow run

SOURCE_SYSTEM = required("source_system", T, "What gave this: 'inferencex'")
RECORDED_AT = required("recorded_at", TS, "When it was collected; of several records of one key the newest counts")

DOCUMENT_PATH = optional(
    "document_path",
    T,
    "The file that was read: its last two parts, and a hash of its path and host. Of its rows in one run those of the "
    "newest collection count. NULL: artifact_path is all that is known",
)

INFERENCE_ARTIFACTS = Dataset(
    "inference_artifacts",
    "record",
    "One row of an artifact of a benchmark workflow, as it was written: a result, an evaluation, a log, a change.",
    ("source_system", "kind", "run_name", "run_attempt", "document_path", "artifact_path", "row_index"),
    (
        SOURCE_SYSTEM,
        RECORDED_AT,
        required("kind", T, f"What the row is: {', '.join(KINDS)}"),
        required("run_name", T, "Workflow run: its GitHub run id where known, else the commit or what was collected"),
        optional("github_run_id", I, "The workflow run's id at GitHub"),
        required("run_attempt", I, "Attempt of the workflow run, from 1"),
        required(
            "created_at",
            TS,
            "When the workflow run was created; where unknown the day of the commit or the file's time",
        ),
        DOCUMENT_PATH,
        required("artifact_path", T, "File within what was collected; members of ZIPs stand behind the ZIP's name"),
        required("row_index", I, "Position of the row in the file, from 0"),
        optional("options_json", T, "JSON of what the collector was told about files that do not say it: hw, model, …"),
        required("raw_sha256", T, "SHA-256 of `raw`, hex"),
        required("raw", T, "The row: JSON, or the text of a log"),
    ),
    newest_wins=True,
)

INFERENCE_REJECTS = Dataset(
    "inference_rejects",
    "record",
    "An artifact, or a row of one, that was refused; kept here as far as it can be, counted as quarantined.",
    ("source_system", "document_path", "artifact_path", "row_index", "reason"),
    (
        SOURCE_SYSTEM,
        RECORDED_AT,
        DOCUMENT_PATH,
        required("artifact_path", T, "File within what was collected; members of ZIPs stand behind the ZIP's name"),
        optional("row_index", I, "Position of the row in the file, from 0; NULL: the file as a whole"),
        required("reason", T, "What is wrong with it, by which rule, and the remedy"),
        optional("detail", T, "What was given, at most 4,000 characters"),
    ),
    newest_wins=True,
)

INFERENCE_DATASETS: Final = (INFERENCE_ARTIFACTS, INFERENCE_REJECTS)
