"""The `alems` command: build, look, query, demonstrate, back up. Dagster is imported only where a run is made."""

import hashlib
import json
import shutil
import sys
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from polars.exceptions import PolarsError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from alems_pipeline import build, cli_conditions
from alems_pipeline.build import LandingIncomplete, Plan
from alems_pipeline.cli_common import (
    Interrupted,
    UserError,
    WarehouseOption,
    interruptible,
    os_error_line,
    warehouse_of,
)
from alems_pipeline.conditions import NoConditions, QueryFormatError, RunNotFound, UnknownCondition
from alems_pipeline.evidence import NoEvidence, Verdict
from alems_pipeline.keys.registry import BrokenRegistry
from alems_pipeline.lineage import UnknownNode
from alems_pipeline.query import BadParameter, OutputFormat, parse_params, run_query, show
from alems_pipeline.warehouse import NotPublished, PublishRefused, Warehouse, WarehouseBusy

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=__doc__)
app.add_typer(cli_conditions.app, name="conditions")
# A pipe has no width: lines are not folded there.
out = Console(width=None if sys.stdout.isatty() else 240)
err = Console(stderr=True, width=None if sys.stderr.isatty() else 240)

KNOWN_ERRORS = (
    NotPublished, PublishRefused, WarehouseBusy, LandingIncomplete, BadParameter, UserError, duckdb.Error,
    PolarsError, NoConditions, QueryFormatError, RunNotFound, UnknownCondition, UnknownNode,
    BrokenRegistry, NoEvidence,
)  # fmt: skip


def main() -> None:
    """Run the command; a known error is one line on stderr and exit code 1, a signal one line and a shell's code."""
    try:
        with interruptible():
            app()
    except Interrupted as interrupted:
        _say_error(str(interrupted))
        sys.exit(interrupted.exit_code)
    except OSError as error:
        _say_error(os_error_line(error))
        sys.exit(1)
    except KNOWN_ERRORS as error:
        _say_error(str(error))
        sys.exit(1)


def _say_error(message: str) -> None:
    err.print(f"alems: {message}", style="red", markup=False, highlight=False, soft_wrap=True)


def _wait_note(message: str) -> None:
    err.print(message, style="yellow", markup=False, highlight=False)


