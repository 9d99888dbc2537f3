"""The commands of `alems-collect` that collect cloud usage: prometheus, carbon-intensity, workspaces."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from collectors.cli_common import LandingOption, ShowProgress, country_option, landing_folder, note, progress_bar

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_NOT_UNDERSTOOD: Final = "item(s) could not be understood; `alems status` says why"

FromOption = Annotated[
    str | None, typer.Option("--from", help="First day, or moment: 2026-01-31T10:00Z; by default where it stopped.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Last day, included, or moment, excluded; by default as far as there is.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Ask also for what has been dropped before.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the `alems-collect` app."""
    app.command("prometheus")(prometheus_command)
    app.command("carbon-intensity")(carbon_intensity_command)
    app.command("workspaces")(workspaces_command)


def prometheus_command(
    url: Annotated[str, typer.Option(help="The server, e.g. http://127.0.0.1:9090.")],
    from_: FromOption = None,
    to: ToOption = None,
    step: Annotated[str, typer.Option(help="Length of a window: 1h, 15m, 30s; it has to fill an hour.")] = "1h",
    metric: Annotated[str, typer.Option(help="Counter of CPU seconds by cpu and mode.")] = "node_cpu_seconds_total",
    selector: Annotated[str, typer.Option(help="Further label matchers, e.g. 'job=\"node\"'.")] = "",
    project_label: Annotated[str, typer.Option(help="Label of the cloud project.")] = "cloud_project_name",
    machine_label: Annotated[str, typer.Option(help="Label of the machine.")] = "machine_name",
    host_label: Annotated[str, typer.Option(help="Label of the host; else it is taken from the instance.")] = "host",
    country_label: Annotated[str, typer.Option(help="Label of the country of the host.")] = "country_code",
    country: Annotated[str | None, country_option("Country of hosts without that label")] = None,
    again: AgainOption = False,
    landing: LandingOption = None,
) -> None:
    """CPU seconds by project, machine and host in windows, from a Prometheus server.

    Signs in with ALEMS_PROMETHEUS_TOKEN, or ALEMS_PROMETHEUS_USER and ALEMS_PROMETHEUS_PASSWORD, where these are set.
    """
    from collectors.sources import prometheus
    from collectors.sources.http_json import Credentials, JsonSource

    query = prometheus.CpuQuery(
        step=_duration(step),
        metric=metric,
        selector=selector,
        project_label=project_label,
        machine_label=machine_label,
        host_label=host_label,
        country_label=country_label,
        country_code=country,
    )
    source = JsonSource(
        url,
        Credentials.from_environment(prometheus.CREDENTIALS_PREFIX),
        max_bytes=prometheus.MAX_ANSWER_BYTES,
        on_retry=note,
    )
    with progress_bar("windows") as show:
        summary = prometheus.collect(
            source,
            landing_folder(landing),
            query,
            first=_first(from_),
            last=_last(to),
            again=again,
            progress=_by_time(show),
        )
    first, last = (time.strftime("%Y-%m-%d %H:%M:%S") for time in summary.asked)
    print(f"{summary.rows} windows of hosts from {first} to {last} UTC in {len(summary.files)} file(s)")
    for message in summary.notes:
        note(message)
    if summary.n_bad:
        note(f"{summary.n_bad} window(s) hold what is no number of seconds; the pipeline quarantines them")


def carbon_intensity_command(
    url: Annotated[str | None, typer.Option(help="The service; default: the UK's.")] = None,
    region: Annotated[str, typer.Option(help="Country code of the grid that it speaks of.")] = "GB",
    from_: FromOption = None,
    to: ToOption = None,
    forecast: Annotated[bool, typer.Option(help="Also the forecast of the next 48 hours.")] = True,
    again: AgainOption = False,
    landing: LandingOption = None,
) -> None:
    """Carbon intensity of a grid by half-hours, measured and forecast, from a service of the UK API's shape.

    Signs in with ALEMS_CARBON_INTENSITY_TOKEN, or …_USER and …_PASSWORD, where these are set; the UK's asks for none.
    """
    from collectors.sources import carbon_intensity
    from collectors.sources.http_json import Credentials, JsonSource

    credentials = Credentials.from_environment(carbon_intensity.CREDENTIALS_PREFIX)
    source = JsonSource(url or carbon_intensity.UK_API, credentials, on_retry=note)
    with progress_bar("requests") as show:
        summary = carbon_intensity.collect(
            source,
            landing_folder(landing),
            region=region,
            first=_first(from_),
            last=_last(to),
            forecast=forecast,
            again=again,
            progress=_by_time(show),
        )
    print(
        f"{summary.rows} half-hours in {len(summary.files)} file(s): {summary.actual} measured, "
        f"{summary.forecast_only} forecast only, {summary.unknown} unknown"
    )
    if summary.rejected:
        note(f"{summary.rejected} {_NOT_UNDERSTOOD}")


def workspaces_command(
    origins: Annotated[list[str], typer.Argument(help="JSON or CSV files, or http(s) addresses that answer in JSON.")],
    landing: LandingOption = None,
) -> None:
    """Workspaces, users, groups, projects and machines: who held which host when, and who belongs to what.

    Signs in with ALEMS_WORKSPACES_TOKEN, or ALEMS_WORKSPACES_USER and ALEMS_WORKSPACES_PASSWORD, where these are set.
    """
    from collectors.sources import workspaces

    for origin in origins:
        summary = workspaces.collect(origin, landing_folder(landing))
        dropped = ", ".join(f"{n} {kind}" for kind, n in summary.rows.items()) or "nothing new"
        print(f"{origin}: {dropped}; {summary.unchanged} unchanged")
        if summary.rejected:
            note(f"{summary.rejected} {_NOT_UNDERSTOOD}")


def _first(text: str | None) -> datetime | None:
    return None if text is None else _day(text) or _moment(text)


def _last(text: str | None) -> datetime | None:
    """The end, excluded; a day given as the last is included."""
    if text is None:
        return None
    day = _day(text)
    return _moment(text) if day is None else day + timedelta(days=1)


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    from collectors.sources.usage_times import NoTime, utc_time

    try:
        return utc_time(text)
    except NoTime as error:
        raise typer.BadParameter(str(error)) from error


def _duration(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _UNITS:
        raise typer.BadParameter(f"--step {text}: give a number and s, m or h, e.g. 1h or 15m")
    return timedelta(seconds=int(number) * _UNITS[unit])


def _by_time(show: ShowProgress) -> Callable[[datetime, int, int], None]:
    return lambda at, done, total: show(f"up to {at:%Y-%m-%d %H:%M}", done, total)
