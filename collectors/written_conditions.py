"""Conditions, condition types, run periods, files and aliases written by hand: checked as far as this host knows, and
dropped.

Known here is what lies in the landing folder. Whether a run exists, and what other hosts have said of it, only the
pipeline knows: what it does not take stands in rcdb.condition_statements with the reason, and in `alems status`.
"""

import json
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from collectors import contract_conditions as contract
from collectors.contract_conditions import VALUE_COLUMNS, VALUE_TYPES, in_queries, is_alias
from collectors.dataset import Dataset
from collectors.drop import drop_rows
from collectors.ids import stable_id
from collectors.landed_conditions import LandedRun, Value, find_run, held_value, known_types, used_type
from collectors.sources.rcdb_store import DEFAULT_SCHEMA, content_sha256
from collectors.sources.rcdb_values import Zone

PRODUCER: Final = "alems-collect condition"
SAME_WITHIN: Final = 1e-12
SPELLED: Final = "give letters a to z, digits and single _, no digit first"
_INT64: Final = 2**63


class BadCondition(RuntimeError):
    """What was to be written breaks a rule; the message names the value, the rule and the remedy."""


# ---- values ----------------------------------------------------------------------------------------------------------


def read_value(text: str, value_type: str, zone: str = "UTC") -> Value:
    """The value that a text means by a condition's type. Raises BadCondition, UnknownZone."""
    match value_type:
        case "int":
            return _integer(text)
        case "float":
            return _float(text)
        case "bool":
            if text.lower() not in ("true", "false"):
                raise BadCondition(f"{text!r}: is no bool; write true or false")
            return text.lower() == "true"
        case "time":
            return _time(text, zone)
        case "json":
            return _json(text)
    return text


