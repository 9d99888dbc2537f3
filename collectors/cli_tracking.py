"""The command of `alems-collect` that reads experiment tracking: mlflow."""

from typing import Annotated

import typer

from collectors.cli_common import LandingOption, landing_folder, note, progress_bar


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

    with progress_bar() as show:
        summary = import_store(url, landing_folder(landing), name=name, progress=show)
    dropped = ", ".join(f"{n} {table}" for table, n in summary.rows.items()) or "nothing new"
    print(f"{summary.label}, schema {summary.version}, to {summary.store}: {dropped}")
    for message in summary.notes:
        note(message)
