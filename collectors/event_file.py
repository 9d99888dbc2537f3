"""Reads the event file of a measured run back into rows of the landing contract. The format: collectors/events.py.

Every line becomes exactly one row: a step, an LLM call, a condition, or a rejected line with the reason.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from collectors import contract
from collectors.dataset import I, T
from collectors.ids import utc_from_ns

MAX_LINE_BYTES: Final = 4 << 20
KEPT_CHARACTERS: Final = 4000  # of a rejected line
PHASES: Final = ("planning", "execution", "waiting", "synthesis")
CONDITION_TYPES: Final = {"success": "bool", "attempts": "int"}
"""Of the conditions by which energy per successful query is known."""
EDGE_TOLERANCE_NS: Final = 50_000_000
"""How far a wall-clock time may lie outside the run and be moved to its edge: the wall clock may be coarse (1 ms in
JavaScript) and is slewed by up to .5 ms per second between two anchors of the run's own clock."""

INT64_MAX: Final = 2**63 - 1
SET_ELSEWHERE: Final = ("run_key", "source_interaction_id", "step_index", "workflow_type", "created_at")
LLM_FIELDS: Final = tuple(c for c in contract.LLM_INTERACTIONS.columns if c.name not in SET_ELSEWHERE)

Row = dict[str, Any]


class BadLine(ValueError):
    """A line that breaks the format; the text is the reason given in rejected_lines."""


@dataclass(frozen=True, slots=True)
class RunFrame:
    """What the reader knows of the run that wrote the file: its key, its times in ns UTC, its clock and its names."""

    run_key: int
    start_ns: int
    end_ns: int
    to_utc_ns: Callable[[int], int]
    workflow_type: str | None = None
    model_name: str | None = None
    provider: str | None = None


@dataclass(slots=True)
class EventRows:
    """The file's rows of orchestration_events, llm_interactions, run_conditions and rejected_lines."""

    n_lines: int = 0
    events: list[Row] = field(default_factory=list)
    llm_calls: list[Row] = field(default_factory=list)
    conditions: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)
    unknown_phases: Counter[str] = field(default_factory=Counter)
    """Of steps whose own phase is none of PHASES."""

    @property
    def rejections(self) -> Counter[str]:
        """How many lines were rejected for each reason, in the order of the first ones."""
        return Counter(row["reason"] for row in self.rejected)


@dataclass(slots=True)
class _Step:
    """A step before its position in the run is known."""

    row: Row
    detail: Row
    step_id: str | None
    parent_id: str | None
    unknown_phase: str | None


def read_events(path: Path, run: RunFrame) -> EventRows:
    """Read an event file; a missing one is an empty one. Nothing in the file is fatal. Raises OSError."""
    reader = _Reader(run)
    if path.exists():
        with path.open("rb") as file:
            for number, (line, whole) in enumerate(_lines(file), start=1):
                reader.take(number, line, whole)
    return reader.finish()


