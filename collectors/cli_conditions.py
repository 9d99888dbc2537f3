"""The commands of `alems-collect` for run conditions: rcdb, condition-type, condition, run-period, file, alias."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from collectors.cli_common import LandingOption, landing_folder, note, progress_bar

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Name of a further store, to which it is to belong; default: the first.")
]
ZoneOption = Annotated[str, typer.Option("--zone", help="Time zone of times that name none, e.g. America/New_York.")]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="Free text.")]
ElsewhereOption = Annotated[bool, typer.Option("--elsewhere", help="The run landed on another host.")]
RunArgument = Annotated[int, typer.Argument(metavar="RUN", help="Run number; run_id of a measured run.")]


class ValueType(StrEnum):
    """The types that a condition may have."""

    json = "json"
    string = "string"
    float = "float"
    int = "int"
    bool = "bool"
    time = "time"
    blob = "blob"


def register(app: typer.Typer) -> None:
    """Add the commands to the `alems-collect` app."""
    app.command("rcdb")(rcdb_command)
    app.command("condition-type")(condition_type_command)
    # So that a value such as -5 is not taken for an option.
    app.command("condition", context_settings={"ignore_unknown_options": True})(condition_command)
    app.command("run-period")(run_period_command)
    app.command("file")(file_command)
    app.command("alias")(alias_command)


def rcdb_command(
    url: Annotated[
        str, typer.Argument(help="sqlite:///FILE, or mysql://USER@HOST:PORT/DATABASE; password: ALEMS_RCDB_PASSWORD.")
    ],
    store: Annotated[
        str | None, typer.Option("--name", help="Of a second store: it goes to schema rcdb_<name>.")
    ] = None,
    zone: ZoneOption = "UTC",
    landing: LandingOption = None,
) -> None:
    """Drop what an RCDB store holds: runs, conditions, files, run periods, logs, aliases; again, only what is new."""
    from collectors.sources.rcdb_store import import_store

    with progress_bar() as show:
        summary = import_store(url, landing_folder(landing), name=store, zone=zone, progress=show)
    for message in summary.notes:
        note(message)
    for dataset, n_rows in summary.rows.items():
        print(f"{dataset}\t{n_rows}")


def condition_type_command(
    name: Annotated[str, typer.Argument(help="Name of the condition.")],
    value_type: Annotated[ValueType, typer.Argument(metavar="TYPE", help="json, string, float, int, bool, time, blob")],
    description: DescriptionOption = None,
    store: StoreOption = None,
    landing: LandingOption = None,
) -> None:
    """Declare a condition and the type of its values."""
    from collectors.written_conditions import declare_type

    new = declare_type(landing_folder(landing), name, value_type.value, description=description, schema=_schema(store))
    print(f"{name}: {value_type.value}" if new else f"{name}: {value_type.value}, as it was")


def condition_command(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="Name of the condition, declared by condition-type.")],
    value: Annotated[str, typer.Argument(help="Value; bool: true or false; time: ISO 8601.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also where the run has another value.")] = False,
    zone: ZoneOption = "UTC",
    elsewhere: ElsewhereOption = False,
    store: StoreOption = None,
    landing: LandingOption = None,
) -> None:
    """Attach a condition to a run. The same value again changes nothing; another one needs --replace."""
    from collectors.written_conditions import write_condition

    new = write_condition(
        landing_folder(landing),
        run,
        name,
        value,
        replaces=replace,
        elsewhere=elsewhere,
        zone=zone,
        schema=_schema(store),
    )
    print(f"run {run}: {name} = {value}" if new else f"run {run}: {name} = {value}, as it was")


def run_period_command(
    name: Annotated[str, typer.Argument(help="Name of the period.")],
    run_min: Annotated[int, typer.Argument(help="First run.")],
    run_max: Annotated[int, typer.Argument(help="Last run.")],
    description: DescriptionOption = None,
    from_: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")] = None,
    store: StoreOption = None,
    landing: LandingOption = None,
) -> None:
    """Name a range of runs, both ends included."""
    from collectors.written_conditions import write_run_period

    write_run_period(
        landing_folder(landing),
        name,
        run_min,
        run_max,
        description=description,
        start_date=from_.date() if from_ else None,
        end_date=to.date() if to else None,
        schema=_schema(store),
    )
    print(f"{name}: runs {run_min} to {run_max}")


def file_command(
    run: RunArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Text files.")],
    description: DescriptionOption = None,
    low: Annotated[bool, typer.Option("--low", help="Of low importance.")] = False,
    elsewhere: ElsewhereOption = False,
    store: StoreOption = None,
    landing: LandingOption = None,
) -> None:
    """Attach text files to a run; a content is kept once, however many runs have it."""
    from collectors.written_conditions import add_file

    for path in paths:
        add_file(
            landing_folder(landing),
            run,
            path,
            description=description,
            importance=int(low),
            elsewhere=elsewhere,
            schema=_schema(store),
        )
        print(f"run {run}: {path}")


def alias_command(
    name: Annotated[str, typer.Argument(help="Name, without the @.")],
    code: Annotated[str, typer.Argument(help="The expression that @NAME stands for.")],
    description: DescriptionOption = None,
    store: StoreOption = None,
    landing: LandingOption = None,
) -> None:
    """Give a piece of queries a name, to be used as @NAME."""
    from collectors.written_conditions import write_alias

    write_alias(landing_folder(landing), name, code, description=description, schema=_schema(store))
    print(f"@{name}: {code}")


def _schema(store: str | None) -> str:
    from collectors.sources.rcdb_store import schema_of

    return schema_of(store)
