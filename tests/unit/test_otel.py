"""OpenTelemetry spans become steps of measured runs. The spans are made and written by OpenTelemetry's own SDK."""

import json
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pads
import pytest
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context
from typer.testing import CliRunner

from alems_pipeline.warehouse import Warehouse, connect_published
from collectors.cli import app
from collectors.sources.otel import NotTraces, import_traces
from tests.small_landing import NS, drop_day
from tests.warehouses import materialize

DAY = date(2026, 3, 1)
MS = 1_000_000

Row = dict[str, Any]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """A linear run of 1 s and, six seconds after its start, an agentic one of 2 s at 8 W, on lab-1."""
    drop_day(tmp_path / "warehouse" / "landing", DAY)
    return tmp_path / "warehouse" / "landing"


def rows(landing: Path, dataset: str, by: str = "start_time_ns") -> list[Row]:
    folder = landing / dataset
    found = pads.dataset(folder, partitioning=None).to_table().to_pylist() if folder.exists() else []
    return sorted(found, key=lambda row: row[by])


def run_start(landing: Path, workflow: str) -> int:
    return next(row["start_time_ns"] for row in rows(landing, "runs") if row["workflow_type"] == workflow)


def otel_events(landing: Path) -> list[Row]:
    found = [row for row in rows(landing, "orchestration_events") if (row["source_event_id"] or "").startswith("otel:")]
    return sorted(found, key=lambda row: row["step_index"])


def trace(path: Path, program: Callable[[Tracer], None], host: str = "lab-1") -> Path:
    """Let a program write spans by the SDK and its file exporter."""
    provider = TracerProvider(resource=Resource({"host.name": host, "service.name": "agent"}))
    provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(path)))
    program(provider.get_tracer("agent"))
    provider.shutdown()
    return path


def span(
    tracer: Tracer, name: str, begin: int, end: int, parent: Any = None, kind: SpanKind = SpanKind.INTERNAL, **said: Any
) -> Any:
    """A span of known times; `said` are attributes, '__' for '.'."""
    context = set_span_in_context(parent) if parent is not None else None
    attributes = {key.replace("__", "."): value for key, value in said.items()}
    made = tracer.start_span(name, context=context, kind=kind, start_time=begin, attributes=attributes)
    made.end(end_time=end)
    return made


def agent(at: int) -> Callable[[Tracer], None]:
    """An agent of 2 s from `at`: it thinks, uses a tool that asks another model, and answers."""

    def program(tracer: Tracer) -> None:
        chat = {
            "gen_ai__operation__name": "chat",
            "gen_ai__provider__name": "groq",
            "gen_ai__request__model": "llama-3.3-70b",
            "server__address": "api.groq.com",
        }
        root = span(tracer, "invoke_agent", at, at + 2 * NS, gen_ai__operation__name="invoke_agent")
        first = span(
            tracer, "chat", at + 100 * MS, at + 600 * MS, root, SpanKind.CLIENT,
            gen_ai__usage__input_tokens=412, gen_ai__usage__output_tokens=57,
            gen_ai__response__finish_reasons=("tool_calls",), **chat,
        )  # fmt: skip
        span(tracer, "POST", at + 110 * MS, at + 590 * MS, first, SpanKind.CLIENT, http__request__method="POST")
        tool = span(
            tracer, "execute_tool", at + 700 * MS, at + 1500 * MS, root,
            gen_ai__operation__name="execute_tool", gen_ai__tool__name="search",
        )  # fmt: skip
        inner = span(tracer, "retry", at + 800 * MS, at + 1300 * MS, tool)
        span(
            tracer, "chat", at + 900 * MS, at + 1200 * MS, inner, SpanKind.CLIENT,
            **{**chat, "server__address": "localhost", "gen_ai__request__model": "phi-4"},
        )  # fmt: skip
        last = tracer.start_span(
            "chat", set_span_in_context(root), SpanKind.CLIENT, start_time=at + 1600 * MS,
            attributes={name.replace("__", "."): value for name, value in chat.items()},
        )  # fmt: skip
        last.set_status(Status(StatusCode.ERROR, "429 too many requests"))
        last.end(at + 1900 * MS)

    return program