@app.command()
def materialize(
    from_: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day to build.")] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day to build.")] = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Bring everything that landed into the published file. With --from/--to, build those days again as well."""
    first, last = (value.date() if value else None for value in (from_, to))
    if first is not None and last is not None and last < first:
        raise UserError(f"--from {first} --to {last}: ends before it begins; give the earlier day as --from")
    materialize_all(warehouse_of(warehouse), first, last)


def materialize_all(files: Warehouse, first: date | None = None, last: date | None = None) -> None:
    """Plan and run. Where nothing is pending no run is started and Dagster is not even imported."""
    before = _inode(files.published_path)

    def outcome() -> str:
        if _inode(files.published_path) != before:
            return f"published {files.published_path} all the same"
        return "nothing was published, `alems materialize` goes on from here"

    with interruptible(outcome, sigterm=True), files.run_lock(on_wait=_wait_note):
        with files.write(on_wait=_wait_note) as con:
            plan = build.plan(files, con, first, last)
        if plan.nothing:
            out.print("Nothing new: everything that landed is published.")
            return
        out.print(f"To do: {', '.join(plan.reasons)}.", highlight=False)
        _execute(files, plan)
    out.print(f"Published {files.published_path}", highlight=False, soft_wrap=True)


def _inode(path: Path) -> int | None:
    """What tells a file from one that replaced it."""
    with suppress(FileNotFoundError):
        return path.stat().st_ino
    return None


def _execute(files: Warehouse, plan: Plan) -> None:
    from alems_pipeline.orchestrate import RunFailed, execute, n_steps

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task("starting", total=n_steps(plan))

        def on_event(text: str, steps: int) -> None:
            progress.update(task, description=text, advance=steps)

        try:
            execute(files, plan, on_event)
        except RunFailed as failure:
            raise UserError(f"{failure}; nothing was published, `alems status` shows the details") from failure


@app.command()
def status(
    warehouse: WarehouseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Days, files, quarantine with its reasons, unmapped keys, checks, the last publication and its age."""
    from alems_pipeline.status import read_status, show_status

    found = read_status(warehouse_of(warehouse))
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=2))
    else:
        show_status(found, out)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="A query; without one, a prompt.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read the query from a file, e.g. of sql/cookbook.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="NAME=VALUE for $NAME in the query.")] = None,
    output: Annotated[OutputFormat | None, typer.Option("--format", help="Default: a table; CSV in a pipe.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Write here; needed for Parquet.")] = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Query the published file, read-only."""
    if query is not None and file is not None:
        raise UserError("give a query or --file, not both")
    if output is OutputFormat.parquet and out_file is None:
        raise UserError("Parquet is not text: give --out FILE.parquet")
    chosen = output or (OutputFormat.table if out.is_terminal else OutputFormat.csv)
    text = _query_text(file) if file is not None else query
    with warehouse_of(warehouse).read() as con:
        if text is not None:
            show(run_query(con, text, parse_params(param or [])), chosen, out, out_file)
            return
        _prompt(con, chosen)


def _query_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: no text in UTF-8; give a file with a query") from error


@app.command()
def features(
    out_file: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    leak_free: Annotated[
        bool, typer.Option("--leak-free", help="Without the columns that are computed from the target's energy.")
    ] = False,
    warehouse: WarehouseOption = None,
) -> None:
    """Export the feature table for models, a row per run; ml_feature_dictionary says what each column is."""
    from alems_pipeline.features import export

    with warehouse_of(warehouse).read() as con:
        n_rows = export(con, out_file, leak_free=leak_free)
    out.print(f"{n_rows} runs written to {out_file}", highlight=False, soft_wrap=True)


@app.command()
def lineage(
    run: Annotated[str | None, typer.Argument(help="A run's id, or KIND:ID, e.g. dataset:wine@….")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, also to a terminal.")] = False,
    openlineage: Annotated[
        bool, typer.Option("--openlineage", help="OpenLineage events of the run, or of all; one a line.")
    ] = False,
    warehouse: WarehouseOption = None,
) -> None:
    """What a run was made from, down to the landing files, and what was made from it: a tree; JSON in a pipe."""
    from alems_pipeline import lineage as of

    with warehouse_of(warehouse).read() as con:
        if openlineage:
            wanted = None if run is None else of.find(con, run)[1]
            for event in of.events(con, wanted):
                typer.echo(json.dumps(event))
            return
        if run is None:
            raise UserError("of what? Give a run's id, or --openlineage for all runs")
        found = of.lineage(con, *of.find(con, run))
    if as_json or not out.is_terminal:
        typer.echo(json.dumps(found, indent=2))
    else:
        out.print(of.tree(found), soft_wrap=True)


@app.command()
def evidence(
    what: Annotated[
        list[str],
        typer.Argument(metavar="RUN… | verify FILE", help="Runs, as `alems lineage` knows them; or a bundle."),
    ],
    out_file: Annotated[Path | None, typer.Option("--out", help="ZIP file to write.")] = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Bundle what the figures of runs were made from: landing files, SQL, versions, hashes; or verify such a bundle.

    `alems evidence RUN… --out FILE.zip` writes it; `alems evidence verify FILE.zip` computes the figures anew from the
    landing files in it, in a fresh warehouse, and says equal, or what differs (exit code 1).
    """
    from alems_pipeline import evidence as of

    if what[0] == "verify":
        if len(what) != 2:
            raise UserError("give one bundle: alems evidence verify FILE.zip")
        _verify(of.verify(Path(what[1]), lambda step: err.print(f"checking {step} …", highlight=False)), what[1])
        return
    if out_file is None:
        raise UserError("where to? Give --out FILE.zip")
    files = warehouse_of(warehouse)
    with files.read() as con:
        paths = of.bundle(files, con, what, out_file)
    digest = hashlib.sha256(out_file.read_bytes()).hexdigest()
    out.print(
        f"{out_file}: {len(what)} run(s), {len(paths)} landing files, SHA-256 {digest}", markup=False, soft_wrap=True
    )


