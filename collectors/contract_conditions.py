"""The landing contract of run conditions: what an RCDB store holds, and what is written by hand.

All of it lands on the day of the import or of the writing: runs of a store may be older than any measurement here, and
one import is one day to build.
"""

import keyword
import re
from typing import Final

from collectors.dataset import TS, B, D, Dataset, I, R, T, optional, required

VALUE_TYPES: Final = ("json", "string", "float", "int", "bool", "time", "blob")
VALUE_COLUMNS: Final = {
    "string": "text_value",
    "json": "text_value",
    "blob": "text_value",
    "int": "int_value",
    "float": "float_value",
    "bool": "bool_value",
    "time": "time_value",
}
"""Value type of a condition -> the column that holds its values; the others are NULL."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

STORE_SOURCE: Final = "rcdb"
WRITTEN_SOURCE: Final = "alems-collect"

SCHEMA_NAME = required("schema_name", T, "Schema of the warehouse: rcdb, or rcdb_<name> of a further store")
SOURCE_SYSTEM = required("source_system", T, f"'{STORE_SOURCE}': imported; '{WRITTEN_SOURCE}': written by hand")
RECORDED_AT = required(
    "recorded_at", TS, "When this record was dropped; of several records of one key the newest counts"
)
RUN_NUMBER = required("run_number", I, "Run number; run_id of a measured run")
VALUES = (
    optional("text_value", T, "Value of a string, json or blob"),
    optional("int_value", I, "Value of an int"),
    optional("float_value", R, "Value of a float"),
    optional("bool_value", B, "Value of a bool"),
    optional("time_value", TS, "Value of a time"),
)

RCDB_RUNS = Dataset(
    "rcdb_runs",
    "record",
    "A run of an RCDB store.",
    ("schema_name", "number"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("number", I, "Run number"),
        optional("started", TS, "When the run started"),
        optional("finished", TS, "When it ended"),
    ),
    newest_wins=True,
)

RCDB_CONDITION_TYPES = Dataset(
    "rcdb_condition_types",
    "record",
    "A condition type: of an RCDB store, or declared by hand.",
    ("schema_name", "source_system", "type_id", "name", "value_type", "recorded_at"),
    (
        SCHEMA_NAME,
        SOURCE_SYSTEM,
        RECORDED_AT,
        required("type_id", I, "The type's id in its store; stable id of its name where it was declared by hand"),
        required("name", T, "Name of the condition"),
        required("value_type", T, f"Type of its values: {', '.join(VALUE_TYPES)}"),
        optional("description", T, "What it means"),
        optional("created", TS, "When it was created"),
    ),
)

RCDB_CONDITIONS = Dataset(
    "rcdb_conditions",
    "record",
    "One value of one condition of one run as an RCDB store had it at an import: only the column of its type is set.",
    ("schema_name", "condition_id", "recorded_at"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("condition_id", I, "The row's id in its store"),
        RUN_NUMBER,
        required("condition_type_id", I, "The type's id in its store"),
        *VALUES,
        optional("created", TS, "When the value was written, as the store says"),
    ),
)

WRITTEN_CONDITIONS = Dataset(
    "written_conditions",
    "record",
    "A condition written by hand: only the column of its type is set.",
    ("schema_name", "run_number", "name", "recorded_at"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        RUN_NUMBER,
        required("name", T, "Name of the condition"),
        required("value_type", T, "Type by which the value was read"),
        *VALUES,
        required("replaces", B, "Whether it may replace another value"),
    ),
)

RCDB_FILE_CONTENTS = Dataset(
    "rcdb_file_contents",
    "record",
    "The content of a file, once however many paths, runs and stores have it.",
    ("sha256",),
    (
        RECORDED_AT,
        required("sha256", T, "SHA-256 of the content in UTF-8, in base64 as RCDB writes it"),
        required("content", T, "Content"),
    ),
    newest_wins=True,
)

RCDB_FILES = Dataset(
    "rcdb_files",
    "record",
    "A configuration or log file of runs.",
    ("schema_name", "file_id"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("file_id", I, "The file's id in its store; stable id of path and content where it was added by hand"),
        required("path", T, "Path on the host that wrote it"),
        required("sha256", T, "SHA-256 of the file, in base64, as its store says"),
        required("content_sha256", T, "SHA-256 of its content as text: its key in rcdb_file_contents"),
        optional("description", T, "What it is"),
        required("importance", I, "0 high, 1 low"),
    ),
    newest_wins=True,
)

RCDB_FILES_HAVE_RUNS = Dataset(
    "rcdb_files_have_runs",
    "record",
    "A file belongs to a run.",
    ("schema_name", "file_id", "run_number"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("file_id", I, "File"),
        RUN_NUMBER,
    ),
    newest_wins=True,
)

RCDB_RUN_PERIODS = Dataset(
    "rcdb_run_periods",
    "record",
    "A named range of runs, both ends included.",
    ("schema_name", "period_id"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("period_id", I, "The period's id in its store; stable id of its name where it was added by hand"),
        required("name", T, "Name"),
        optional("description", T, "What was done in it"),
        required("run_min", I, "First run"),
        required("run_max", I, "Last run"),
        optional("start_date", D, "First day"),
        optional("end_date", D, "Last day"),
        optional("is_deleted", B, "Of older drops: whether the store had it no more; now rcdb_removed says so"),
    ),
    newest_wins=True,
)

RCDB_LOGS = Dataset(
    "rcdb_logs",
    "record",
    "What was done to an RCDB store, when and by whom.",
    ("schema_name", "log_id"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("log_id", I, "The record's id in its store"),
        optional("table_ids", T, "Rows concerned, as table_id"),
        optional("description", T, "What was done"),
        optional("related_run", I, "Run concerned"),
        optional("created", TS, "When"),
        optional("user_name", T, "By whom"),
    ),
    newest_wins=True,
)

RCDB_ALIASES = Dataset(
    "rcdb_aliases",
    "record",
    "A name for a piece of queries: @name stands for its code.",
    ("schema_name", "alias_id"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("alias_id", I, "The alias's id in its store; stable id of its name where it was added by hand"),
        required("name", T, "Name, without the @"),
        required("code", T, "The expression that it stands for"),
        optional("description", T, "What it means"),
    ),
    newest_wins=True,
)

RCDB_SCHEMA_VERSIONS = Dataset(
    "rcdb_schema_versions",
    "record",
    "A version of an RCDB store's own schema.",
    ("schema_name", "version"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("version", I, "Version"),
        optional("created", TS, "When the store got it"),
        optional("comment", T, "Comment"),
    ),
    newest_wins=True,
)

RCDB_REMOVED = Dataset(
    "rcdb_removed",
    "record",
    "A row that was once read from an RCDB store and is no longer in it.",
    ("schema_name", "table_name", "row_id", "run_number", "condition_type_id", "recorded_at"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("table_name", T, "Table of the store"),
        required("row_id", I, "The row's id there; of runs the number, of schema_versions the version"),
        optional("run_number", I, "Run of the condition, or of the file; of no other table"),
        optional("condition_type_id", I, "Type of the condition; of no other table"),
    ),
)

RCDB_REJECTS = Dataset(
    "rcdb_rejects",
    "record",
    "A row of an RCDB store that could not be understood; kept here, counted as quarantined.",
    ("schema_name", "table_name", "row_id", "reason"),
    (
        SCHEMA_NAME,
        RECORDED_AT,
        required("table_name", T, "Table of the store"),
        optional("row_id", I, "The row's id there"),
        required("reason", T, "What is wrong with it, and the remedy"),
        required("detail", T, "The row, at most 4,000 characters"),
    ),
    newest_wins=True,
)


def in_queries(name: str) -> bool:
    """Whether the query language can name a condition so; any other name serves everywhere but in queries."""
    return is_alias(name) and not keyword.iskeyword(name)


def is_alias(name: str) -> bool:
    """Whether the query language can name an alias so, after an @."""
    return _NAME.fullmatch(name) is not None and "__" not in name


CONDITION_DATASETS: Final = (
    RCDB_RUNS,
    RCDB_CONDITION_TYPES,
    RCDB_CONDITIONS,
    WRITTEN_CONDITIONS,
    RCDB_FILE_CONTENTS,
    RCDB_FILES,
    RCDB_FILES_HAVE_RUNS,
    RCDB_RUN_PERIODS,
    RCDB_LOGS,
    RCDB_ALIASES,
    RCDB_SCHEMA_VERSIONS,
    RCDB_REMOVED,
    RCDB_REJECTS,
)
