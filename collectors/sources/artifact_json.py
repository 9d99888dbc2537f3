"""JSON of artifacts, read strictly: what two readers could understand in two ways is refused with its reason.

Python alone reads NaN as a number, keeps the last of two equal keys and makes 1e999 infinite.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MAX_ROW_BYTES: Final = 16 * 1024**2


class NoRow(ValueError):
    """A document or row that is refused; the message says why, by which rule, and what to do."""


@dataclass(frozen=True, slots=True)
class _NotANumber:
    name: str


class Twice(dict[str, Any]):
    """An object in which a key stands twice."""


def read_document(data: bytes) -> Any:
    """The document's value; what is wrong in a part of it is found by `row_text`. Raises NoRow."""
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_NotANumber)
    except UnicodeDecodeError as error:
        raise NoRow(f"not UTF-8 ({error.reason}); write JSON in UTF-8") from error
    except RecursionError as error:
        raise NoRow("nested too deeply; flatten it") from error
    except ValueError as error:
        raise NoRow(f"no JSON ({error}); it is truncated or of another format, fetch it again") from error


def row_text(value: object) -> str:
    """An object as one line of JSON. Raises NoRow where it is no object, is flawed or too large."""
    if not isinstance(value, dict):
        raise NoRow("not a JSON object; give each row as one")
    try:
        for part in _parts(value):
            if isinstance(part, _NotANumber):
                raise NoRow("NaN or Infinity is no JSON; leave the field out where nothing was measured")
            if isinstance(part, Twice):
                raise NoRow("a key stands twice in an object; name each once")
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except RecursionError as error:
        raise NoRow("nested too deeply; flatten it") from error
    except UnicodeEncodeError as error:
        raise NoRow("half a surrogate pair in a text, which is no Unicode; write it whole") from error
    except ValueError as error:
        if isinstance(error, NoRow):
            raise
        raise NoRow("a number beyond ±1.8e308; leave the field out") from error
    if size > MAX_ROW_BYTES:
        raise NoRow(f"a row of more than {MAX_ROW_BYTES:,} bytes; a benchmark's result has some thousand")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    return unique if len(unique) == len(pairs) else Twice(unique)


def _parts(value: object) -> Iterator[object]:
    """The value and everything in it."""
    pending = [value]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, dict):
            pending += part.values()
        elif isinstance(part, list):
            pending += part
