"""The `alems-collect` command. Each command imports what it needs: help and errors come at once."""

import csv
import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from collectors import cli_conditions, cli_datasets, cli_inference, cli_tracking, cli_usage
from collectors.cli_common import (
    LandingOption,
    ShowProgress,
    country_option,
    landing_folder,
    not_empty,
    note,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from collectors.measure import RunResult
    from collectors.session import OnProgress, Session, Subject

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measure programs on this host, or read other systems' stores, into a landing folder of Parquet files.",
)

MAX_REASONS_TOLD: Final = 5
SIGNAL_EXIT: Final = 128  # a shell's exit code for a command that signal n ended is 128 + n

Row = dict[str, Any]


class Workflow(StrEnum):
    """The form of a measured program."""

    linear = "linear"
    agentic = "agentic"


JsonOption = Annotated[bool, typer.Option("--json", help="JSON, also to a terminal.")]
ExperimentOption = Annotated[str, typer.Option("--experiment", callback=not_empty, help="Experiment name.")]
TASK: Final = typer.Option("--task", callback=not_empty, help="Task identifier.")
MODEL: Final = typer.Option("--model", callback=not_empty, help="Model name.")
PROVIDER: Final = typer.Option("--provider", callback=not_empty, help="Who serves the model.")
CountryOption = Annotated[str | None, country_option("Grid region")]
BusyWattsOption = Annotated[
    float, typer.Option(min=0, help="Without an energy counter: power of a busy logical CPU, for the estimate.")
]
IdleWattsOption = Annotated[
    float, typer.Option(min=0, help="Without an energy counter: power of an idle logical CPU, for the estimate.")
]
GpuOption = Annotated[
    list[str] | None,
    typer.Option("--gpu", help="Index or UUID of a GPU whose energy counts, once for each; default: all GPUs."),
]
SessionOption = Annotated[
    str | None,
    typer.Option(
        "--session",
        callback=not_empty,
        help="Name of a session of this host that several calls go on with: their runs of one number are pairs.",
    ),
]
RepeatOption = Annotated[int, typer.Option(min=1, help="How many times.")]


def main() -> None:
    """Run the command; what is known to go wrong is one line on stderr and exit code 1."""
    try:
        app()
    except (OSError, RuntimeError) as error:
        say(f"alems-collect: {_message(error)}", style="red")
        sys.exit(1)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Which sensors this host has; for those that it has not: why, and how to enable them."""
    from collectors.doctor import examine

    findings = [asdict(finding) for finding in examine()]
    if not as_json:
        findings = [finding | {"available": "yes" if finding["available"] else "no"} for finding in findings]
    _show(findings, as_json, "Sensors of this host")


@app.command()
def baseline(
    seconds: Annotated[int, typer.Option(min=1, help="Windows of one second to measure.")] = 30,
    busy_watts: BusyWattsOption = 12.0,
    idle_watts: IdleWattsOption = 1.0,
    gpu: GpuOption = None,
    landing: LandingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the idle power of this host, for the runs of the next 24 hours. Leave the host alone meanwhile."""
    session = _session(landing, busy_watts, idle_watts, gpu)
    with progress_bar() as show:
        record = session.run_baseline(seconds=seconds, on_progress=_of_session(show))
    known = {name: value for name, value in record.items() if value is not None}
    if as_json:
        _show([known], as_json, "")
    else:
        _show([{"idle baseline": name, "value": value} for name, value in known.items()], as_json, "")


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    experiment: ExperimentOption,
    task: Annotated[str, TASK],
    workflow: Annotated[Workflow, typer.Option(help="Form of the program.")],
    model: Annotated[str, MODEL],
    provider: Annotated[str, PROVIDER],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD …", help="The command and its arguments.")],
    country: CountryOption = None,
    session_name: SessionOption = None,
    repeat: RepeatOption = 1,
    busy_watts: BusyWattsOption = 12.0,
    idle_watts: IdleWattsOption = 1.0,
    gpu: GpuOption = None,
    landing: LandingOption = None,
) -> None:
    """Measure a command. Its output and its exit code are passed on; what the collector says goes to stderr."""
    from collectors.session import Subject

    session = _session(landing, busy_watts, idle_watts, gpu, session_name)
    subject = Subject(experiment, task, model, provider, country)
    results = session.run_command(subject, workflow.value, command, repeat=repeat)
    _note_background(results)
    for result in results:
        say(_told(result, subject, session.is_estimated))
    sys.exit(_end(session, results))


