"""What the commands of `alems-collect` share: where they drop, and what a person sees on stderr."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

LandingOption = Annotated[
    Path | None,
    typer.Option("--landing", help="Landing folder; default $ALEMS_WAREHOUSE/landing or ./warehouse/landing."),
]


def _country(value: str | None) -> str | None:
    from collectors.countries import country_code

    if value is None:
        return None
    code = country_code(value)
    if code is None:
        raise typer.BadParameter(
            f"{value!r} is no ISO 3166 code of two letters, with or without a part of the country; give DE or US-CA"
        )
    return code


def country_option(text: str) -> Any:
    """A --country option that takes codes only; `text` is its help."""
    return typer.Option("--country", callback=_country, help=f"{text}: ISO 3166 code, e.g. DE or US-CA.")


def not_empty(value: str | None) -> str | None:
    """A callback of options: raises BadParameter for text without a character."""
    if value is not None and not value.strip():
        raise typer.BadParameter("is empty; give a name, or leave the option out where it is not needed")
    return value


ShowProgress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is."""


def landing_folder(given: Path | None) -> Path:
    """The folder given, else landing in the folder that ALEMS_WAREHOUSE names, else in ./warehouse."""
    return given or Path(os.environ.get("ALEMS_WAREHOUSE") or "warehouse") / "landing"


def say(message: str, style: str = "") -> None:
    """One line on stderr, coloured for a person."""
    if not sys.stderr.isatty():
        print(message, file=sys.stderr)
        return
    from rich.console import Console

    Console(stderr=True).print(message, style=style, markup=False, highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """One line on stderr about what a person should know though the command goes on."""
    say(message, style="yellow")


@contextmanager
def progress_bar(unit: str = "") -> Iterator[ShowProgress]:
    """A progress bar on stderr for a person; nothing in a pipe. `unit`: what it counts."""
    if not sys.stderr.isatty():
        yield lambda text, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    if unit:
        columns.append(TextColumn(unit))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda text, done, total: bar.update(task, description=text, completed=done, total=total)