def _verify(verdict: Verdict, name: str) -> None:
    for note in verdict.notes:
        err.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for line in [*verdict.damage, *verdict.differences]:
        out.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    if verdict.damage:
        raise UserError(f"{name}: damaged, {len(verdict.damage)} finding(s); nothing was computed")
    if verdict.differences:
        raise UserError(f"{name}: {len(verdict.differences)} of {verdict.n_figures} figures differ")
    out.print(f"equal: {verdict.n_figures} figures of {len(verdict.runs)} run(s)", highlight=False)


keys_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Which names resolve to which canonical keys, and which do not."
)
app.add_typer(keys_app, name="keys")


@keys_app.command("unmapped")
def keys_unmapped(warehouse: WarehouseOption = None) -> None:
    """Names of models, hardware, frameworks and precisions that no registry knows, and how many rows carry them."""
    from alems_pipeline.key_reports import show_unmapped

    show_unmapped(warehouse_of(warehouse), out)


@keys_app.command("explain")
def keys_explain(
    raw: Annotated[str, typer.Argument(metavar="RAW", help="A name as a source writes it, e.g. h200-nv_3.")],
    warehouse: WarehouseOption = None,
) -> None:
    """What a name resolves to, and by which rule: with the registry as it is now, and where it was seen."""
    from alems_pipeline.key_reports import show_explanation

    show_explanation(raw, warehouse_of(warehouse), out)


def _prompt(con: duckdb.DuckDBPyConnection, output: OutputFormat) -> None:
    """Read statements until end of file; a statement ends with a semicolon."""
    import readline  # noqa: F401  (line editing and history for input())

    lines: list[str] = []
    interactive = sys.stdin.isatty()
    while True:
        try:
            lines.append(input(("   ...> " if lines else "alems> ") if interactive else ""))
        except (EOFError, KeyboardInterrupt):
            return
        statement = "\n".join(lines).strip()
        if not statement:
            lines = []
        elif statement.endswith(";"):
            lines = []
            try:
                show(run_query(con, statement, {}), output, out, None)
            except (duckdb.Error, BadParameter) as error:
                err.print(str(error), style="red", markup=False, highlight=False)


@app.command()
def demo(
    seconds: Annotated[int, typer.Option(min=1, help="Length of the idle baseline.")] = 30,
    pairs: Annotated[int, typer.Option(min=1, help="Linear/agentic pairs of each task.")] = 3,
    warehouse: WarehouseOption = None,
) -> None:
    """Measure a short real session on this host, add two example stores, build, publish, and print the tax by task."""
    from alems_pipeline.demo import collect, print_tax

    files = warehouse_of(warehouse)
    collect(files, seconds, pairs, out, err)
    materialize_all(files)
    with files.read() as con:
        print_tax(con, out)
    out.print(f"\nOpen it read-only, any time: {files.published_path}", highlight=False, soft_wrap=True)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="New folder for the copy.")], warehouse: WarehouseOption = None
) -> None:
    """Copy the published file with its lake files; the copy's views read the copied lake."""
    from alems_pipeline.backup import copy_published

    files = warehouse_of(warehouse)
    columns = (TextColumn("copying"), BarColumn(), MofNCompleteColumn())
    with files.run_lock(on_wait=_wait_note), Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task("copying", total=None)
        target = copy_published(files, folder, lambda done, total: progress.update(task, completed=done, total=total))
    out.print(f"Copied to {target}", highlight=False, soft_wrap=True)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, warehouse: WarehouseOption = None
) -> None:
    """Empty the warehouse of everything but landing; `alems materialize` makes it again."""
    files = warehouse_of(warehouse)
    if not yes and not typer.confirm(f"Delete everything but landing in {files.home}?"):
        raise UserError("nothing deleted; answer yes or give --yes")
    with files.run_lock(on_wait=_wait_note), files.exclusive(on_wait=_wait_note):
        for path in (files.published_path, files.build_path):
            for name in (path.name, f"{path.name}.wal"):
                path.with_name(name).unlink(missing_ok=True)
        for folder in (files.lake, files.temp, files.home / ".dagster"):
            shutil.rmtree(folder, ignore_errors=True)
    out.print(f"Emptied {files.home}; landing is untouched.", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