@app.command()
def compare(
    linear: Annotated[str, typer.Option(help="The linear form's command line; no shell.")],
    agentic: Annotated[str, typer.Option(help="The agentic form's command line; no shell.")],
    experiment: ExperimentOption = "comparison",
    task: Annotated[str | None, TASK] = None,
    model: Annotated[str | None, MODEL] = None,
    provider: Annotated[str | None, PROVIDER] = None,
    country: CountryOption = None,
    session_name: SessionOption = None,
    repeat: RepeatOption = 3,
    cooldown: Annotated[float, typer.Option(min=0, help="Seconds to wait before each run.")] = 2.0,
    busy_watts: BusyWattsOption = 12.0,
    idle_watts: IdleWattsOption = 1.0,
    gpu: GpuOption = None,
    landing: LandingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure pairs of a linear and an agentic form: each warmed up once, the order alternating from pair to pair."""
    from collectors.session import Subject

    commands = [shlex.split(line) for line in (linear, agentic)]
    if not all(commands):
        raise typer.BadParameter("--linear and --agentic each need a command")
    session = _session(landing, busy_watts, idle_watts, gpu, session_name)
    subject = Subject(experiment, task, model, provider, country)
    with progress_bar() as show:
        results = session.compare(subject, *commands, repeat=repeat, cooldown_s=cooldown, on_progress=_of_session(show))
    _note_background(results)
    _note_rejections(results)
    _show([_summary(result) for result in results], as_json, f"Runs of {subject}")
    sys.exit(_end(session, results))


@app.command("alems-store")
def alems_store(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="SQLite stores of A-LEMS; never modified.")],
    landing: LandingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drop what existing A-LEMS stores hold; of one dropped before, only what is new."""
    from collectors.sources.alems_store import import_store

    rows: list[Row] = []
    for path in paths:
        with progress_bar() as show:
            summary = import_store(path, landing_folder(landing), progress=show)
        for message in summary.notes:
            note(f"{path}: {message}")
        rows += [{"store": str(path), "dataset": name, "rows": count} for name, count in summary.rows.items()]
    _show(rows, as_json, "Dropped")


@app.command()
def otel(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="OTLP JSON traces; all of a run together.")],
    host: Annotated[str | None, typer.Option(help="Measured host; default: the traces' host.name, else this.")] = None,
    landing: LandingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add OpenTelemetry spans of GenAI programs, as steps and LLM calls, to the measured runs that they lie in.

    Exit code 1 where something was rejected and nothing was taken.
    """
    from collectors.sources.otel import import_traces

    summary = import_traces(paths, landing_folder(landing), host=host)
    for message in summary.notes:
        note(message)
    _show([{"dataset": name, "rows": count} for name, count in summary.rows.items()], as_json, "Dropped")
    if summary.n_rejected and not summary.n_taken:
        sys.exit(1)


cli_inference.register(app)
cli_usage.register(app)
cli_datasets.register(app)
cli_tracking.register(app)
cli_conditions.register(app)


def _session(
    landing: Path | None, busy_watts: float, idle_watts: float, gpus: Sequence[str] | None, name: str | None = None
) -> "Session":
    from collectors.sensors.cpu_model import ModelWatts
    from collectors.session import Session

    try:
        watts = ModelWatts(busy_watts, idle_watts)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return Session(landing_folder(landing), tell=note, watts=watts, gpus=gpus or (), name=name)


def _end(session: "Session", results: Sequence["RunResult"]) -> int:
    """Say where the drops are. Returns the exit code, as a shell has it: of the signal that ended the series, else of
    the first command that failed."""
    say(f"Dropped in {session.place.landing.resolve()}; `alems materialize` brings it into the published file")
    if session.interrupted_by is not None:
        return SIGNAL_EXIT + session.interrupted_by
    failed = next((result.exit_code for result in results if result.exit_code), 0)
    return failed if failed >= 0 else SIGNAL_EXIT - failed


def _told(result: "RunResult", subject: "Subject", is_estimated: bool) -> str:
    """A run in one line."""
    error = f", {result.error}" if result.error else ""
    first = next(iter(result.rejections), None)
    rejected = f", {result.rows['rejected_lines']} event line(s) rejected, the first: {first}" if first else ""
    return (
        f"{result.workflow_type} run {result.run_number} of {subject}: {result.status}{error}; {result.seconds:.2f} s, "
        f"{result.rows.get('energy_samples', 0)} energy samples{' (estimated)' * is_estimated}, "
        f"{result.rows.get('orchestration_events', 0)} event(s){rejected}"
    )


def _note_background(results: Sequence["RunResult"]) -> None:
    """Say during which runs the host had too much else to do."""
    from collectors.sensors.idle_baseline import MAX_BUSY_PERCENT

    shares = {
        f"{result.workflow_type} run {result.run_number}": result.background_cpu_percent
        for result in results
        if result.background_cpu_percent is not None and result.background_cpu_percent > MAX_BUSY_PERCENT
    }
    if shares:
        which = next(iter(shares)) if len(shares) == 1 else f"{len(shares)} of {len(results)} runs"
        up_to, its = ("", "its") if len(shares) == 1 else ("up to ", "their")
        note(
            f"others took {up_to}{max(shares.values()):.0f} % of the host's CPU during {which}, more than "
            f"{MAX_BUSY_PERCENT:g} %: {its} figures are marked as not valid (run_quality); end what else runs here"
        )


def _note_rejections(results: Sequence["RunResult"]) -> None:
    """Say why lines of event files were rejected: each reason once."""
    reasons = sum((Counter(result.rejections) for result in results), Counter[str]())
    for reason, n_lines in reasons.most_common(MAX_REASONS_TOLD):
        note(f"{n_lines} event line(s) rejected: {reason}")
    if len(reasons) > MAX_REASONS_TOLD:
        n_lines = reasons.total() - sum(n for _, n in reasons.most_common(MAX_REASONS_TOLD))
        note(f"{n_lines} event line(s) rejected for other reasons; `alems materialize` and `alems status` say them all")


def _summary(result: "RunResult") -> Row:
    return {
        "pair": result.run_number,
        "workflow": result.workflow_type,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "energy samples": result.rows.get("energy_samples", 0),
        "events": result.rows.get("orchestration_events", 0),
        "rejected lines": result.rows.get("rejected_lines", 0),
        "error": result.error,
    }


# What a person or a pipe sees


def _show(rows: Sequence[Row], as_json: bool, title: str) -> None:
    """Rows of equal keys on stdout: a table for a person, tab-separated values for a pipe, JSON where asked for."""
    if as_json:
        print(json.dumps(rows, default=str, indent=2))
    elif not sys.stdout.isatty():
        writer = csv.writer(sys.stdout, dialect="excel-tab", lineterminator="\n")
        writer.writerows([list(rows[0]) if rows else [], *(row.values() for row in rows)])
    else:
        _show_table(rows, title)


def _show_table(rows: Sequence[Row], title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        cells = ["" if value is None else str(value) for value in row.values()]
        table.add_row(*(Text(cell, style=CELL_STYLES.get(cell, "")) for cell in cells))
    Console().print(table)


CELL_STYLES: Final = {"yes": "green", "no": "red", "completed": "green", "partial": "yellow", "failed": "red"}


def _of_session(show: ShowProgress) -> "OnProgress":
    return lambda state: show(state.text, state.done, state.total)


def _message(error: Exception) -> str:
    """The error in words, without the errno that Python puts before them."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    from collectors.drop import DropFailed

    if isinstance(error, DropFailed) and error.lost is not None:
        return error.lost
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{error.filename}: no such file; check the path"
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


if __name__ == "__main__":
    main()
