"""Stable ids: the same natural key gives the same number on every host, in every rebuild, in Python and in SQL.

The SQL forms stand in `alems_pipeline/ids.py`; a test holds the two together.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final

ID_HEX_DIGITS: Final = 13  # 52 bits: exact in JSON and in float64
PARTS_SEPARATOR: Final = "\x1f"
TIME_ORIGIN_S: Final = 1_577_836_800  # 2020-01-01T00:00:00Z
IDS_PER_SECOND: Final = 4_194_304  # 22 bits

KeyPart = str | int | float | bool | None


def key_text(part: KeyPart | datetime) -> str:
    """One part of a natural key as text, as SQL casts it: NULL is '', a bool true or false, a time its UTC seconds."""
    if part is None:
        return ""
    if isinstance(part, bool):
        return "true" if part else "false"
    if isinstance(part, datetime):
        return str(int(part.timestamp()))
    return str(part)


def stable_id(*parts: KeyPart | datetime) -> int:
    """The id of a natural key: the first 52 bits of the SHA-256 of its parts joined by the unit separator."""
    text = PARTS_SEPARATOR.join(key_text(part) for part in parts)
    return int(hashlib.sha256(text.encode()).hexdigest()[:ID_HEX_DIGITS], 16)


def run_key(source_system: str, host: str, source_run_id: str, start_time_ns: int) -> int:
    """The landing key of a run, by which its samples and events name it before the pipeline gives it a run id."""
    return stable_id(source_system, host, source_run_id, start_time_ns)


def exp_key(source_system: str, host: str, source_exp_id: str, created_at: datetime | None) -> int:
    """The landing key of an experiment."""
    return stable_id(source_system, host, source_exp_id, created_at)


def time_ordered_id(key: int, seconds_utc: int) -> int:
    """The id of a run or experiment: time in the high bits, the key's low 22 bits below; 0 s where no time is known."""
    return max(seconds_utc - TIME_ORIGIN_S, 0) * IDS_PER_SECOND + key % IDS_PER_SECOND


def utc_from_ns(ns: int) -> datetime:
    """A UTC datetime, to the microsecond, from ns since 1970."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).replace(microsecond=ns % 1_000_000_000 // 1000)
