"""`alems conditions`: what conditions there are, those of one run, and runs by a query."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer
from rich.console import Console

from alems_pipeline import conditions
from alems_pipeline.cli_common import WarehouseOption, warehouse_of
from alems_pipeline.query import OutputFormat, show

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=__doc__)

SchemaOption = Annotated[str, typer.Option("--schema", help="rcdb, or rcdb_<name> of a further store.")]
_OF_A_RUN: Final[Mapping[str, Any]] = {
    "condition": pl.String, "type": pl.String, "value": pl.String, "written": pl.Datetime("us", "UTC")
}  # fmt: skip
FormatOption = Annotated[OutputFormat | None, typer.Option("--format", help="Default: a table; CSV in a pipe.")]


@app.command("ls")
def list_types(schema: SchemaOption = "rcdb", output: FormatOption = None, warehouse: WarehouseOption = None) -> None:
    """Every condition: its type, how many runs have it, whether a query can name it, what it means."""
    _show(conditions.list_conditions(warehouse=_published(warehouse), schema=schema), output)


@app.command("show")
def show_run(
    run: Annotated[int, typer.Argument(metavar="RUN", help="Run number; run_id of a measured run.")],
    schema: SchemaOption = "rcdb",
    output: FormatOption = None,
    warehouse: WarehouseOption = None,
) -> None:
    """All conditions of one run."""
    found = conditions.get_run(run, warehouse=_published(warehouse), schema=schema)
    rows = [(one.name, one.value_type, _text(one.value), one.time) for one in found.conditions.values()]
    _show(pl.DataFrame(rows, schema=_OF_A_RUN, orient="row"), output)


@app.command("select")
def select(
    query: Annotated[str, typer.Argument(help="E.g. 'event_count > 100000 and run_type == \"cosmic\"'; '' for all.")],
    names: Annotated[list[str] | None, typer.Argument(help="Conditions whose values are wanted.")] = None,
    first: Annotated[int, typer.Option("--min", help="First run.")] = 0,
    last: Annotated[int | None, typer.Option("--max", help="Last run, included.")] = None,
    period: Annotated[
        str | None, typer.Option("--period", help="Name of a run period, instead of --min, --max.")
    ] = None,
    descending: Annotated[bool, typer.Option("--desc", help="Latest run first.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="The SQL that selects the runs instead.")] = False,
    schema: SchemaOption = "rcdb",
    output: FormatOption = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Runs that have every condition of the query and for which it is true, with values of conditions."""
    file = _published(warehouse)
    if period is not None:
        if first != 0 or last is not None:
            raise typer.BadParameter("give --period, or --min and --max, not both")
        first, last = conditions.run_range(period, warehouse=file, schema=schema)
    if explain:
        sql = conditions.explain(query, None, first, last, sort_desc=descending, warehouse=file, schema=schema)
        typer.echo(str(sql))
        return
    selection = conditions.select_runs(query, first, last, sort_desc=descending, warehouse=file, schema=schema)
    _show(selection.to_polars(names or []), output)


def _published(home: Path | None) -> Path:
    return warehouse_of(home).published_path


def _text(value: object) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _show(frame: pl.DataFrame, output: OutputFormat | None) -> None:
    is_person = sys.stdout.isatty()
    chosen = output or (OutputFormat.table if is_person else OutputFormat.csv)
    show(frame, chosen, Console(width=None if is_person else 240), None)
