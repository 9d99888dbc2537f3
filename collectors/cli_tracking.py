"""The command of `alems-collect` that reads experiment tracking: mlflow."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from collectors.cli_usage import LandingOption, landing_folder


def register(app: typer.Typer) -> None:
    """Add the command to the `alems-collect` app."""
    app.command("mlflow")(mlflow_command)


def mlflow_command(
    url: Annotated[
        str,
        typer.Argument(
            envvar="ALEMS_MLFLOW_URL",
            help="Backend store: sqlite:///mlflow.db or postgresql://user:password@host/name.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Of a second store: its tables go to schema mlflow_NAME.")] = None,
    landing: LandingOption = None,
) -> None:
    """Runs, metrics, parameters, datasets, models and traces of an MLflow backend store; again, only what has changed.

    Give a URL with a password by ALEMS_MLFLOW_URL, or the password by PGPASSWORD: arguments are seen by other users.
    """
    from collectors.sources.mlflow_store import import_store

    with _progress() as show:
        summary = import_store(url, landing_folder(landing), name=name, progress=show)
    dropped = ", ".join(f"{n} {table}" for table, n in summary.rows.items()) or "nothing new"
    print(f"{summary.label}, schema {summary.version}, to {summary.store}: {dropped}")
    for note in summary.notes:
        typer.secho(note, err=True, fg="yellow" if sys.stderr.isatty() else None)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr for a person; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda table, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda table, done, total: bar.update(task, description=table, completed=done, total=total)
