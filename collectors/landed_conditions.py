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

Value = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class LandedRun:
    """A run; of a measured one also its landing key and the folder of its day."""

    number: int
    run_key: int | None = None
    folder: str = EVERY_DAY


def known_types(landing: Path, schema: str) -> dict[str, str]:
    """Name -> value type: as a store has it, else as it was declared first."""
    columns = ["source_system", "name", "value_type", "recorded_at"]
    rows = _landed(landing, contract.RCDB_CONDITION_TYPES, columns, pc.field("schema_name") == schema)
    # What counts comes last: a store's types, of each the newest record; else the oldest declaration.
    rows.sort(key=_precedence)
    return {row["name"]: row["value_type"] for row in rows}


def _precedence(row: Mapping[str, Any]) -> tuple[bool, float]:
    from_store, at = row["source_system"] == contract.STORE_SOURCE, row["recorded_at"].timestamp()
    return (from_store, at if from_store else -at)


def find_run(landing: Path, schema: str, number: int) -> LandedRun | None:
    """The run of that number: of a store, or measured; None where none has landed here."""
    of_store = (pc.field("schema_name") == schema) & (pc.field("number") == number)
    if _landed(landing, contract.RCDB_RUNS, ["number"], of_store):
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
    """The value that a run has of a condition: what was said last by hand, by the store or by the measured program."""
    of_schema, of_run = pc.field("schema_name") == schema, pc.field("run_number") == run.number
    by_name = pc.field("name") == name
    found = _landed(landing, contract.WRITTEN_CONDITIONS, [column, "recorded_at"], of_schema & of_run & by_name)
    of_store = of_schema & by_name & (pc.field("source_system") == contract.STORE_SOURCE)
    type_ids = sorted(
        {row["type_id"] for row in _landed(landing, contract.RCDB_CONDITION_TYPES, ["type_id"], of_store)}
    )
    if type_ids:
        of_type = pc.field("condition_type_id").isin(type_ids)
        found += _landed(landing, contract.RCDB_CONDITIONS, [column, "recorded_at"], of_schema & of_run & of_type)
    if run.run_key is not None:
        columns = ["recorded_at", "text_value", "int_value", "float_value", "bool_value"]
        found += _landed(landing, RUN_CONDITIONS, columns, (pc.field("run_key") == run.run_key) & by_name, run.folder)
    newest = max(found, key=lambda row: row["recorded_at"], default={})
    return next((value for key, value in newest.items() if key != "recorded_at" and value is not None), None)


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