class _Reader:
    def __init__(self, run: RunFrame) -> None:
        self.run = run
        self.rows = EventRows()
        self.steps: list[_Step] = []
        self.calls: list[tuple[Row, str | None]] = []  # an LLM call and the step_id that it names
        self.last_set_ns: dict[str, int] = {}  # condition name -> time of its last value

    def take(self, number: int, line: bytes, whole: bool) -> None:
        self.rows.n_lines += 1
        try:
            self._take(parse(line, whole))
        except BadLine as error:
            text = line.decode("utf-8", errors="backslashreplace")[:KEPT_CHARACTERS]
            self.rows.rejected.append(
                {"run_key": self.run.run_key, "line_number": number, "reason": str(error), "line": text}
            )

    def finish(self) -> EventRows:
        """Give each step its position by start, outer steps first, and each call the position of its step."""
        self.steps.sort(key=lambda step: (step.row["start_time_ns"], -step.row["end_time_ns"]))
        positions: dict[str, int] = {}
        for position, step in enumerate(self.steps):
            if step.row["step_index"] is None:
                step.row["step_index"] = position
            if step.step_id is not None:
                positions[step.step_id] = step.row["step_index"]
        for step in self.steps:
            if step.parent_id in positions:
                step.detail["parent_step_index"] = positions[step.parent_id]
            if step.unknown_phase is not None:
                step.detail["unknown_phase"] = step.unknown_phase
                self.rows.unknown_phases[step.unknown_phase] += 1
            step.row["detail_json"] = json.dumps(step.detail) if step.detail else None
            self.rows.events.append(step.row)
        for call, step_id in self.calls:
            if call["step_index"] is None and step_id is not None:
                call["step_index"] = positions.get(step_id)
            self.rows.llm_calls.append(call)
        return self.rows

    def _take(self, record: Row) -> None:
        match record.get("type"):
            case "step":
                self.steps.append(self._step(record))
            case "llm_call":
                self.calls.append((self._llm_call(record), _text(record, "step_id")))
            case "condition":
                self.rows.conditions.append(self._condition(record))
            case None:
                raise BadLine("missing field: type")
            case other:
                raise BadLine(f"unknown type {_shown(other)}: step, llm_call or condition")

    def _step(self, record: Row) -> _Step:
        phase = _text(record, "phase")
        is_known = phase is None or phase in PHASES  # a step of another one took its time and energy all the same
        event_type = _text(record, "event_type")
        if not event_type:
            raise BadLine("missing field: event_type")
        detail = record.get("detail")
        if detail is not None and not isinstance(detail, dict):
            raise BadLine("detail is not an object")
        try:
            json.dumps(detail, allow_nan=False)
        except (ValueError, RecursionError) as error:  # 1e999 was read as infinity
            raise BadLine(f"detail cannot be written as JSON: {error}") from None
        start_ns, end_ns = self._span(record)
        row = {
            "run_key": self.run.run_key,
            "step_index": _count(record, "step_index"),
            "phase": phase if is_known else None,
            "event_type": event_type,
            "start_time_ns": start_ns,
            "end_time_ns": end_ns,
        }
        ids = _text(record, "step_id"), _text(record, "parent_id")
        return _Step(row, dict(detail or {}), *ids, unknown_phase=None if is_known else phase)

    def _llm_call(self, record: Row) -> Row:
        row: Row = {
            "run_key": self.run.run_key,
            # The contract's "position in the run": lines stand in the order in which calls ended.
            "source_interaction_id": str(len(self.calls) + 1),
            "step_index": _count(record, "step_index"),
            "workflow_type": self.run.workflow_type,
        }
        row |= {column.name: _typed(record, column) for column in LLM_FIELDS}
        row["model_name"] = row["model_name"] or self.run.model_name
        row["provider"] = row["provider"] or self.run.provider
        if row["total_tokens"] is None and None not in (row["prompt_tokens"], row["completion_tokens"]):
            total = row["prompt_tokens"] + row["completion_tokens"]
            row["total_tokens"] = total if total <= INT64_MAX else None
        moment = self._moment(record)
        row["created_at"] = None if moment is None else utc_from_ns(moment)
        return row

    def _condition(self, record: Row) -> Row:
        name = _text(record, "name")
        if not name:
            raise BadLine("missing field: name")
        value = record.get("value")
        row: Row = {"run_key": self.run.run_key, "name": name}
        match value:
            case bool():
                row |= {"value_type": "bool", "bool_value": value}
            case int() if abs(value) <= INT64_MAX:
                row |= {"value_type": "int", "int_value": value}
            case float() if math.isfinite(value):
                row |= {"value_type": "float", "float_value": value}
            case str():
                row |= {"value_type": "string", "text_value": _text(record, "value")}
            case None:
                raise BadLine("missing field: value")
            case _:
                raise BadLine(f"value {_shown(value)} is no string, finite number of 64 bits or boolean")
        wanted = CONDITION_TYPES.get(name, row["value_type"])
        if row["value_type"] != wanted:
            raise BadLine(f"condition {name} {_shown(value)} is of type {row['value_type']}; give it as {wanted}")
        # The newest value counts: two of one microsecond, or without a time, keep the order of their lines.
        moment = self._moment(record)
        earliest = self.last_set_ns.get(name, -1000) + 1000
        self.last_set_ns[name] = max(self.run.end_ns if moment is None else moment, earliest)
        row["recorded_at"] = utc_from_ns(self.last_set_ns[name])
        return row

    def _span(self, record: Row) -> tuple[int, int]:
        names = ("start", "end")
        given = {f"{n}_ns": (_integer(record, f"{n}_mono_ns"), _integer(record, f"{n}_ns")) for n in names}
        start, end = self._times(given)
        return start, end

    def _moment(self, record: Row) -> int | None:
        mono, wall = _integer(record, "mono_ns"), _integer(record, "time_ns")
        return None if mono is None and wall is None else self._times({"time_ns": (mono, wall)})[0]

    def _times(self, given: Mapping[str, tuple[int | None, int | None]]) -> list[int]:
        """Rising times of the run in ns UTC from (CLOCK_MONOTONIC, wall clock) each, by one clock for all of them.

        CLOCK_MONOTONIC counts where it lies in the run: a wall clock may be set back. A program in a time namespace of
        its own has another CLOCK_MONOTONIC, and its wall clock is right all the same.
        """
        start, end = self.run.start_ns, self.run.end_ns
        by_mono = [None if mono is None else self.run.to_utc_ns(mono) for mono, _ in given.values()]
        in_run = all(moment is not None and start <= moment <= end for moment in by_mono)
        by_wall = [wall for _, wall in given.values()]
        chosen = by_mono if in_run or by_wall == [None] * len(by_wall) else by_wall
        moments: list[int] = []
        for name, moment in zip(given, chosen, strict=True):
            if moment is None:
                raise BadLine(f"missing field: {name}")
            if moments and moment < moments[-1]:
                raise BadLine(f"negative duration: {moment - moments[-1]} ns")
            moments.append(moment)
        for name, moment in zip(given, moments, strict=True):
            if not start - EDGE_TOLERANCE_NS <= moment <= end + EDGE_TOLERANCE_NS:
                away = f"{start - moment} ns before" if moment < start else f"{moment - end} ns after"
                raise BadLine(f"time outside the run: {name} is {away} it")
        return [min(max(moment, start), end) for moment in moments]


