"""Turns OTLP JSON traces with the GenAI semantic conventions into steps and LLM calls of measured runs.

A file is one JSON document or one document per line, as OpenTelemetry's file exporters write it. A span becomes a step
of the run of the same host that it lies in:

    gen_ai.operation.name                     event_type        phase
    chat, text_completion, generate_content   llm_call          planning where it ended in tool calls; synthesis where
                                                                a tool had ended before it; else execution
    execute_tool                              tool_call         execution
    plan                                      plan              planning
    any other (invoke_agent, …)               as it stands      none

An llm_call is also a row of llm_interactions, but for one around others: where a framework and the SDK under it both
trace one call, it is the SDK's, with what only the framework's span knows of it. A call that a tool within a call makes
is another one. The attribute alems.phase, on any span, says the phase itself. Spans that
say none of this (HTTP, SQL, …) are no steps: their time is part of the step around them. Steps stay as long as they
were and nest; the pipeline gives each moment to the innermost (`event_energy.own_ns`), which is the one that began
last: so a child is made to begin after its parent.

Nothing is dropped twice: what landing holds already is left out. Give the files of a run together, since the position
of a step is counted among them.
"""

import json
import math
import socket
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from collectors import contract
from collectors.contract_usage import USAGE_REJECTS
from collectors.dataset import Dataset
from collectors.drop import drop_rows
from collectors.event_file import EDGE_TOLERANCE_NS, INT64_MAX, KEPT_CHARACTERS, PHASES
from collectors.ids import utc_from_ns

PRODUCER: Final = "alems-collect otel"
SOURCE_SYSTEM: Final = "opentelemetry"
RUN_DAYS_BACK: Final = 7
"""A span may lie in a run that started so many days before it."""

LLM_OPERATIONS: Final = ("chat", "text_completion", "generate_content")
FORMER_NAMES: Final = {
    "gen_ai.system": "gen_ai.provider.name",
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "gen_ai.prompt": "gen_ai.input.messages",
    "gen_ai.completion": "gen_ai.output.messages",
}
"""What older conventions call an attribute."""
TOOL_REASONS: Final = ("tool_call", "tool_use")  # "tool_calls" too
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
CLIENT_KINDS: Final = (3, "SPAN_KIND_CLIENT")
ERROR_CODES: Final = (2, "STATUS_CODE_ERROR")

Row = dict[str, Any]


class NotTraces(RuntimeError):
    """A file that holds no OTLP JSON traces."""


@dataclass(slots=True)
class OtelSummary:
    """What one import did: rows dropped by dataset, files written, and what a reader should know, one line each."""

    rows: dict[str, int]
    files: list[Path]
    notes: list[str]
    n_taken: int
    """Spans that became steps, now or in an earlier import."""
    n_rejected: int
    """Spans, lines and documents that were not taken."""


@dataclass(slots=True)
class _Span:
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start_ns: int
    end_ns: int
    host: str
    is_client: bool
    error: str | None  # why it failed; None where it did not
    attributes: Mapping[str, Any]
    parent: "_Span | None" = None  # the step around it, in the same run
    step_index: int = 0

    @property
    def id(self) -> str:
        return f"{self.trace_id}:{self.span_id}"


@dataclass(frozen=True, slots=True)
class _Run:
    key: int
    host: str
    start_ns: int
    end_ns: int
    workflow_type: str
    day: date


@dataclass(slots=True)
class _Found:
    """Rows on their way to landing, by dataset and day."""

    rows: dict[tuple[str, date], list[Row]] = field(default_factory=dict)

    def add(self, dataset: Dataset, day: date, row: Row) -> None:
        self.rows.setdefault((dataset.name, day), []).append(row)

    def reject(self, day: date, reason: str, detail: str) -> None:
        row = {
            "source_system": SOURCE_SYSTEM,
            "recorded_at": datetime.now(UTC),
            "dataset": contract.ORCHESTRATION_EVENTS.name,
            "reason": reason,
            "detail": detail[:KEPT_CHARACTERS],
        }
        self.add(USAGE_REJECTS, day, row)