def same(one: Value | None, other: Value | None) -> bool:
    """Whether two values count as the same: floats within 1e-12."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= SAME_WITHIN
    return one == other


def _integer(text: str) -> int:
    try:
        number = Decimal(text)
        whole = int(number)
    except (InvalidOperation, ValueError, OverflowError):
        raise BadCondition(f"{text!r}: is no integer; write one such as 42") from None
    if whole != number:
        raise BadCondition(f"{text!r}: an int takes no fraction; write a whole number, or make the type float")
    if not -_INT64 <= whole < _INT64:
        raise BadCondition(f"{text!r}: has more than 64 bits; make the type string")
    return whole


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise BadCondition(f"{text!r}: is no number; write one such as 1.5") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise BadCondition(f"{text!r}: is not finite; leave the condition out where there is no value")
    return number


def _time(text: str, zone: str) -> datetime:
    Zone(zone)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadCondition(f"{text!r}: is no ISO 8601 time; write it as 2024-05-01T13:30+02:00") from None
    return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _json(text: str) -> str:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not in JSON")

    try:
        json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise BadCondition(f"{text[:100]!r}: is no JSON ({error}); mend it") from None
    return text


# ---- writing ---------------------------------------------------------------------------------------------------------


def declare_type(
    landing: Path, name: str, value_type: str, *, description: str | None = None, schema: str = DEFAULT_SCHEMA
) -> bool:
    """Declare a condition type; False where it is known already. Raises BadCondition, DropFailed."""
    if value_type not in VALUE_TYPES:
        raise BadCondition(f"{value_type!r}: is no value type; give one of {', '.join(VALUE_TYPES)}")
    if not in_queries(name):
        problem = "it is a word of Python's" if is_alias(name) else SPELLED
        raise BadCondition(f"{name!r}: no query could name it; {problem}")
    known = known_types(landing, schema)
    if name in known and known[name] != value_type:
        raise BadCondition(f"{name}: is of type {known[name]}; its values would be lost, so give it another name")
    if name in known and description is None:
        return False
    record = {
        "source_system": contract.WRITTEN_SOURCE,
        "type_id": stable_id(name),
        "name": name,
        "value_type": value_type,
        "description": description,
        "created": _now(),
    }
    _drop(landing, contract.RCDB_CONDITION_TYPES, schema, [record])
    return True


def write_condition(
    landing: Path,
    run_number: int,
    name: str,
    text: str,
    *,
    replaces: bool = False,
    elsewhere: bool = False,
    zone: str = "UTC",
    schema: str = DEFAULT_SCHEMA,
) -> bool:
    """Attach a condition to a run; False where the run has this value. `elsewhere`: the run landed on another host.

    Raises BadCondition, UnknownZone, DropFailed.
    """
    run = _run(landing, schema, run_number, elsewhere)
    value_type = known_types(landing, schema).get(name) or used_type(landing, schema, name)
    if value_type is None:
        raise BadCondition(f"{name}: no condition type has this name; `alems-collect condition-type {name} TYPE` first")
    value = read_value(text, value_type, zone)
    column = VALUE_COLUMNS[value_type]
    held = held_value(landing, schema, run, name, column)
    if same(held, value):
        return False
    if held is not None and not replaces:
        raise BadCondition(f"run {run_number}: has {name} = {held} and not {value}; --replace replaces it")
    record = {"run_number": run_number, "name": name, "value_type": value_type, column: value, "replaces": replaces}
    _drop(landing, contract.WRITTEN_CONDITIONS, schema, [record])
    return True


def write_run_period(
    landing: Path,
    name: str,
    run_min: int,
    run_max: int,
    *,
    description: str | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    schema: str = DEFAULT_SCHEMA,
) -> None:
    """Name a range of runs, both ends included; of one name the newest counts. Raises BadCondition, DropFailed."""
    if run_max < run_min:
        raise BadCondition(f"run period {name}: {run_max} is below {run_min}; give the smaller number first")
    if start_date and end_date and end_date < start_date:
        raise BadCondition(f"run period {name}: ends on {end_date}, before {start_date}; give the earlier day first")
    record = {
        "period_id": stable_id(name),
        "name": name,
        "description": description,
        "run_min": run_min,
        "run_max": run_max,
        "start_date": start_date,
        "end_date": end_date,
    }
    _drop(landing, contract.RCDB_RUN_PERIODS, schema, [record])


def write_alias(
    landing: Path, name: str, code: str, *, description: str | None = None, schema: str = DEFAULT_SCHEMA
) -> None:
    """Give a piece of queries a name; of one name the newest counts. Raises BadCondition, DropFailed."""
    if not is_alias(name):
        raise BadCondition(f"{name!r}: no query could name it; {SPELLED}")
    record = {"alias_id": stable_id(name), "name": name, "code": code, "description": description}
    _drop(landing, contract.RCDB_ALIASES, schema, [record])


def add_file(
    landing: Path,
    run_number: int,
    path: Path,
    *,
    stored_path: str | None = None,
    description: str | None = None,
    importance: int = 0,
    elsewhere: bool = False,
    schema: str = DEFAULT_SCHEMA,
) -> None:
    """Attach a text file to a run, under its path or `stored_path`. `elsewhere`: the run landed on another host.

    Raises BadCondition, OSError, DropFailed.
    """
    _run(landing, schema, run_number, elsewhere)
    try:
        content = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise BadCondition(f"{path}: is no text in UTF-8; files of runs are text, so convert it") from None
    sum_ = content_sha256(content)
    named = stored_path or str(path)
    file_id = stable_id(named, sum_)
    record = {
        "file_id": file_id,
        "path": named,
        "sha256": sum_,
        "content_sha256": sum_,
        "description": description,
        "importance": importance,
    }
    _drop(landing, contract.RCDB_FILE_CONTENTS, schema, [{"sha256": sum_, "content": content}])
    _drop(landing, contract.RCDB_FILES, schema, [record])
    _drop(landing, contract.RCDB_FILES_HAVE_RUNS, schema, [{"file_id": file_id, "run_number": run_number}])


def _run(landing: Path, schema: str, run_number: int, elsewhere: bool) -> LandedRun:
    """The run as it landed here. Raises BadCondition where none did, unless it landed `elsewhere`."""
    run = find_run(landing, schema, run_number)
    if run is None and not elsewhere:
        raise BadCondition(
            f"run {run_number}: has not landed here; check the number, or say --elsewhere if it landed on another host"
        )
    return run or LandedRun(run_number)


def _drop(landing: Path, dataset: Dataset, schema: str, records: Iterable[Mapping[str, Any]]) -> None:
    now = _now()
    shared: dict[str, Any] = {"recorded_at": now}
    if "schema_name" in dataset.column_names:
        shared["schema_name"] = schema
    rows = [shared | dict(record) for record in records]
    drop_rows(landing, dataset, rows, host=socket.gethostname(), producer=PRODUCER, date=now.date())


def _now() -> datetime:
    return datetime.now(UTC)
