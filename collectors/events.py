"""What a measured program imports to say what it is doing: `step`, `llm_call` and `condition`; nothing else.

    from collectors.events import condition, llm_call, step

    condition("temperature", 0.2)
    with step("planning", "llm_call"):
        answer = ask(model, prompt)
        llm_call(prompt_tokens=412, completion_tokens=57, api_latency_ms=830.5)
    with step("execution", "tool_call", tool="calculator"):
        ...

Each call appends one line to the file that the environment variable ALEMS_EVENTS names; `alems-collect` sets it for the
command that it measures. Without it (read once, at import) every call does nothing. Nothing here raises because of the
measurement: what cannot be written is lost; what makes no sense is kept as a rejected line, and `alems-collect` says so
when the command has ended.
Standard library only, and this one file only: it may be copied into a program that lacks this package.

The file, for programs in other languages
-----------------------------------------
UTF-8, one JSON object per line, at most 4 MiB each, appended with O_APPEND and one write() per line, so that several
processes may share the file. Times are integers in ns: `…_ns` is the wall clock (since 1970, UTC), `…_mono_ns` is
CLOCK_MONOTONIC. The wall clock is enough; where both are given CLOCK_MONOTONIC counts. Unknown names are ignored.

`{"type": "step", "phase": "planning", "event_type": "llm_call", "start_ns": 1790000000000000000, "end_ns": …}`
    One step, written when it has ended. phase: planning, execution, waiting or synthesis (may be left out; of any
    other word the step counts to the phase around it, and `alems-collect` says so); event_type: llm_call, tool_call,
    waiting or any other word. Optional: start_mono_ns and end_mono_ns; step_index (default: the
    position by start among the run's steps); step_id and parent_id, any text, by which other lines name this step and
    by which it names the step around it; detail, an object kept as it is.
`{"type": "llm_call", "prompt_tokens": 412, "completion_tokens": 57, "api_latency_ms": 830.5}`
    One call of a language model: any of the arguments of llm_call() below. Optional: time_ns, mono_ns; step_index, or
    the step_id of the step that made the call.
`{"type": "condition", "name": "temperature", "value": 0.2}`
    A named string, integer, float or bool of the run; the last line of a name counts. Optional: time_ns, mono_ns.
    Two names mean something here: `success`, a bool, whether the run answered its query; `attempts`, an integer, how
    often it tried. With them energy per successful query is known.
"""

import itertools
import os
import time
from contextvars import ContextVar

_path = os.environ.get("ALEMS_EVENTS") or None
_descriptor = -1
_step_numbers = itertools.count()  # next() is atomic: threads share it without a lock
_current_step: ContextVar[str | None] = ContextVar("alems_step", default=None)  # per thread and per asyncio task


class _NoStep:
    """The step of a program that is not being measured."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        return None


class _Step(_NoStep):
    __slots__ = ("_detail", "_event_type", "_id", "_parent", "_phase", "_start_mono_ns", "_start_ns")

    def __init__(self, phase: str | None, event_type: str, detail: dict[str, object]) -> None:
        self._phase = phase
        self._event_type = event_type
        self._detail = detail

    def __enter__(self) -> None:
        # The pid makes the id unique among forked processes, which count on from the same number.
        self._id = f"{os.getpid()}-{next(_step_numbers)}"
        self._parent = _current_step.get()
        _current_step.set(self._id)
        self._start_ns = time.time_ns()
        self._start_mono_ns = time.monotonic_ns()

    def __exit__(self, *exception: object) -> None:
        end_mono_ns = time.monotonic_ns()
        end_ns = time.time_ns()
        _current_step.set(self._parent)
        if isinstance(exception[0], type):
            self._detail["error"] = exception[0].__name__
        line: dict[str, object] = {
            "type": "step",
            "phase": self._phase,
            "event_type": self._event_type,
            "start_ns": self._start_ns,
            "end_ns": end_ns,
            "start_mono_ns": self._start_mono_ns,
            "end_mono_ns": end_mono_ns,
            "step_id": self._id,
        }
        if self._parent is not None:
            line["parent_id"] = self._parent
        if self._detail:
            line["detail"] = self._detail
        _append(line)


_NO_STEP = _NoStep()


def step(phase: str | None, event_type: str, **detail: object) -> _NoStep:
    """A context that records one step of the run: what stands inside the `with` is its duration.

    `phase` is planning, execution, waiting, synthesis or None; `event_type` is llm_call, tool_call, waiting or any
    other word. `detail` is kept with the step (for a tool_call say tool="name"). Steps nest. A step that ends in an
    exception is recorded too, with the exception's name as its detail "error".
    """
    if _path is None:
        return _NO_STEP
    return _Step(phase, event_type, detail)


def llm_call(
    *,
    prompt_tokens: int | None = None,
    completion_tokens: int | None = None,
    total_tokens: int | None = None,
    api_latency_ms: float | None = None,
    compute_time_ms: float | None = None,
    total_time_ms: float | None = None,
    preprocess_ms: float | None = None,
    non_local_ms: float | None = None,
    local_compute_ms: float | None = None,
    postprocess_ms: float | None = None,
    app_throughput_kbps: float | None = None,
    cpu_percent_during_wait: float | None = None,
    bytes_sent_approx: int | None = None,
    bytes_recv_approx: int | None = None,
    tcp_retransmits: int | None = None,
    model_name: str | None = None,
    provider: str | None = None,
    prompt: str | None = None,
    response: str | None = None,
    status: str | None = None,
    error_message: str | None = None,
) -> None:
    """Record one call of a language model, made within the current step; times in ms. What is not known is left out.

    `non_local_ms` is time spent waiting for somebody else's computer, `local_compute_ms` time spent computing here.
    `model_name` and `provider` default to those of the run. Prompt and response are kept only where given.
    """
    if _path is None:
        return
    given = {name: value for name, value in locals().items() if value is not None}
    _append({"type": "llm_call", **_now(), **given})


def condition(name: str, value: str | int | float | bool) -> None:
    """Attach a named value to the run, by which it can be found and grouped later. The last value of a name counts."""
    if _path is None:
        return
    _append({"type": "condition", "name": name, "value": value, **_now()})


def _now() -> dict[str, object]:
    now: dict[str, object] = {"time_ns": time.time_ns(), "mono_ns": time.monotonic_ns()}
    current = _current_step.get()
    if current is not None:
        now["step_id"] = current
    return now


def _append(line: dict[str, object]) -> None:
    """Write one line with one write(): with O_APPEND, lines of threads and of forked processes never mix."""
    global _descriptor
    # json costs more to import than all the rest: a program that is not being measured never pays for it.
    import json

    try:
        data = json.dumps(line, default=_plain).encode() + b"\n"
        if _descriptor < 0:
            assert _path is not None
            _descriptor = os.open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.write(_descriptor, data)
    except Exception:
        return  # neither a full disk nor an odd value may break the program that is being measured


def _plain(value: object) -> object:
    """NumPy and tensor scalars as numbers, anything else as text."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
