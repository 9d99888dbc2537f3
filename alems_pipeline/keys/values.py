"""Loosely typed values of artifacts, one at a time: booleans, numbers, and sequence lengths in file names.

The forms for whole columns stand in `columns.py`; a test holds the two together.
"""

import json
import math
import re
import sys
from decimal import Decimal
from typing import Final

# ASCII digits only: Python's \d, Rust's and JavaScript's differ on the others. Shared with columns.py.
LEADING_NUMBER: Final = r"^[ \t\r\n\f\v]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
LEADING_INTEGER: Final = r"^[ \t\r\n\f\v]*([+-]?[0-9]+)"
WHOLE_NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
SEQUENCE_LENGTHS: Final = r"[_-]([0-9]+)[kK]([0-9]+)[kK][_.-]"
TRUE_TEXTS: Final = ("true", "True")
TOKENS_PER_K: Final = 1024
MAX_DIGITS: Final = 4000  # Python refuses to read longer integers
INT64: Final = range(-(2**63), 2**63)
BEYOND: Final = 10**12  # farther from 0 than any size or length that occurs

_LEADING_NUMBER = re.compile(LEADING_NUMBER)
_LEADING_INTEGER = re.compile(LEADING_INTEGER)
_WHOLE_NUMBER = re.compile(WHOLE_NUMBER.removeprefix("^").removesuffix("$"))
_SEQUENCE_LENGTHS = re.compile(SEQUENCE_LENGTHS)


def parse_bool(value: object) -> bool:
    """Whether the value is true, "true" or "True"; everything else is False."""
    return value is True or (isinstance(value, str) and value in TRUE_TEXTS)


def parse_num(value: object) -> float | int | None:
    """A number as it is, the leading number of a string, else None; so are NaN and infinities.

    For configuration fields, which may carry a unit; a metric goes through `metric_number`.
    """
    if isinstance(value, str):
        match = _LEADING_NUMBER.match(value)
        return _number(float(match[1])) if match else None
    return _number(value)


def parse_int(value: object) -> int | None:
    """The leading integer of a string, truncated; a number rounded half up (2.5 is 3, -2.5 is -2); else None.

    Outside 64 bits is None: no table could hold it.
    """
    if isinstance(value, str):
        match = _LEADING_INTEGER.match(value)
        integer = int(match[1]) if match and len(match[1]) <= MAX_DIGITS else None
    else:
        number = _number(value)
        integer = None if number is None else round_half_up(number)
    return integer if integer is not None and integer in INT64 else None


def bounded_int(value: object) -> int | None:
    """parse_int, where what lies beyond ±BEYOND is ±BEYOND: too large is not the same as missing."""
    if isinstance(value, str):
        match = _LEADING_INTEGER.match(value)
        if match is None:
            return None
        digits = match[1].lstrip("+-").lstrip("0") or "0"
        size = int(digits) if len(digits) <= len(str(BEYOND)) else BEYOND
        integer = -size if match[1].startswith("-") else size
    elif isinstance(value, int) and not isinstance(value, bool):
        integer = value
    elif (number := _number(value)) is not None:
        integer = round_half_up(number)
    else:
        return None
    return max(-BEYOND, min(integer, BEYOND))


def parse_isl_osl(name: str) -> tuple[int, int] | None:
    """(input, output) sequence length in tokens from the first `_1k8k_` of a file name (1k is 1024); None without."""
    match = _SEQUENCE_LENGTHS.search(name)
    if match is None or max(len(match[1]), len(match[2])) > 15:
        return None
    return int(match[1]) * TOKENS_PER_K, int(match[2]) * TOKENS_PER_K


def metric_number(value: object) -> float | int | None:
    """A metric's value: a finite number, or a string that is a number as a whole; else None.

    Stricter than parse_num, so that "2026-06-11" or "5 retries" never become figures.
    """
    if isinstance(value, str):
        return _number(float(value)) if _WHOLE_NUMBER.fullmatch(value) else None
    return _number(value)


def round_half_up(value: float) -> int:
    """The nearest integer, halves upwards, also where adding ½ would lose the last bit."""
    below = math.floor(value)
    return below + 1 if value - below >= 0.5 else below


def text_of(value: object) -> str:
    """A field as text, as Polars reads its JSON: null is '', true 'true', 1e6 '1000000', a string is itself."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _number(value: object) -> float | int | None:
    """The value where it is a number that a float64 can hold, which true, NaN and infinities are not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None