def import_traces(paths: Sequence[Path], landing: Path, *, host: str | None = None) -> OtelSummary:
    """Drop the steps and LLM calls of trace files; `host` stands for the host.name of all spans.

    Without it a span is of its resource's host.name, or of this host. Raises NotTraces, OSError, DropFailed.
    """
    found = _Found()
    spans = _by_id(span for path in paths for span in _read(path, host, found))
    steps = [span for span in spans.values() if _event_type(span) is not None]
    by_run, runs = _place(steps, landing, found)
    for key, members in by_run.items():
        _add_run(runs[key], _nested(runs[key], members, spans), found)
    rows: Counter[str] = Counter()
    files: list[Path] = []
    for (name, day), dropped in sorted(found.rows.items()):
        dataset = contract.DATASETS[name]
        fresh = _not_landed(landing, dataset, day, dropped)
        path = drop_rows(landing, dataset, fresh, host=host or socket.gethostname(), producer=PRODUCER, date=day)
        rows[name] += len(fresh)
        files += [path] if path else []
    rejected = _rejected(found)
    return OtelSummary(
        dict(rows),
        files,
        _notes(rejected, len(spans) - len(steps)),
        n_taken=sum(map(len, by_run.values())),
        n_rejected=rejected.total(),
    )


def _rejected(found: _Found) -> Counter[str]:
    """How much was rejected, by reason."""
    return Counter(
        row["reason"] for (name, _), rows in found.rows.items() if name == USAGE_REJECTS.name for row in rows
    )


def _notes(rejected: Counter[str], n_others: int) -> list[str]:
    notes = [f"{n} rejected: {reason}" for reason, n in sorted(rejected.items())]
    if n_others:
        notes.append(f"{n_others} span(s) say nothing of GenAI: their time is part of the step around them")
    return notes


# ---- reading ---------------------------------------------------------------------------------------------------------


def _read(path: Path, host: str | None, found: _Found) -> Iterator[_Span]:
    """The spans of a file; what is no span is rejected with the reason."""
    for document in _documents(path, found):
        resource_spans = document.get("resourceSpans")
        if not isinstance(resource_spans, list):
            _reject_unknown(found, f"no resourceSpans in {path.name}; give OTLP JSON traces", document)
            continue
        for of_resource in filter(_is_object, resource_spans):
            named = _attributes(_list(_object(of_resource, "resource"), "attributes")).get("host.name")
            here = host or (named if isinstance(named, str) and named else socket.gethostname())
            for of_scope in filter(_is_object, _list(of_resource, "scopeSpans")):
                for raw in _list(of_scope, "spans"):
                    try:
                        yield _span(raw, here)
                    except (KeyError, TypeError, ValueError, AttributeError) as error:
                        _reject_unknown(found, _why_no_span(error), raw)


def _documents(path: Path, found: _Found) -> Iterator[Row]:
    """One document per line; or, where the first line is none, the whole file as one. Raises NotTraces."""
    with path.open("rb") as file:
        for number, line in enumerate((line for line in file if line.strip()), start=1):
            try:
                document = json.loads(line, parse_constant=_no_value)
            except (ValueError, RecursionError):
                if number == 1:
                    yield _whole(path)
                    return
                shown = line.decode(errors="replace")
                _reject_unknown(found, f"a line of {path.name} is no JSON; export it again", shown)
                continue
            if not isinstance(document, dict):
                raise NotTraces(f"{path}: document {number} is no JSON object; give OTLP JSON traces")
            yield document


def _whole(path: Path) -> Row:
    try:
        document = json.loads(path.read_bytes(), parse_constant=_no_value)
    except (ValueError, RecursionError) as error:
        raise NotTraces(f"{path}: no JSON ({error}); give OTLP JSON traces, not Protobuf") from None
    if not isinstance(document, dict):
        raise NotTraces(f"{path}: no JSON object; give OTLP JSON traces")
    return document