def test_spans_of_an_agent_become_its_steps_and_calls(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")
    summary = import_traces([trace(tmp_path / "traces.jsonl", agent(at))], landing)
    assert summary.rows == {"llm_interactions": 3, "orchestration_events": 5}
    events = otel_events(landing)
    seen = [
        (e["event_type"], e["phase"], (e["start_time_ns"] - at) // MS, (e["end_time_ns"] - at) // MS) for e in events
    ]
    assert seen == [
        ("invoke_agent", None, 0, 2000),
        ("llm_call", "planning", 100, 600),
        ("tool_call", "execution", 700, 1500),
        ("llm_call", "execution", 900, 1200),
        ("llm_call", "synthesis", 1600, 1900),
    ]
    details = [json.loads(event["detail_json"]) for event in events]
    assert [detail.get("parent_step_index") for detail in details] == [None, 0, 0, 2, 0]
    assert details[2]["gen_ai.tool.name"] == "search"
    calls = rows(landing, "llm_interactions", by="step_index")
    assert [call["step_index"] for call in calls] == [1, 3, 4]
    assert [(c["model_name"], c["provider"]) for c in calls] == [
        ("llama-3.3-70b", "groq"), ("phi-4", "groq"), ("llama-3.3-70b", "groq")
    ]  # fmt: skip
    assert [c["prompt_tokens"] for c in calls] == [412, None, None]
    assert [c["total_tokens"] for c in calls] == [469, None, None]
    assert [c["api_latency_ms"] for c in calls] == [500.0, 300.0, 300.0]
    assert [c["non_local_ms"] for c in calls] == [500.0, None, 300.0]
    assert [c["local_compute_ms"] for c in calls] == [None, 300.0, None]
    assert [c["compute_time_ms"] for c in calls] == [None, 300.0, None]
    assert [c["status"] for c in calls] == ["success", "success", "error"]
    assert calls[2]["error_message"] == "429 too many requests"
    assert summary.notes == ["2 span(s) say nothing of GenAI: their time is part of the step around them"]


def sdk_call(tracer: Tracer, begin: int, end: int, parent: Any, **said: Any) -> Any:
    """One call as the model's SDK traces it."""
    return span(
        tracer, "chat", begin, end, parent, SpanKind.CLIENT,
        gen_ai__operation__name="chat", gen_ai__request__model="llama-3.3-70b", server__address="api.groq.com", **said,
    )  # fmt: skip


def test_a_call_that_framework_and_sdk_both_trace_is_one(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")

    def program(tracer: Tracer) -> None:
        outer = span(
            tracer, "ChatModel", at, at + 900 * MS,
            gen_ai__operation__name="chat", gen_ai__request__model="of the framework", gen_ai__system="groq",
            gen_ai__usage__prompt_tokens=412, gen_ai__usage__output_tokens=99,
            gen_ai__response__finish_reasons=("tool_calls",),
        )  # fmt: skip
        retry = span(tracer, "retry", at + 10 * MS, at + 890 * MS, outer)
        sdk_call(tracer, at + 100 * MS, at + 800 * MS, retry, gen_ai__usage__output_tokens=57)

    summary = import_traces([trace(tmp_path / "traces.jsonl", program)], landing)
    assert summary.rows == {"llm_interactions": 1, "orchestration_events": 2}
    assert [(e["event_type"], e["phase"]) for e in otel_events(landing)] == [("llm_call", "planning")] * 2
    [call] = rows(landing, "llm_interactions", by="step_index")
    names = ("step_index", "model_name", "provider", "prompt_tokens", "completion_tokens", "total_tokens")
    assert [call[name] for name in names] == [1, "llama-3.3-70b", "groq", 412, 57, 469]
    assert (call["api_latency_ms"], call["non_local_ms"]) == (700.0, 700.0)


def test_each_call_within_one_llm_span_counts_and_takes_nothing_from_it(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")

    def program(tracer: Tracer) -> None:
        outer = span(tracer, "ChatModel", at, at + NS, gen_ai__operation__name="chat", gen_ai__usage__input_tokens=500)
        sdk_call(tracer, at + 100 * MS, at + 300 * MS, outer, gen_ai__usage__input_tokens=200)
        sdk_call(tracer, at + 400 * MS, at + 700 * MS, outer)

    import_traces([trace(tmp_path / "traces.jsonl", program)], landing)
    calls = rows(landing, "llm_interactions", by="step_index")
    assert [(call["step_index"], call["prompt_tokens"]) for call in calls] == [(1, 200), (2, None)]
    assert sum(call["api_latency_ms"] for call in calls) == 500.0


def test_a_call_that_a_tool_of_a_call_makes_is_another_one(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")

    def program(tracer: Tracer) -> None:
        outer = sdk_call(tracer, at, at + NS, None, gen_ai__usage__input_tokens=500)
        tool = span(tracer, "tool", at + 100 * MS, at + 900 * MS, outer, gen_ai__operation__name="execute_tool")
        sdk_call(tracer, at + 200 * MS, at + 300 * MS, tool, gen_ai__usage__input_tokens=7)

    import_traces([trace(tmp_path / "traces.jsonl", program)], landing)
    calls = rows(landing, "llm_interactions", by="step_index")
    assert [(call["step_index"], call["prompt_tokens"]) for call in calls] == [(0, 500), (2, 7)]


def test_energy_goes_to_the_innermost_span_and_sums_to_the_run(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")
    import_traces([trace(tmp_path / "traces.jsonl", agent(at))], landing)
    for path in (landing / "orchestration_events").rglob("*.parquet"):
        if not any((e["source_event_id"] or "").startswith("otel:") for e in pads.dataset(path).to_table().to_pylist()):
            path.unlink()  # the run's own two steps, which would lie under the spans
    materialize(landing.parent)
    with connect_published(Warehouse(landing.parent).published_path) as con:
        owned = con.execute(
            "SELECT event_type, own_ns / 1e6, own_energy_uj / 1e6, event_energy_uj / 1e6 FROM main.event_energy "
            "ORDER BY step_index"
        ).fetchall()
        [(energy_j, n_tools, n_calls)] = con.execute(
            "SELECT total_energy_uj / 1e6, tool_calls, llm_calls FROM main.runs WHERE workflow_type = 'agentic'"
        ).fetchall()
    # The same by hand: each of 2,000 ms belongs to the shortest span over it, at 8 W.
    spans = [(0, 2000), (100, 600), (700, 1500), (900, 1200), (1600, 1900)]
    owner = [
        min((end - start, n) for n, (start, end) in enumerate(spans) if start <= ms < end)[1] for ms in range(2000)
    ]
    own_ms = np.bincount(owner, minlength=5)
    assert [row[1] for row in owned] == pytest.approx(own_ms.tolist(), abs=1e-5)
    assert [row[2] for row in owned] == pytest.approx((own_ms * 8e-3).tolist(), abs=1e-5)
    assert [row[3] for row in owned] == pytest.approx([(end - start) * 8e-3 for start, end in spans], abs=1e-5)
    assert sum(row[2] for row in owned) == pytest.approx(energy_j, abs=1e-6)
    assert (energy_j, n_tools, n_calls) == (pytest.approx(16.0, abs=1e-5), 1, 3)


def test_dropping_again_changes_nothing(landing: Path, tmp_path: Path) -> None:
    path = trace(tmp_path / "traces.jsonl", agent(run_start(landing, "agentic")))
    stray = trace(tmp_path / "stray.jsonl", agent(run_start(landing, "agentic") + 3600 * NS))
    import_traces([path, stray], landing)
    before = sorted(landing.rglob("*.parquet"))
    again = import_traces([path, path, stray], landing)
    assert set(again.rows.values()) == {0}
    assert again.files == []
    assert sorted(landing.rglob("*.parquet")) == before


def test_spans_outside_every_run_are_rejected_with_the_reason(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")
    between = trace(tmp_path / "between.jsonl", agent(at - 3 * NS))
    elsewhere = trace(tmp_path / "elsewhere.jsonl", agent(at), host="lab-2")
    summary = import_traces([between, elsewhere], landing)
    assert summary.rows == {"usage_rejects": 10}
    reasons = {row["reason"] for row in rows(landing, "usage_rejects", by="reason")}
    assert reasons == {
        f"the span lies in no run of {host}; name the measured host by --host, or drop the run first"
        for host in ("lab-1", "lab-2")
    }
    materialize(landing.parent)
    with connect_published(Warehouse(landing.parent).published_path) as con:
        [(n,)] = con.execute("SELECT sum(n_rows) FROM ops.quarantine WHERE dataset = 'usage_rejects'").fetchall()
    assert n == 10
    # Named by hand, the other host's spans find the run.
    assert import_traces([elsewhere], landing, host="lab-1").rows["orchestration_events"] == 5


def test_a_span_in_two_overlapping_runs_is_rejected(landing: Path, tmp_path: Path) -> None:
    drop_day(landing, DAY, hour=12)  # the same session again: same runs, newer records
    at = run_start(landing, "agentic")
    path = trace(tmp_path / "traces.jsonl", agent(at))
    assert import_traces([path], landing).rows["orchestration_events"] == 5  # one run, recorded twice
    other = trace(tmp_path / "other.jsonl", agent(at))
    records = rows(landing, "runs")
    from collectors import contract
    from collectors.drop import drop_rows

    twin = {**records[-1], "run_key": 77, "source_run_id": "twin"}
    drop_rows(landing, contract.RUNS, [twin], host="lab-1", producer="tests", date=DAY)
    summary = import_traces([other], landing)
    assert summary.rows == {"usage_rejects": 5}
    assert "several runs" in summary.notes[0]


def test_edges_within_the_clocks_tolerance_are_moved_into_the_run(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")
    path = trace(
        tmp_path / "traces.jsonl",
        lambda tracer: span(
            tracer, "agent", at - 20 * MS, at + 2 * NS + 49 * MS, gen_ai__operation__name="invoke_agent"
        ),
    )
    import_traces([path], landing)
    [event] = otel_events(landing)
    assert (event["start_time_ns"], event["end_time_ns"]) == (at, at + 2 * NS)


def test_a_child_of_its_parents_extent_is_the_innermost(landing: Path, tmp_path: Path) -> None:
    at = run_start(landing, "agentic")

    def program(tracer: Tracer) -> None:
        around = None
        for operation in ("invoke_agent", "invoke_workflow", "chat"):
            around = span(tracer, operation, at, at + NS, around, gen_ai__operation__name=operation)

    import_traces([trace(tmp_path / "traces.jsonl", program)], landing)
    events = otel_events(landing)
    assert [event["event_type"] for event in events] == ["invoke_agent", "invoke_workflow", "llm_call"]
    assert all(inner["start_time_ns"] == outer["start_time_ns"] + 1 for outer, inner in pairwise(events))


def test_a_pretty_printed_document_reads_as_lines_do(landing: Path, tmp_path: Path) -> None:
    """As a collector's debug exporter or a notebook writes it: one document, numbers as numbers, kinds by name."""
    at = run_start(landing, "agentic")
    lines = trace(tmp_path / "traces.jsonl", agent(at))
    documents = [json.loads(line) for line in lines.read_text().splitlines()]
    whole = {"resourceSpans": [resource for document in documents for resource in document["resourceSpans"]]}
    for resource in whole["resourceSpans"]:
        for raw in resource["scopeSpans"][0]["spans"]:
            raw["startTimeUnixNano"] = int(raw["startTimeUnixNano"])
            raw["kind"] = {1: "SPAN_KIND_INTERNAL", 3: "SPAN_KIND_CLIENT"}[raw["kind"]]
    pretty = tmp_path / "traces.json"
    pretty.write_text(json.dumps(whole, indent=2))
    import_traces([pretty], landing)
    by_document = otel_events(landing)
    assert len(by_document) == 5
    assert set(import_traces([lines], landing).rows.values()) == {0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spanId": ""}, "id is empty"),
        ({"startTimeUnixNano": "soon"}, "no integer of ns"),
        ({"endTimeUnixNano": "1"}, "ends before it starts"),
        ({"endTimeUnixNano": None}, "no integer of ns"),
    ],
)
def test_a_broken_span_is_rejected_and_its_neighbours_stay(
    landing: Path, tmp_path: Path, change: Row, reason: str
) -> None:
    path = trace(tmp_path / "traces.jsonl", agent(run_start(landing, "agentic")))
    lines = path.read_text().splitlines()
    broken = next(n for n, line in enumerate(lines) if "execute_tool" in line)
    document = json.loads(lines[broken])
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= change
    lines[broken] = json.dumps(document)
    path.write_text("\n".join([*lines, "{cut off"]))
    summary = import_traces([path], landing)
    assert summary.rows == {"llm_interactions": 3, "orchestration_events": 4, "usage_rejects": 2}
    assert any(reason in note for note in summary.notes)


def test_a_file_that_holds_no_traces_is_named(landing: Path, tmp_path: Path) -> None:
    path = tmp_path / "traces.pb"
    path.write_bytes(b"\x0a\x9f\x01\x0a")
    with pytest.raises(NotTraces, match=r"traces\.pb: no JSON .*not Protobuf"):
        import_traces([path], landing)


def test_the_command_says_what_it_dropped(landing: Path, tmp_path: Path) -> None:
    path = trace(tmp_path / "traces.jsonl", agent(run_start(landing, "agentic")))
    result = CliRunner().invoke(app, ["otel", str(path), "--landing", str(landing), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == [
        {"dataset": "llm_interactions", "rows": 3},
        {"dataset": "orchestration_events", "rows": 5},
    ]


def test_the_command_fails_where_it_takes_nothing_of_what_there_is(landing: Path, tmp_path: Path) -> None:
    def code(*paths: Path) -> int:
        return CliRunner().invoke(app, ["otel", *map(str, paths), "--landing", str(landing)]).exit_code

    at = run_start(landing, "agentic")
    stray = trace(tmp_path / "stray.jsonl", agent(at + 3600 * NS))
    no_lines = tmp_path / "no_lines.jsonl"
    no_lines.write_text('{"a": 1}\n{cut off\n')
    assert [code(stray), code(stray), code(no_lines)] == [1, 1, 1]
    taken = trace(tmp_path / "taken.jsonl", agent(at))
    assert [code(taken, stray), code(taken, stray), code(taken)] == [0, 0, 0], "again: taken before"
    nothing = tmp_path / "nothing.jsonl"
    nothing.write_text("")
    assert code(nothing) == 0