def parse(line: bytes, whole: bool = True) -> Row:
    """The JSON object on a line. Raises BadLine."""
    if not whole:
        raise BadLine(f"over-long line: more than {MAX_LINE_BYTES} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise BadLine(f"not UTF-8 text: byte {error.start + 1}") from None
    if not text.strip():
        raise BadLine("empty line")
    try:
        record = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BadLine(f"bad JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:  # integers of thousands of digits; nesting a thousand deep
        raise BadLine(f"bad JSON: {error}") from None
    if not isinstance(record, dict):
        raise BadLine("bad JSON: not an object")
    return record


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Each line without its end, and whether it is whole: an over-long one comes as its beginning only."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if line.endswith(b"\n"):
            yield line[:-1], True
        elif len(line) <= MAX_LINE_BYTES:
            yield line, True  # the last line, cut off: it is tried as it is
        else:
            yield line, False
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _typed(record: Mapping[str, Any], column: contract.Column) -> str | int | float | None:
    if column.type == T:
        return _text(record, column.name)
    return _count(record, column.name) if column.type == I else _quantity(record, column.name)


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadLine(f"{name} {_shown(value)} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadLine(f"{name} holds half a surrogate pair") from None
    return value


def _integer(record: Mapping[str, Any], name: str) -> int | None:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # languages whose only number is a float
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadLine(f"{name} {_shown(value)} is no integer")
    if abs(value) > INT64_MAX:
        raise BadLine(f"{name} {_shown(value)} does not fit into 64 bits")
    return value


def _count(record: Mapping[str, Any], name: str) -> int | None:
    value = _integer(record, name)
    if value is not None and value < 0:
        raise BadLine(f"negative {name}: {value}")
    return value


def _quantity(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLine(f"{name} {_shown(value)} is no number")
    if not abs(value) <= INT64_MAX:
        raise BadLine(f"{name} {_shown(value)} is no finite number")
    if value < 0:
        raise BadLine(f"negative {name}: {value}")
    return float(value)


def _shown(value: object) -> str:
    """A value in a reason: short, and without anything that a terminal or Arrow could trip over."""
    return ascii(value)[:60]
