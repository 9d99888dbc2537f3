"""The event helper that measured programs import, and the reader of what they write."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import contract, event_file
from collectors.drop import conform
from collectors.event_file import EventRows, RunFrame, read_events

START = 1_790_000_000_000_000_000
END = START + 2_000_000_000
MONO_AT_START = 5_000_000_000
RUN = RunFrame(
    run_key=7,
    start_ns=START,
    end_ns=END,
    to_utc_ns=lambda mono: mono - MONO_AT_START + START,
    workflow_type="agentic",
    model_name="m1",
    provider="p1",
)
STEP: dict[str, Any] = {"type": "step", "phase": "planning", "event_type": "llm_call", "start_ns": START, "end_ns": END}


def read_lines(folder: Path, *lines: object) -> EventRows:
    """What the reader makes of these lines: objects as JSON, bytes and text as they are."""
    encoded = [
        line if isinstance(line, bytes) else line.encode() if isinstance(line, str) else json.dumps(line).encode()
        for line in lines
    ]
    path = folder / "events.jsonl"
    path.write_bytes(b"\n".join(encoded) + b"\n")
    return read_events(path, RUN)


def reason(folder: Path, line: object) -> str:
    rows = read_lines(folder, line)
    assert len(rows.rejected) == rows.n_lines == 1
    return str(rows.rejected[0]["reason"])


def run_program(source: str, events: Path | None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "ALEMS_EVENTS"}
    if events is not None:
        environment["ALEMS_EVENTS"] = str(events)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)], env=environment, check=True, capture_output=True, text=True
    ).stdout


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# What a program writes


def test_a_program_that_is_not_measured_writes_nothing_and_pays_almost_nothing(tmp_path: Path) -> None:
    output = run_program(
        f"""
        import os, sys, timeit
        before = set(sys.modules)
        os.chdir({str(tmp_path)!r})
        from collectors.events import condition, llm_call, step
        heavy = {{"json", "pyarrow", "re", "typing", "dataclasses"}} & (set(sys.modules) - before)
        def one_step():
            with step("planning", "llm_call"):
                pass
        def one_call():
            llm_call(prompt_tokens=1, completion_tokens=2, api_latency_ms=3.0)
        def one_condition():
            condition("a", 1)
        costs = [min(timeit.repeat(f, number=2000, repeat=20)) / 2000 for f in (one_step, one_call, one_condition)]
        print(max(costs) * 1e6, sorted(heavy))
        """,
        None,
    )
    cost_us, heavy = output.split(maxsplit=1)
    assert float(cost_us) < 1.0
    assert heavy.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_steps_nest_and_calls_name_the_step_around_them(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    run_program(
        """
        from collectors.events import condition, llm_call, step
        condition("before", True)
        with step("execution", "tool_call", tool="calculator"):
            with step("execution", "llm_call"):
                llm_call(prompt_tokens=3, completion_tokens=4, non_local_ms=1.5)
        with step("synthesis", "llm_call"):
            pass
        """,
        events,
    )
    first = written(events)[0]  # the condition, set before all steps
    run = RunFrame(
        run_key=7,
        start_ns=first["time_ns"] - 1_000_000,
        end_ns=first["time_ns"] + 60_000_000_000,
        to_utc_ns=lambda mono: mono - first["mono_ns"] + first["time_ns"],
        workflow_type="linear",
        model_name="m",
        provider="p",
    )
    rows = read_events(events, run)

    assert not rows.rejected
    outer, inner, last = rows.events
    assert [e["step_index"] for e in rows.events] == [0, 1, 2]
    assert [e["phase"] for e in rows.events] == ["execution", "execution", "synthesis"]
    assert outer["start_time_ns"] <= inner["start_time_ns"] <= inner["end_time_ns"] <= outer["end_time_ns"]
    assert outer["end_time_ns"] <= last["start_time_ns"]
    assert json.loads(outer["detail_json"]) == {"tool": "calculator"}
    assert json.loads(inner["detail_json"]) == {"parent_step_index": 0}
    assert last["detail_json"] is None
    (call,) = rows.llm_calls
    assert (call["step_index"], call["prompt_tokens"], call["total_tokens"], call["non_local_ms"]) == (1, 3, 7, 1.5)
    assert (call["workflow_type"], call["model_name"], call["provider"]) == ("linear", "m", "p")
    assert rows.conditions[0]["bool_value"] is True


def test_a_step_that_fails_is_recorded_with_its_exception(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    run_program(
        """
        from collectors.events import step
        try:
            with step("execution", "tool_call"):
                raise LookupError("no")
        except LookupError:
            pass
        """,
        events,
    )
    assert written(events)[0]["detail"] == {"error": "LookupError"}


def test_lines_of_threads_and_forked_processes_never_mix(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    run_program(
        """
        import os, threading
        from collectors.events import condition, step
        def work():
            for i in range(50):
                with step("execution", "tool_call", padding="x" * 5000):
                    pass
        condition("opened before the fork", 1)
        children = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                threads = [threading.Thread(target=work) for _ in range(3)]
                [t.start() for t in threads]
                [t.join() for t in threads]
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        """,
        events,
    )
    steps = [line for line in written(events) if line["type"] == "step"]
    assert len(steps) == 3 * 3 * 50
    assert len({line["step_id"] for line in steps}) == len(steps)


def test_odd_values_and_an_unwritable_file_never_reach_the_program(tmp_path: Path) -> None:
    source = """
        import numpy
        from collectors.events import condition, llm_call, step
        condition("scalar", numpy.int64(5))
        condition("array", numpy.arange(3))
        condition("cycle", (lambda x: x.append(x) or x)([]))
        condition("nan", float("nan"))
        llm_call(prompt_tokens=numpy.float32(2.0))
        with step("execution", "tool_call", what=object()):
            print("done")
        """
    events = tmp_path / "events.jsonl"
    assert run_program(source, events) == "done\n"
    lines = written(events)
    assert lines[0]["value"] == 5
    assert [line["type"] for line in lines] == ["condition", "condition", "llm_call", "step"]
    assert run_program(source, tmp_path / "no" / "such" / "folder") == "done\n"


# What the reader makes of it


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none", RUN) == EventRows()


def test_a_program_in_another_language_gives_wall_clock_times_only(tmp_path: Path) -> None:
    rows = read_lines(
        tmp_path,
        '{"type": "step", "phase": "waiting", "event_type": "waiting", "start_ns": 1.79e18, "end_ns": 1.7900000005e18}',
        {"type": "llm_call", "prompt_tokens": 3, "step_index": 9},
        {"type": "condition", "name": "n", "value": "first"},
        {"type": "condition", "name": "n", "value": "second"},
    )
    assert not rows.rejected
    (event,) = rows.events
    assert (event["start_time_ns"], event["end_time_ns"]) == (START, START + 500_000_000)
    (call,) = rows.llm_calls
    assert (call["step_index"], call["completion_tokens"], call["total_tokens"], call["created_at"]) == (
        9,
        None,
        None,
        None,
    )
    first, second = rows.conditions
    assert first["recorded_at"] < second["recorded_at"], "the last line of a name counts"


def test_a_wall_clock_set_back_changes_nothing_where_monotonic_times_are_given(tmp_path: Path) -> None:
    rows = read_lines(
        tmp_path,
        STEP
        | {
            "start_ns": START,
            "end_ns": START - 3_600_000_000_000,
            "start_mono_ns": MONO_AT_START + 10,
            "end_mono_ns": MONO_AT_START + 30,
        },
    )
    assert (rows.events[0]["start_time_ns"], rows.events[0]["end_time_ns"]) == (START + 10, START + 30)


def test_another_monotonic_clock_gives_way_to_the_wall_clock(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, STEP | {"start_mono_ns": 1, "end_mono_ns": 2})
    assert (rows.events[0]["start_time_ns"], rows.events[0]["end_time_ns"]) == (START, END)


def test_a_coarse_wall_clock_is_moved_to_the_edge_of_the_run(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, STEP | {"start_ns": START - 1_000_000, "end_ns": START - 400_000})
    assert (rows.events[0]["start_time_ns"], rows.events[0]["end_time_ns"]) == (START, START)


@pytest.mark.parametrize(
    ("value", "column", "kind"),
    [
        ("a", "text_value", "string"),
        (3, "int_value", "int"),
        (0.5, "float_value", "float"),
        (False, "bool_value", "bool"),
    ],
)
def test_a_condition_keeps_its_type(tmp_path: Path, value: object, column: str, kind: str) -> None:
    (row,) = read_lines(tmp_path, {"type": "condition", "name": "c", "value": value, "time_ns": START}).conditions
    assert (row["value_type"], row[column]) == (kind, value)
    others = {"text_value", "int_value", "float_value", "bool_value"} - {column}
    assert all(row.get(other) is None for other in others)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"type": "step"', "bad JSON"),
        ("[1]", "bad JSON: not an object"),
        ("NaN", "bad JSON: NaN is no JSON value"),
        ("[" * 100_000, "bad JSON"),
        ("", "empty line"),
        (b"\xff\xfe\x00", "not UTF-8 text: byte 1"),
        ({"phase": "planning"}, "missing field: type"),
        ({"type": "span"}, "unknown type 'span'"),
        ({**STEP, "event_type": None}, "missing field: event_type"),
        ({**STEP, "start_ns": None}, "missing field: start_ns"),
        ({**STEP, "end_ns": None}, "missing field: end_ns"),
        ({**STEP, "start_ns": "now"}, "start_ns 'now' is no integer"),
        ({**STEP, "start_ns": 10**30}, "does not fit into 64 bits"),
        ({**STEP, "start_ns": START + 9, "end_ns": START + 4}, "negative duration: -5 ns"),
        ({**STEP, "end_ns": END + 3_000_000_000}, "time outside the run: end_ns is 3000000000 ns after it"),
        ({**STEP, "start_ns": START - 60_000_000}, "time outside the run: start_ns is 60000000 ns before it"),
        ({**STEP, "detail": [1]}, "detail is not an object"),
        ('{"type": "step", "event_type": "x", "detail": {"a": 1e999}}', "detail cannot be written as JSON"),
        ({**STEP, "event_type": "\ud800"}, "half a surrogate pair"),
        ({"type": "llm_call", "prompt_tokens": -1}, "negative prompt_tokens"),
        ({"type": "llm_call", "api_latency_ms": -0.5}, "negative api_latency_ms"),
        ({"type": "llm_call", "api_latency_ms": True}, "api_latency_ms True is no number"),
        ({"type": "llm_call", "prompt": 5}, "prompt 5 is no text"),
        ({"type": "llm_call", "time_ns": 5}, "time outside the run"),
        ({"type": "condition", "value": 5}, "missing field: name"),
        ({"type": "condition", "name": "n"}, "missing field: value"),
        ({"type": "condition", "name": "n", "value": [1]}, "value [1] is no string"),
        ({"type": "condition", "name": "n", "value": 2**63}, "is no string, finite number"),
        (
            {"type": "condition", "name": "success", "value": "yes"},
            "condition success 'yes' is of type string; give it as bool",
        ),
        ({"type": "condition", "name": "success", "value": 1}, "condition success 1 is of type int; give it as bool"),
        (
            {"type": "condition", "name": "attempts", "value": True},
            "condition attempts True is of type bool; give it as int",
        ),
    ],
)
def test_a_broken_line_is_kept_with_its_reason(tmp_path: Path, line: object, expected: str) -> None:
    assert expected in reason(tmp_path, line)


def test_a_reason_is_said_once(tmp_path: Path) -> None:
    assert reason(tmp_path, "NaN") == "bad JSON: NaN is no JSON value"


def test_a_step_of_an_unknown_phase_counts_without_a_phase(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, STEP | {"phase": "llm_call", "event_type": "plan", "detail": {"a": 1}}, STEP)
    assert [(event["phase"], event["event_type"]) for event in rows.events] == [
        (None, "plan"),
        ("planning", "llm_call"),
    ]
    assert json.loads(rows.events[0]["detail_json"]) == {"a": 1, "unknown_phase": "llm_call"}
    assert (rows.rejected, rows.unknown_phases) == ([], {"llm_call": 1})


def test_a_broken_line_does_not_stop_the_others(tmp_path: Path) -> None:
    rows = read_lines(tmp_path, "garbage", STEP, b"\x80", STEP | {"start_ns": START + 1})
    assert [r["line_number"] for r in rows.rejected] == [1, 3]
    assert [r["line"] for r in rows.rejected] == ["garbage", "\\x80"]
    assert [e["step_index"] for e in rows.events] == [0, 1]


def test_an_over_long_line_is_rejected_by_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "MAX_LINE_BYTES", 200)
    exact = json.dumps(STEP)
    exact += " " * (200 - len(exact))
    rows = read_lines(tmp_path, "x" * 1000, exact, "y" * 201)
    assert [(r["line_number"], r["reason"]) for r in rows.rejected] == [
        (1, "over-long line: more than 200 bytes"),
        (3, "over-long line: more than 200 bytes"),
    ]
    assert rows.rejected[0]["line"] == "x" * 201
    assert len(rows.events) == 1


def test_a_cut_off_last_line_is_tried_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = json.dumps(STEP)
    path.write_text(whole + "\n" + whole)
    assert len(read_events(path, RUN).events) == 2
    path.write_text(whole + "\n" + whole[:-5])
    rows = read_events(path, RUN)
    assert (len(rows.events), len(rows.rejected)) == (1, 1)


# Whatever stands in the file

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
times = st.integers(START - 10**8, END + 10**8) | st.integers() | json_values
likely_lines = st.fixed_dictionaries(
    {"type": st.sampled_from(["step", "llm_call", "condition"])},
    optional={
        "phase": st.sampled_from(event_file.PHASES) | json_values,
        "event_type": st.just("tool_call") | json_values,
        **dict.fromkeys(("start_ns", "end_ns", "time_ns", "start_mono_ns", "end_mono_ns", "mono_ns"), times),
        **dict.fromkeys(("step_index", "step_id", "parent_id", "detail", "name", "value", "prompt"), json_values),
        **{name: st.integers() | json_values for name in ("prompt_tokens", "completion_tokens", "api_latency_ms")},
    },
).map(lambda line: json.dumps(line).encode())
any_lines = st.lists(
    likely_lines | json_values.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=200), max_size=8
)


@given(lines=any_lines, ends_whole=st.booleans())
def test_every_line_is_accounted_for_exactly_once_and_fits_the_contract(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends_whole: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    content = b"\n".join(lines) + (b"\n" if ends_whole and lines else b"")
    path.write_bytes(content)

    rows = read_events(path, RUN)

    expected = content.count(b"\n") + (0 if content.endswith(b"\n") or not content else 1)
    parts = {
        contract.ORCHESTRATION_EVENTS: rows.events,
        contract.LLM_INTERACTIONS: rows.llm_calls,
        contract.RUN_CONDITIONS: rows.conditions,
        contract.REJECTED_LINES: rows.rejected,
    }
    assert rows.n_lines == expected == sum(map(len, parts.values()))
    for dataset, part in parts.items():
        names = {name for row in part for name in row}
        table = conform(dataset, {name: [row.get(name) for row in part] for name in names})
        assert isinstance(table, pa.Table) and table.num_rows == len(part)
    assert all(START <= e["start_time_ns"] <= e["end_time_ns"] <= END for e in rows.events)
    numbers = [r["line_number"] for r in rows.rejected]
    assert numbers == sorted(set(numbers)) and all(1 <= n <= rows.n_lines for n in numbers)
