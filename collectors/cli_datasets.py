"""The commands of `alems-collect` for tabular data: dataset, predictions."""

from pathlib import Path
from typing import Annotated

import typer

from collectors.cli_common import LandingOption, landing_folder, progress_bar

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name.")]
IndexOption = Annotated[str | None, typer.Option(help="Column that numbers the samples; default: they are in order.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the `alems-collect` app."""
    app.command("dataset")(dataset_command)
    app.command("predictions")(predictions_command)


def dataset_command(
    name: NameArgument,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV (with a header) or Parquet.")],
    target: Annotated[
        list[str] | None, typer.Option(help="Column to be predicted; may be given several times.")
    ] = None,
    index: IndexOption = None,
    again: Annotated[bool, typer.Option("--again", help="Also where the same has been dropped before.")] = False,
    landing: LandingOption = None,
) -> None:
    """Drop a table as a dataset: its features, and its targets where --target names them.

    It is known by its name and by its digest, the first 32 hex digits of `sha256sum FILE`.
    """
    from collectors.sources.tabular import drop_dataset

    with progress_bar("rows") as show:
        summary = drop_dataset(
            name, path, landing_folder(landing), targets=target or [], index=index, again=again, progress=show
        )
    if summary.n_samples:
        print(f"{name}: {summary.n_samples} samples, {summary.n_targets} target(s), digest {summary.digest}")
    else:
        print(f"{name}: nothing new, digest {summary.digest}")


def predictions_command(
    name: NameArgument,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV (with a header) or Parquet.")],
    run_uuid: Annotated[str | None, typer.Option(help="MLflow run that made them.")] = None,
    model: Annotated[str | None, typer.Option(help="Registered model that made them.")] = None,
    model_version: Annotated[int | None, typer.Option(min=0, help="Its version.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Column of predictions; one per target. Default: prediction, or the only one."),
    ] = None,
    index: IndexOption = None,
    digest: Annotated[
        str | None, typer.Option(help="The dataset's digest, or how it begins; default: the newest.")
    ] = None,
    landing: LandingOption = None,
) -> None:
    """Drop what a model predicted for samples of a dataset that has landed.

    A column sample_index (or --index) says which sample a row is for; without it the rows are all samples in order.
    """
    from collectors.sources.tabular import drop_predictions

    n_rows = drop_predictions(
        name,
        path,
        landing_folder(landing),
        run_uuid=run_uuid,
        model=model,
        version=model_version,
        columns=column or [],
        index=index,
        digest=digest,
    )
    print(f"{name}: {n_rows} predictions")
