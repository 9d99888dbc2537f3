"""What an RCDB store's rows mean: its sentinel zeros, its times without a zone, its rows that make no sense.

RCDB writes 0 or false in the value columns that a condition does not use, so a value is that of its type's column,
whatever the others hold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc

from collectors.contract_conditions import VALUE_COLUMNS
from collectors.dataset import TS, I, R, T

CONDITION_COLUMNS: Final = (
    "id", "run_number", "condition_type_id", "text_value", "int_value", "float_value", "bool_value", "time_value",
    "created",
)  # fmt: skip
"""What is read of a store's conditions, in this order."""

INT64: Final = 2**63
NAIVE: Final = pa.timestamp("us")

Row = tuple[Any, ...]


class UnknownZone(RuntimeError):
    """No time zone has this name."""


class NotUnderstood(ValueError):
    """A row that makes no sense; the message says why, without naming its values."""


@dataclass(frozen=True, slots=True)
class Zone:
    """The zone of a store's times, which name none."""

    name: str

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UnknownZone(f"zone {self.name!r}: not known here; give one such as UTC or America/New_York") from None

    def utc(self, texts: pa.Array) -> pa.Array:
        """Times in UTC of texts without a zone; of the hour that a clock goes through twice, the first."""
        naive = texts.cast(NAIVE)
        if self.name == "UTC":
            return naive.cast(TS)
        return pc.assume_timezone(naive, self.name, ambiguous="earliest", nonexistent="earliest").cast(TS)

    def naive(self, text: object) -> str | None:
        """A time as utc() takes it, whatever its precision; None where there is none or it is not understood."""
        try:
            time = datetime.fromisoformat(text if isinstance(text, str) else "")
        except ValueError:
            return None
        local = time.astimezone(ZoneInfo(self.name)) if time.tzinfo else time
        return local.replace(tzinfo=None).isoformat(" ", "microseconds")


def condition_columns(rows: Sequence[Row], types: Mapping[int, str], zone: Zone) -> dict[str, pa.Array]:
    """Rows of CONDITION_COLUMNS as columns of the landing contract. Raises where a row makes no sense: see sift()."""
    ids, runs, type_ids, texts, integers, floats, flags, times, created = zip(*rows, strict=True)
    type_of = pa.array(type_ids, I)
    columns = pc.index_in(type_of, value_set=pa.array(types, I))
    if columns.null_count:
        raise NotUnderstood("condition_type_id is in no row of condition_types")
    used = pa.array([VALUE_COLUMNS[kind] for kind in types.values()], T).take(columns)

    def values(column: str, all_values: pa.Array) -> pa.Array:
        return pc.if_else(pc.equal(used, column), all_values, pa.scalar(None, all_values.type))

    return {
        "condition_id": pa.array(ids, I),
        "run_number": _without_null(pa.array(runs, I)),
        "condition_type_id": type_of,
        "text_value": values("text_value", pa.array(texts, T)),
        "int_value": values("int_value", pa.array(integers, I)),
        "float_value": values("float_value", pa.array(floats, R)),
        "bool_value": values("bool_value", pc.not_equal(pa.array(flags, I), 0)),
        "time_value": values("time_value", zone.utc(pa.array(times, T))),
        "created": zone.utc(pa.array(created, T)),
    }


def sift(rows: Sequence[Row], types: Mapping[int, str], zone: Zone) -> tuple[list[Row], list[tuple[Row, str]]]:
    """Rows in which only the column of their type is set, as condition_columns takes them; and the others, and why."""
    good, bad = [], []
    for row in rows:
        try:
            good.append(_understood(row, types, zone))
        except NotUnderstood as problem:
            bad.append((row, str(problem)))
    return good, bad


def _understood(row: Row, types: Mapping[int, str], zone: Zone) -> Row:
    named = dict(zip(CONDITION_COLUMNS, row, strict=True))
    if not _is_integer(named["run_number"]):
        raise NotUnderstood("run_number is no number: the condition belongs to no run; mend it in the store")
    if named["condition_type_id"] not in types:
        raise NotUnderstood("condition_type_id is in no row of condition_types; mend it in the store")
    column = VALUE_COLUMNS[types[named["condition_type_id"]]]
    value = _READERS[column](named[column], zone)
    kept = {name: named[name] for name in ("id", "run_number", "condition_type_id")}
    kept |= {column: value, "created": zone.naive(named["created"])}
    return tuple(kept.get(name) for name in CONDITION_COLUMNS)


def _text(value: object, zone: Zone) -> str | None:
    if value is None:
        return None
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _integer(value: object, zone: Zone) -> object:
    if value is not None and not _is_integer(value):
        raise NotUnderstood("int_value is no integer of 64 bits; mend it in the store")
    return value


def _float(value: object, zone: Zone) -> object:
    if value is not None and not isinstance(value, int | float):
        raise NotUnderstood("float_value is no number; mend it in the store")
    return value


def _flag(value: object, zone: Zone) -> object:
    if value is not None and not _is_integer(value):
        raise NotUnderstood("bool_value is neither 0 nor 1; mend it in the store")
    return value


def _time(value: object, zone: Zone) -> object:
    naive = zone.naive(value)
    if value is not None and naive is None:
        raise NotUnderstood("time_value is no time; mend it in the store")
    return naive


_READERS: Final[dict[str, Callable[[object, Zone], object]]] = {
    "text_value": _text,
    "int_value": _integer,
    "float_value": _float,
    "bool_value": _flag,
    "time_value": _time,
}


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and -INT64 <= value < INT64


def _without_null(numbers: pa.Array) -> pa.Array:
    if numbers.null_count:
        raise NotUnderstood("run_number is NULL")
    return numbers
