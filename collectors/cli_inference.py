"""The command of `alems-collect` that collects artifacts of LLM serving benchmarks: inferencex."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from collectors.cli_common import LandingOption, landing_folder, note


def register(app: typer.Typer) -> None:
    """Add the command to the `alems-collect` app."""
    app.command("inferencex")(inferencex_command)


def inferencex_command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files, folders, ZIPs, tars, also within ZIPs.")],
    run_id: Annotated[int | None, typer.Option(min=1, max=2**62, help="The workflow run's id at GitHub.")] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Its attempt.")] = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="When it was created, UTC.")
    ] = None,
    hw: Annotated[str | None, typer.Option(help="Hardware of files that do not say it, e.g. mi355x.")] = None,
    framework: Annotated[str | None, typer.Option(help="Their framework, e.g. sglang.")] = None,
    precision: Annotated[str | None, typer.Option(help="Their precision, e.g. fp8.")] = None,
    model: Annotated[str | None, typer.Option(help="Their model, by its key or name.")] = None,
    tp: Annotated[int | None, typer.Option(min=1, help="Their tensor parallelism.")] = None,
    ep: Annotated[int | None, typer.Option(min=1, help="Their expert parallelism.")] = None,
    isl: Annotated[int | None, typer.Option(min=1, help="Their input length, tokens; else by the file's name.")] = None,
    osl: Annotated[
        int | None, typer.Option(min=1, help="Their output length, tokens; else by the file's name.")
    ] = None,
    spec_decoding: Annotated[str | None, typer.Option(help="Their speculative decoding, e.g. mtp.")] = None,
    landing: LandingOption = None,
) -> None:
    """Results, evaluations, run statistics, server logs and changelogs of LLM serving benchmarks, as CI wrote them."""
    from collectors.contract import FIRST_DAY
    from collectors.contract_inference import MAX_ATTEMPT
    from collectors.sources import inferencex

    if attempt is not None and attempt > MAX_ATTEMPT:
        raise typer.BadParameter(f"{attempt} is more than {MAX_ATTEMPT}; say which attempt", param_hint="--attempt")
    producer = {
        "hw": hw,
        "framework": framework,
        "precision": precision,
        "model": model,
        "infmax_model_prefix": model,
        "tp": tp,
        "ep": ep,
        "isl": isl,
        "osl": osl,
        "spec_decoding": spec_decoding,
    }
    if date is not None and not FIRST_DAY <= date.date() <= datetime.now(UTC).date() + timedelta(days=1):
        raise typer.BadParameter(
            f"{date:%Y-%m-%d} is outside {FIRST_DAY} … today; say when the run was created", param_hint="--date"
        )
    told = inferencex.Told(
        run_id,
        attempt,
        None if date is None else date.replace(tzinfo=UTC),
        {name: value for name, value in producer.items() if value is not None},
    )
    summary = inferencex.collect(paths, landing_folder(landing), told)
    rows = ", ".join(f"{n} {kind}" for kind, n in sorted(summary.rows.items())) or "nothing new"
    print(f"{rows} in {len(summary.files)} file(s); {summary.unchanged} unchanged, {summary.others} of other kinds")
    for name in sorted(summary.unnamed):
        note(
            f"{name}: no workflow run is named; all of it counts as the run {name!r}. Give --run-id where it is known."
        )
    for reason, n in summary.rejected.most_common():
        note(f"refused {n} × {reason}")
    if summary.rejected and not summary.rows and not summary.unchanged:
        sys.exit(1)
