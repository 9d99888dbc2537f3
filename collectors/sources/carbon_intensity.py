"""Drops the carbon intensity of a grid by half-hours, as the UK's API gives it: measured, and forecast for two days.

Half-hours whose measured value has been dropped are remembered and not asked for again; those that still have only a
forecast are. An intensity that is not known is NULL, never 0.
"""

import json
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from collectors.contract_usage import CARBON_INTENSITY, USAGE_REJECTS
from collectors.drop import drop_rows
from collectors.sources.http_json import JsonSource, SourceFailed
from collectors.sources.source_state import Range, SourceState, load_source_state
from collectors.sources.usage_times import NoTime, landing_day, utc_time

SOURCE_SYSTEM: Final = "uk-carbon-intensity"
PRODUCER: Final = "alems-collect carbon-intensity"
CREDENTIALS_PREFIX: Final = "ALEMS_CARBON_INTENSITY"
UK_API: Final = "https://api.carbonintensity.org.uk"

HALF_HOUR: Final = timedelta(minutes=30)
MAX_ASKED: Final = timedelta(days=14)  # in one request, by the API's rules
FIRST_LOOK_BACK: Final = timedelta(days=1)
GREATEST_INTENSITY: Final = 5_000.0  # g/kWh; no grid comes near it
MAX_DETAIL: Final = 4_000

Progress = Callable[[datetime, int, int], None]
"""Called with the time up to which all is dropped, the requests done, and the requests there are."""


@dataclass(slots=True)
class IntensitySummary:
    """What one collection did."""

    rows: int = 0
    actual: int = 0
    forecast_only: int = 0
    unknown: int = 0  # half-hours that the source names without any value
    rejected: int = 0
    files: list[Path] = field(default_factory=list)


def collect(
    source: JsonSource,
    landing: Path,
    *,
    region: str = "GB",
    first: datetime | None = None,
    last: datetime | None = None,
    forecast: bool = True,
    again: bool = False,
    now: datetime | None = None,
    progress: Progress = lambda at, done, total: None,
) -> IntensitySummary:
    """Drop the half-hours in [first, last) whose measured value is not yet dropped, and the forecast from now on.

    `first` is by default a day before the newest measured value that was dropped, else a day ago; `last` is now.
    Raises SourceFailed, DropFailed; what had been dropped by then is remembered.
    """
    now = now or datetime.now(UTC)
    state = load_source_state(landing, SOURCE_SYSTEM, source.url, region)
    end = min(last or now, now)
    start = first or (state.done[-1][1] if state.done else end) - FIRST_LOOK_BACK
    asked = (_floor(start), _ceiling(end))
    missing = [asked] if again else state.missing(asked)
    requests = [(_path(*chunk), chunk) for range_ in missing for chunk in _chunks(range_)]
    if forecast:
        begin = _floor(now)
        requests.append((f"/intensity/{_minutes(begin)}/fw48h", (begin, begin + timedelta(hours=48, minutes=30))))
    summary = IntensitySummary()
    for number, (path, chunk) in enumerate(requests, 1):
        rows, rejects = _read(source, path, chunk, region, now)
        _drop(landing, rows, rejects, now, summary, state)
        state.mark_done(
            (row["window_start"], row["window_end"]) for row in rows if row["actual_gco2eq_kwh"] is not None
        )
        state.save()
        progress(chunk[1], number, len(requests))
    return summary


def _floor(time: datetime) -> datetime:
    return time.replace(minute=time.minute // 30 * 30, second=0, microsecond=0)


def _ceiling(time: datetime) -> datetime:
    floor = _floor(time)
    return floor if floor == time else floor + HALF_HOUR


def _chunks(range_: Range) -> Iterator[Range]:
    start, end = range_
    while start < end:
        stop = min(end, start + MAX_ASKED)
        yield start, stop
        start = stop


def _path(start: datetime, end: datetime) -> str:
    return f"/intensity/{_minutes(start)}/{_minutes(end)}"


def _minutes(time: datetime) -> str:
    """As the API writes times: to the minute."""
    return time.strftime("%Y-%m-%dT%H:%MZ")


def _read(
    source: JsonSource, path: str, asked: Range, region: str, now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The half-hours of an answer that lie in the range asked for, and what of it could not be understood."""
    content = source.get(path).content
    items = content.get("data") if isinstance(content, dict) else None
    if not isinstance(items, list):
        raise SourceFailed(f"{source.url}{path}: no list `data` in the answer; it has to be the UK API's shape")
    rows: dict[datetime, dict[str, Any]] = {}
    rejects = []
    for item in items:
        try:
            row = _row(item, region, now)
        except NoTime as problem:
            rejects.append(_reject(item, f"a time {problem.rule}", now))
            continue
        except ValueError as problem:
            rejects.append(_reject(item, str(problem), now))
            continue
        # The API adds the half-hour before the one asked for.
        if asked[0] <= row["window_start"] < asked[1]:
            rows[row["window_start"]] = row
    return list(rows.values()), rejects


def _row(item: object, region: str, now: datetime) -> dict[str, Any]:
    values = item.get("intensity") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(values, dict):
        raise ValueError("no object with from, to and intensity; the source has to give the UK API's shape")
    start, end = utc_time(item.get("from")), utc_time(item.get("to"))
    if not start < end <= start + timedelta(days=1):
        raise ValueError("`to` is not after `from`, or more than a day after it; mend the source")
    index = values.get("index")
    return {
        "source_system": SOURCE_SYSTEM,
        "recorded_at": now,
        "region": region,
        "window_start": start,
        "window_end": end,
        "forecast_gco2eq_kwh": _intensity("forecast", values.get("forecast")),
        "actual_gco2eq_kwh": _intensity("actual", values.get("actual")),
        "intensity_index": index if isinstance(index, str) else None,
    }


def _intensity(name: str, value: object) -> float | None:
    """g/kWh; None where it is not known. 0 is a value: a grid may be free of carbon for half an hour."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is no number; the source has to give g/kWh or null")
    if not 0 <= value <= GREATEST_INTENSITY:
        raise ValueError(f"{name} is outside 0 … {GREATEST_INTENSITY:g} g/kWh; mend the source")
    return float(value)


def _reject(item: object, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "source_system": SOURCE_SYSTEM,
        "recorded_at": now,
        "dataset": CARBON_INTENSITY.name,
        "reason": reason,
        "detail": json.dumps(item, sort_keys=True, default=str)[:MAX_DETAIL],
    }


def _drop(
    landing: Path,
    rows: list[dict[str, Any]],
    rejects: list[dict[str, Any]],
    now: datetime,
    summary: IntensitySummary,
    state: SourceState,
) -> None:
    days = sorted({landing_day(row["window_start"], now) for row in rows})
    drops = [
        (CARBON_INTENSITY, day, [row for row in rows if landing_day(row["window_start"], now) == day]) for day in days
    ]
    if rejects:
        drops.append((USAGE_REJECTS, now.date(), rejects))
    for dataset, day, day_rows in drops:
        path = drop_rows(landing, dataset, day_rows, host=socket.gethostname(), producer=PRODUCER, date=day)
        if path is not None:
            summary.files.append(path)
            state.last_files = [str(path.relative_to(landing))]
    known = [row for row in rows if row["actual_gco2eq_kwh"] is not None]
    forecast = [row for row in rows if row["actual_gco2eq_kwh"] is None and row["forecast_gco2eq_kwh"] is not None]
    summary.rows += len(rows)
    summary.actual += len(known)
    summary.forecast_only += len(forecast)
    summary.unknown += len(rows) - len(known) - len(forecast)
    summary.rejected += len(rejects)
