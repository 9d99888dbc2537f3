"""What lies in the landing folder of conditions: their types, the runs, the values that runs have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collectors import contract_conditions as contract
from collectors.contract import RUN_CONDITIONS, RUNS
from collectors.dataset import Dataset
from collectors.ids import IDS_PER_SECOND, TIME_ORIGIN_S, time_ordered_id

NS: Final = 1_000_000_000
LAST_SECOND: Final = 4_102_444_800  # 2100-01-01: no run id is as large
MAX_SHIFT: Final = 64  # of runs that begin in the same second, some have an id a little above their own
EVERY_DAY: Final = "date=*"
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Value = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class LandedRun:
    """A run; of a measured one also its landing key and the folder of its day."""

    number: int
    run_key: int | None = None
    folder: str = EVERY_DAY


def known_types(landing: Path, schema: str) -> dict[str, str]:
    """Name -> value type: as a store has it, else as it was declared first."""
    rows = _left(landing, schema, "condition_types", {"row_id": "type_id"}, _types(landing, schema))
    return {row["name"]: row["value_type"] for row in rows}


def used_type(landing: Path, schema: str, name: str) -> str | None:
    """Value type of a name that measured programs used, as its values here imply it; None where none did."""
    if schema != "rcdb":
        return None
    columns = ["run_key", "value_type", "recorded_at"]
    rows = _landed(landing, RUN_CONDITIONS, columns, pc.field("name") == name)
    rows.sort(key=lambda row: row["recorded_at"])
    newest = {row["run_key"]: (row["recorded_at"], row["value_type"]) for row in rows}.values()
    kinds = [value_type for _, value_type in sorted(newest)]
    return "float" if kinds[:1] == ["int"] and "float" in kinds else next(iter(kinds), None)


def _types(landing: Path, schema: str) -> list[dict[str, Any]]:
    """Types as they were declared, the oldest declaration last; then a store's, of each the newest record."""
    columns = ["source_system", "type_id", "name", "value_type", "recorded_at"]
    rows = _landed(landing, contract.RCDB_CONDITION_TYPES, columns, pc.field("schema_name") == schema)
    rows.sort(key=lambda row: row["recorded_at"])
    declared = [row for row in rows if row["source_system"] != contract.STORE_SOURCE]
    of_store = {row["type_id"]: row for row in rows if row["source_system"] == contract.STORE_SOURCE}
    return [*reversed(declared), *of_store.values()]


def find_run(landing: Path, schema: str, number: int) -> LandedRun | None:
    """The run of that number: of a store, or measured; None where none has landed here."""
    of_store = (pc.field("schema_name") == schema) & (pc.field("number") == number)
    landed = _landed(landing, contract.RCDB_RUNS, ["number", "recorded_at"], of_store)
    if _left(landing, schema, "runs", {"row_id": "number"}, landed):
        return LandedRun(number)
    # The id of a measured run begins with the second of its start, and so names the day on which it landed.
    second = number // IDS_PER_SECOND + TIME_ORIGIN_S
    if schema != "rcdb" or not TIME_ORIGIN_S < second < LAST_SECOND:
        return None
    folder = f"date={datetime.fromtimestamp(second, UTC).date()}"
    at_start = (pc.field("start_time_ns") >= second * NS) & (pc.field("start_time_ns") < (second + 1) * NS)
    for row in _landed(landing, RUNS, ["run_key"], at_start, folder):
        if 0 <= number - time_ordered_id(row["run_key"], second) <= MAX_SHIFT:
            return LandedRun(number, row["run_key"], folder)
    return None


def held_value(landing: Path, schema: str, run: LandedRun, name: str, column: str) -> Value | None:
    """The value that a run has of a condition: what was said last by hand, by the store or by the measured program.

    A row of a store that never had a value says nothing.
    """
    of_schema, of_run = pc.field("schema_name") == schema, pc.field("run_number") == run.number
    by_name = pc.field("name") == name
    found = _landed(landing, contract.WRITTEN_CONDITIONS, [column, "recorded_at"], of_schema & of_run & by_name)
    of_store = [row for row in _types(landing, schema) if row["source_system"] == contract.STORE_SOURCE]
    type_ids = [row["type_id"] for row in of_store if row["name"] == name]
    if type_ids:
        found += _of_store(landing, schema, column, of_run & pc.field("condition_type_id").isin(type_ids))
    if run.run_key is not None:
        columns = ["recorded_at", "text_value", "int_value", "float_value", "bool_value"]
        found += _landed(landing, RUN_CONDITIONS, columns, (pc.field("run_key") == run.run_key) & by_name, run.folder)
    newest = max(found, key=lambda row: row["recorded_at"], default={})
    return next((value for key, value in newest.items() if key != "recorded_at" and value is not None), None)


def _of_store(landing: Path, schema: str, column: str, where: pc.Expression) -> list[dict[str, Any]]:
    """What a store said of one condition of one run by the row that counts: the one written last."""
    key = {"row_id": "condition_id", "run_number": "run_number", "condition_type_id": "condition_type_id"}
    columns = [*key.values(), column, "created", "recorded_at"]
    landed = _landed(landing, contract.RCDB_CONDITIONS, columns, (pc.field("schema_name") == schema) & where)
    rows = _left(landing, schema, "conditions", key, landed)
    rows.sort(key=lambda row: (row["created"] or LONG_AGO, row["condition_id"], row["recorded_at"]))
    versions = [row for row in rows if row["condition_id"] == rows[-1]["condition_id"]]
    while versions and versions[0][column] is None:
        del versions[0]
    return [{column: row[column], "recorded_at": row["recorded_at"]} for row in versions]


def _left(
    landing: Path, schema: str, table: str, key: Mapping[str, str], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows that their store still has; `key`: column of rcdb_removed -> the rows' own column of it."""
    of_table = (pc.field("schema_name") == schema) & (pc.field("table_name") == table)
    removed = _landed(landing, contract.RCDB_REMOVED, [*key, "recorded_at"], of_table) if rows else []
    gone_at: dict[tuple[Any, ...], datetime] = {}
    for row in removed:
        at = tuple(row[name] for name in key)
        gone_at[at] = max(gone_at.get(at, LONG_AGO), row["recorded_at"])
    return [row for row in rows if row["recorded_at"] >= gone_at.get(tuple(row[n] for n in key.values()), LONG_AGO)]


def _landed(
    landing: Path, dataset: Dataset, columns: list[str], where: pc.Expression, folder: str = EVERY_DAY
) -> list[dict[str, Any]]:
    """Rows of a dataset; a file that cannot be read is the pipeline's to report."""
    rows: list[dict[str, Any]] = []
    for path in sorted((landing / dataset.name).glob(f"{folder}/*.parquet")):
        try:
            rows += pq.read_table(path, columns=columns, filters=where, partitioning=None).to_pylist()
        except (pa.ArrowException, OSError, ValueError, KeyError):
            continue
    return rows