def _span(raw: Row, host: str) -> _Span:
    start_ns, end_ns = (_ns(raw[name]) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    if end_ns < start_ns:
        raise ValueError("a span ends before it starts; mend the clock of the traced program")
    status = _object(raw, "status")
    attributes = _attributes(_list(raw, "attributes"))
    error = None
    if status.get("code") in ERROR_CODES:
        error = _text(status.get("message")) or _text(attributes.get("error.type")) or "error"
    return _Span(
        trace_id=_hex(raw["traceId"]),
        span_id=_hex(raw["spanId"]),
        parent_id=_text(raw.get("parentSpanId")),
        name=_text(raw.get("name")) or "",
        start_ns=start_ns,
        end_ns=end_ns,
        host=host,
        is_client=raw.get("kind") in CLIENT_KINDS,
        error=error,
        attributes=attributes,
    )


def _why_no_span(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"a span without {error.args[0]}; export it again"
    return str(error) if type(error) is ValueError else "a span of another form than OTLP JSON's; export it again"


def _reject_unknown(found: _Found, reason: str, what: object) -> None:
    """Reject what has no usable time, under today's date."""
    detail = what if isinstance(what, str) else json.dumps(what)
    found.reject(datetime.now(UTC).date(), reason, detail)


def _ns(value: object) -> int:
    """64-bit integers are text in OTLP JSON; numbers are taken too."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a span's time is no integer of ns; export it again")
    moment = int(value) if str(value).isdecimal() else 0
    if not 0 < moment <= INT64_MAX:
        raise ValueError("a span's time is no integer of ns; export it again")
    return moment


def _hex(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a span's id is empty; export it again")
    return value.lower()


def _attributes(pairs: Iterable[object]) -> Row:
    named = [pair for pair in pairs if isinstance(pair, dict) and isinstance(pair.get("key"), str)]
    return {pair["key"]: _value(pair.get("value")) for pair in named}


def _value(value: object) -> Any:
    """An AnyValue of OTLP JSON as a plain value; None where it is of no known kind."""
    if not isinstance(value, dict):
        return None
    for kind, inner in value.items():
        match kind:
            case "stringValue":
                return _text(inner)
            case "doubleValue":
                return inner if isinstance(inner, int | float) and math.isfinite(inner) else None
            case "bytesValue" | "boolValue":
                return inner
            case "intValue":
                return int(inner) if str(inner).lstrip("-").isdecimal() else None
            case "arrayValue":
                return [_value(item) for item in _list(inner, "values")] if isinstance(inner, dict) else None
            case "kvlistValue":
                return _attributes(_list(inner, "values")) if isinstance(inner, dict) else None
    return None


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _object(of: Row, name: str) -> Row:
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def _list(of: Row, name: str) -> list[Any]:
    value = of.get(name)
    return value if isinstance(value, list) else []


def _no_value(name: str) -> None:
    """NaN and Infinity, which JSON has not."""


def _text(value: object) -> str | None:
    """Text that UTF-8 can hold: half a surrogate pair becomes a question mark."""
    return value.encode(errors="replace").decode() if isinstance(value, str) and value else None


def _by_id(spans: Iterable[_Span]) -> dict[str, _Span]:
    """Each span once: exporters send a batch again after a failure."""
    return {span.id: span for span in spans}


# ---- runs ------------------------------------------------------------------------------------------------------------


def _place(steps: Sequence[_Span], landing: Path, found: _Found) -> tuple[dict[int, list[_Span]], dict[int, _Run]]:
    """The steps of each run that some lie in; the others are rejected with the reason."""
    if not steps:
        return {}, {}
    first, last = (_day(edge(step.start_ns for step in steps)) for edge in (min, max))
    runs = _read_runs(landing, first - timedelta(days=RUN_DAYS_BACK), last)
    finders = {host: _RunFinder(run for run in runs.values() if run.host == host) for host in {s.host for s in steps}}
    by_run: dict[int, list[_Span]] = {}
    for step in steps:
        matches = finders[step.host].find(step)
        if len(matches) == 1:
            by_run.setdefault(matches[0].key, []).append(step)
            continue
        if matches:
            reason = "the span lies in several runs of its host; trace runs that do not overlap"
        else:
            reason = f"the span lies in no run of {step.host}; name the measured host by --host, or drop the run first"
        detail = {"start_ns": step.start_ns, "end_ns": step.end_ns, **_detail(step)}
        found.reject(_day(step.start_ns), reason, json.dumps(detail))
    return by_run, runs


def _read_runs(landing: Path, first: date, last: date) -> dict[int, _Run]:
    columns = ["run_key", "host", "start_time_ns", "end_time_ns", "workflow_type", "recorded_at"]
    newest: dict[int, tuple[datetime, _Run]] = {}
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        for path in _files(landing, contract.RUNS, day):
            for key, host, start, end, workflow, at in _rows(path, columns):
                if key not in newest or newest[key][0] <= at:
                    newest[key] = (at, _Run(key, host, start, end, workflow, day))
    return {key: run for key, (_, run) in newest.items()}


class _RunFinder:
    """Finds the runs of one host around a span."""

    def __init__(self, runs: Iterable[_Run]) -> None:
        self.runs = sorted(runs, key=lambda run: (run.start_ns, run.end_ns, run.key))
        self.starts = [run.start_ns for run in self.runs]
        self.latest_ends = list(accumulate((run.end_ns for run in self.runs), max))

    def find(self, span: _Span) -> list[_Run]:
        """The runs that hold the span; where none does, those that it overhangs by the tolerance of clocks at most."""
        near: list[_Run] = []
        position = bisect_right(self.starts, span.start_ns + EDGE_TOLERANCE_NS) - 1
        while position >= 0 and self.latest_ends[position] >= span.end_ns - EDGE_TOLERANCE_NS:
            if self.runs[position].end_ns >= span.end_ns - EDGE_TOLERANCE_NS:
                near.append(self.runs[position])
            position -= 1
        within = [run for run in near if run.start_ns <= span.start_ns and span.end_ns <= run.end_ns]
        return within or near


def _files(landing: Path, dataset: Dataset, day: date) -> list[Path]:
    return sorted((landing / dataset.name / f"date={day.isoformat()}").glob("*.parquet"))


def _rows(path: Path, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    try:
        table = pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, ValueError, LookupError):
        return  # a file that no reader can read is told by the pipeline, which quarantines it
    yield from zip(*(table.column(name).to_pylist() for name in columns), strict=True)


def _not_landed(landing: Path, dataset: Dataset, day: date, rows: list[Row]) -> list[Row]:
    """The rows without those that landing holds under their id in the source."""
    names = {
        contract.ORCHESTRATION_EVENTS.name: ["run_key", "source_event_id"],
        contract.LLM_INTERACTIONS.name: ["run_key", "source_interaction_id"],
        USAGE_REJECTS.name: ["source_system", "dataset", "reason", "detail"],
    }[dataset.name]
    landed = {row for path in _files(landing, dataset, day) for row in _rows(path, names)}
    return [row for row in rows if tuple(row[name] for name in names) not in landed]


def _day(ns: int) -> date:
    return utc_from_ns(ns).date()


# ---- rows ------------------------------------------------------------------------------------------------------------


def _event_type(span: _Span) -> str | None:
    """What kind of step a span is; None where it is none."""
    operation = _text(span.attributes.get("gen_ai.operation.name"))
    if operation in LLM_OPERATIONS:
        return "llm_call"
    if operation == "execute_tool" or (operation is None and "gen_ai.tool.name" in span.attributes):
        return "tool_call"
    if operation is not None:
        return operation
    if "gen_ai.request.model" in span.attributes:
        return "llm_call"  # conventions before 1.27 name no operation
    return "step" if _text(span.attributes.get("alems.phase")) in PHASES else None


def _nested(run: _Run, steps: Sequence[_Span], spans: Mapping[str, _Span]) -> list[_Span]:
    """The steps of one run in order, within it, each knowing the step around it, after which it begins."""
    members = {step.id for step in steps}
    for step in steps:
        step.parent = _step_around(step, spans, members)
        step.start_ns, step.end_ns = (min(max(ns, run.start_ns), run.end_ns) for ns in (step.start_ns, step.end_ns))
    for step in sorted(steps, key=_depth):
        if step.parent is not None:
            # Clocks of 1 ms give a child its parent's start; what began last is what is taken for the innermost.
            step.start_ns = min(max(step.start_ns, step.parent.start_ns + 1), step.end_ns)
    ordered = sorted(steps, key=lambda step: (step.start_ns, -step.end_ns, step.id))
    for position, step in enumerate(ordered):
        step.step_index = position
    return ordered


def _step_around(step: _Span, spans: Mapping[str, _Span], members: set[str]) -> _Span | None:
    seen = {step.id}
    span = step
    while span.parent_id is not None:
        above = f"{span.trace_id}:{span.parent_id.lower()}"
        if above in seen or above not in spans:
            return None
        if above in members:
            return spans[above]
        seen.add(above)
        span = spans[above]
    return None


def _depth(step: _Span) -> int:
    return sum(1 for _ in _above(step))


def _above(step: _Span) -> Iterator[_Span]:
    """The steps around a step, the nearest first; each once, whatever circle the traced program made of them."""
    seen = {step.id}
    span = step.parent
    while span is not None and span.id not in seen:
        yield span
        seen.add(span.id)
        span = span.parent


def _add_run(run: _Run, steps: Sequence[_Span], found: _Found) -> None:
    first_tool_end = _first_tool_ends(steps)
    inner = _inner_calls(steps)
    for step in steps:
        event_type = _event_type(step)
        call = _call(step, inner)
        after_tool = first_tool_end.get(step.trace_id, INT64_MAX) <= step.start_ns
        event = {
            "run_key": run.key,
            "source_event_id": f"otel:{step.id}",
            "step_index": step.step_index,
            "phase": _phase(call.said, event_type, after_tool),
            "event_type": event_type,
            "start_time_ns": step.start_ns,
            "end_time_ns": step.end_ns,
            "detail_json": json.dumps(_detail(step), sort_keys=True),
        }
        found.add(contract.ORCHESTRATION_EVENTS, run.day, event)
        if event_type == "llm_call" and not inner[step.id]:
            found.add(contract.LLM_INTERACTIONS, run.day, _llm_call(step, call, run))


def _inner_calls(steps: Iterable[_Span]) -> Counter[str]:
    """How many LLM spans each LLM span is the nearest one around."""
    return Counter(around.id for step in steps for around in islice(_calls_around(step), 1))


def _calls_around(step: _Span) -> Iterator[_Span]:
    """The LLM spans around an LLM span, the nearest first, up to a tool: the call that a tool makes is another one."""
    if _event_type(step) != "llm_call":
        return
    for around in _above(step):
        event_type = _event_type(around)
        if event_type == "tool_call":
            return
        if event_type == "llm_call":
            yield around


@dataclass(frozen=True, slots=True)
class _Call:
    """What is known of a step: what its span says and, of an LLM call, what the spans around it alone add."""

    said: Row
    """Attributes, by the names of today."""
    is_client: bool


def _call(step: _Span, inner: Mapping[str, int]) -> _Call:
    said = _renamed(step.attributes)
    is_client = step.is_client
    for around in _calls_around(step):
        if inner[around.id] > 1:
            break
        said = _renamed(around.attributes) | said
        is_client = is_client or around.is_client
    return _Call(said, is_client)


def _renamed(attributes: Mapping[str, Any]) -> Row:
    """The attributes that say something, by the names of today."""
    known = {name: value for name, value in attributes.items() if value not in (None, "")}
    return {FORMER_NAMES[name]: value for name, value in known.items() if name in FORMER_NAMES} | known


def _first_tool_ends(steps: Iterable[_Span]) -> dict[str, int]:
    """When the first tool of each trace had ended."""
    ends: dict[str, int] = {}
    for step in steps:
        if _event_type(step) == "tool_call":
            ends[step.trace_id] = min(step.end_ns, ends.get(step.trace_id, INT64_MAX))
    return ends


def _phase(said: Row, event_type: str | None, after_tool: bool) -> str | None:
    phase = _text(said.get("alems.phase"))
    if phase in PHASES:
        return phase
    match event_type:
        case "plan":
            return "planning"
        case "tool_call":
            return "execution"
        case "llm_call":
            reasons = said.get("gen_ai.response.finish_reasons")
            if isinstance(reasons, list) and any(str(reason).startswith(TOOL_REASONS) for reason in reasons):
                return "planning"
            return "synthesis" if after_tool else "execution"
    return None


def _detail(step: _Span) -> Row:
    """What else the span says, prompts and answers aside: those stand with the LLM call."""
    kept = {
        name: value
        for name, value in step.attributes.items()
        if name.startswith(("gen_ai.", "server.", "error.")) and not name.endswith((".messages", ".instructions"))
    }
    detail: Row = {"span_id": step.span_id, "trace_id": step.trace_id, "name": step.name, **kept}
    if step.parent is not None:
        detail["parent_step_index"] = step.parent.step_index
    if step.error is not None:
        detail["error"] = step.error
    return detail


def _llm_call(step: _Span, call: _Call, run: _Run) -> Row:
    get = call.said.get
    prompt_tokens = _tokens(get("gen_ai.usage.input_tokens"))
    completion_tokens = _tokens(get("gen_ai.usage.output_tokens"))
    known = prompt_tokens is not None and completion_tokens is not None
    duration_ms = (step.end_ns - step.start_ns) / 1e6
    is_remote = call.is_client and get("server.address") not in LOOPBACK
    return {
        "run_key": run.key,
        "source_interaction_id": f"otel:{step.id}",
        "step_index": step.step_index,
        "workflow_type": run.workflow_type,
        "prompt": _messages(get("gen_ai.input.messages")),
        "response": _messages(get("gen_ai.output.messages")),
        "model_name": _text(get("gen_ai.request.model")) or _text(get("gen_ai.response.model")),
        "provider": _text(get("gen_ai.provider.name")),
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": (prompt_tokens or 0) + (completion_tokens or 0) if known else None,
        "api_latency_ms": duration_ms,
        "compute_time_ms": None if is_remote else duration_ms,
        "total_time_ms": duration_ms,
        # The convention's kind CLIENT is a call of another process; one of this host computes here all the same.
        "non_local_ms": duration_ms if is_remote else None,
        "local_compute_ms": None if is_remote else duration_ms,
        "error_message": step.error,
        "status": "success" if step.error is None else "error",
        "created_at": utc_from_ns(step.start_ns),
    }


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62 else None


def _messages(value: object) -> str | None:
    return _text(value) if value is None or isinstance(value, str) else json.dumps(value)
