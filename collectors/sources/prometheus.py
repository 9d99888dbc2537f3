"""Drops CPU time by window from a Prometheus server: `increase(node_cpu_seconds_total[step])` by host and mode.

A window's time is its start: the value that Prometheus gives at t covers [t − step, t). What was dropped is remembered,
so that a collection that was stopped goes on where it was. A year is asked for a day at a time.
"""

import json
import math
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from collectors.contract_usage import CPU_MODES, CPU_USAGE, NO_HOST
from collectors.drop import drop_rows
from collectors.ids import PARTS_SEPARATOR
from collectors.sources.http_json import AnswerTooLarge, JsonSource, SourceFailed
from collectors.sources.source_state import Range, SourceState, load_source_state
from collectors.sources.usage_times import landing_day

SOURCE_SYSTEM: Final = "prometheus"
PRODUCER: Final = "alems-collect prometheus"
CREDENTIALS_PREFIX: Final = "ALEMS_PROMETHEUS"

HOUR: Final = timedelta(hours=1)
MAX_POINTS: Final = 10_000  # per series and answer; Prometheus refuses above 11,000
MAX_ANSWER_BYTES: Final = 16 << 20  # about 100 MiB once parsed
SETTLED: Final = timedelta(minutes=2)  # a window is asked for only when its last scrapes have surely been stored
FIRST_LOOK_BACK: Final = timedelta(days=1)

Progress = Callable[[datetime, int, int], None]
"""Called with the time up to which all is dropped, the windows done, and the windows there are."""


@dataclass(frozen=True, slots=True)
class CpuQuery:
    """Which series to ask for, and which of their labels say what."""

    step: timedelta = HOUR
    metric: str = "node_cpu_seconds_total"
    selector: str = ""  # further label matchers, as between the braces of PromQL
    host_label: str = "host"  # where it is empty, the host is that of the instance
    instance_label: str = "instance"
    project_label: str = "cloud_project_name"
    machine_label: str = "machine_name"
    country_label: str = "country_code"
    country_code: str | None = None  # of hosts whose label says none

    def __post_init__(self) -> None:
        seconds = self.step.total_seconds()
        if seconds < 1 or HOUR.total_seconds() % seconds:
            raise SourceFailed(f"--step {seconds:g}s: windows have to fill an hour; give one that divides 3600 s")
        for name in (self.metric, *self.labels):
            if not re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", name):
                raise SourceFailed(f"{name!r} is no name of a metric or label of Prometheus")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels by which CPU time is summed, besides the mode."""
        return (self.host_label, self.instance_label, self.project_label, self.machine_label, self.country_label)

    @property
    def window(self) -> str:
        return f"[{int(self.step.total_seconds())}s]"

    def cpu_seconds(self) -> str:
        """CPU time in each window by mode. Each CPU counts once, though two jobs may scrape the same exporter."""
        by = ", ".join(self.labels)
        return f"sum by ({by}, mode) (max by ({by}, mode, cpu) (increase({self._series()}{self.window})))"

    def cpus(self) -> str:
        """CPUs that were scraped in each window."""
        by = ", ".join(self.labels)
        return f"count by ({by}) (max by ({by}, cpu) (count_over_time({self._series('idle')}{self.window})))"

    def resets(self) -> str:
        """How often the counters of a host began anew in each window; time in user mode never falls by itself."""
        return f"max by ({', '.join(self.labels)}) (resets({self._series('user')}{self.window}))"

    def _series(self, mode: str | None = None) -> str:
        matchers = [self.selector.strip().strip("{}").strip().strip(",")] if self.selector.strip() else []
        if mode is not None:
            matchers.append(f'mode="{mode}"')
        return f"{self.metric}{{{', '.join(matchers)}}}"


@dataclass(slots=True)
class CollectionSummary:
    """What one collection did."""

    asked: Range
    rows: int = 0
    files: list[Path] = field(default_factory=list)
    n_bad: int = 0  # rows with something that is no number in them
    clock_offset_s: float | None = None
    notes: list[str] = field(default_factory=list)


def collect(
    source: JsonSource,
    landing: Path,
    query: CpuQuery,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
    again: bool = False,
    now: datetime | None = None,
    progress: Progress = lambda at, done, total: None,
) -> CollectionSummary:
    """Drop the windows in [first, last) that have not been dropped; with `again`, those that have been too.

    `first` is by default where the last collection ended, else a day ago; `last` is the newest window that is settled.
    Raises SourceFailed, DropFailed; what had been dropped by then is remembered.
    """
    now = now or datetime.now(UTC)
    state = load_source_state(landing, SOURCE_SYSTEM, source.url, query.cpu_seconds())
    asked = _asked(query, state, first, last, now)
    summary = CollectionSummary(asked)
    ranges = [asked] if again else state.missing(asked)
    total = sum((end - start) // query.step for start, end in ranges)
    done = 0
    for chunk in (chunk for range_ in ranges for chunk in _chunks(range_, query.step)):
        for part in _collect_chunk(source, landing, query, chunk, now, summary, state):
            state.mark_done([part])
            state.save()
            done += (part[1] - part[0]) // query.step
            progress(part[1], done, total)
    if summary.clock_offset_s is not None and abs(summary.clock_offset_s) > 60:
        summary.notes.append(
            f"{source.url}: its clock is {summary.clock_offset_s:+.0f} s off ours, so its windows are flagged; mend it"
        )
    return summary


def _asked(query: CpuQuery, state: SourceState, first: datetime | None, last: datetime | None, now: datetime) -> Range:
    settled = _floor(now - min(SETTLED, query.step), query.step)
    end = min(_floor(last, query.step), settled) if last else settled
    if first is None:
        first = state.done[-1][1] if state.done else end - FIRST_LOOK_BACK
    start = _floor(first, query.step)
    return start, max(start, end)


def _floor(time: datetime, step: timedelta) -> datetime:
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    return origin + (time - origin) // step * step


def _chunks(range_: Range, step: timedelta) -> Iterator[Range]:
    """A range cut at UTC midnights, since a drop belongs to one day, and where an answer would have too many points."""
    start, end = range_
    while start < end:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        stop = min(end, midnight, start + MAX_POINTS * step)
        yield start, stop
        start = stop


def _collect_chunk(
    source: JsonSource,
    landing: Path,
    query: CpuQuery,
    chunk: Range,
    now: datetime,
    summary: CollectionSummary,
    state: SourceState,
) -> Iterator[Range]:
    """Drop a chunk, in halves where the answer is too large to be held; yields each part once it is dropped."""
    start, end = chunk
    try:
        rows = _Windows(source, query, chunk, now)
    except AnswerTooLarge:
        n_windows = (end - start) // query.step
        if n_windows == 1:
            raise
        middle = start + n_windows // 2 * query.step
        for half in ((start, middle), (middle, end)):
            yield from _collect_chunk(source, landing, query, half, now, summary, state)
        return
    path = drop_rows(
        landing, CPU_USAGE, rows.rows, host=socket.gethostname(), producer=PRODUCER, date=landing_day(start, now)
    )
    if path is not None:
        summary.files.append(path)
        state.last_files = [str(path.relative_to(landing))]
    summary.rows += len(rows.rows)
    summary.n_bad += sum(1 for row in rows.rows if row["bad_values"])
    summary.clock_offset_s = rows.clock_offset_s
    summary.notes += [note for note in rows.notes if note not in summary.notes]
    yield chunk


class _Windows:
    """The rows of one chunk, put together from the answers to three queries. Raises SourceFailed."""

    def __init__(self, source: JsonSource, query: CpuQuery, chunk: Range, now: datetime) -> None:
        self.query = query
        self.notes: list[str] = []
        self.clock_offset_s: float | None = None
        self._row_of: dict[tuple[str, datetime], dict[str, Any]] = {}
        for labels, window_start, text in self._points(source, query.cpu_seconds(), chunk):
            self._add_seconds(self._row(labels, window_start, now), labels.get("mode", ""), text)
        for column, expression in (("n_cpus", query.cpus()), ("n_resets", query.resets())):
            for labels, window_start, text in self._points(source, expression, chunk):
                number = _finite(text)
                known = self._row_of.get((self._key(labels), window_start))
                if known is not None and number is not None:
                    known[column] = int(number)
        self.rows = [row | _bad_values(row) for row in self._row_of.values()]

    def _points(
        self, source: JsonSource, expression: str, chunk: Range
    ) -> Iterator[tuple[dict[str, str], datetime, str]]:
        """Labels, start of the window and value, as text, of each point of an answer."""
        step_s = int(self.query.step.total_seconds())
        start, end = (int(time.timestamp()) for time in chunk)
        answer = source.get(
            "/api/v1/query_range",
            {"query": expression, "start": str(start + step_s), "end": str(end), "step": str(step_s)},
        )
        self.clock_offset_s = answer.clock_offset_s
        content = answer.content if isinstance(answer.content, dict) else {}
        self.notes += [str(warning) for warning in content.get("warnings") or []]
        try:
            if content["status"] != "success" or content["data"]["resultType"] != "matrix":
                raise KeyError("status")
            for series in content["data"]["result"]:
                labels = {str(name): str(value) for name, value in series["metric"].items()}
                for at, text in series["values"]:
                    yield labels, datetime.fromtimestamp(float(at) - step_s, UTC), str(text)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise SourceFailed(
                f"{source.url}: not an answer of a Prometheus server ({type(error).__name__}: {error}); check the URL"
            ) from error

    def _key(self, labels: dict[str, str]) -> str:
        host, port = _host_and_port(labels, self.query)
        return PARTS_SEPARATOR.join([host, str(port), *(labels.get(name, "") for name in self.query.labels[2:])])

    def _row(self, labels: dict[str, str], window_start: datetime, now: datetime) -> dict[str, Any]:
        key = (self._key(labels), window_start)
        row = self._row_of.get(key)
        if row is None:
            host, port = _host_and_port(labels, self.query)
            row = self._row_of[key] = {
                "source_system": SOURCE_SYSTEM,
                "host": host,
                "recorded_at": now,
                "port": port,
                "raw_label": labels.get(self.query.instance_label) or None,
                "cloud_project_name": labels.get(self.query.project_label) or None,
                "machine_name": labels.get(self.query.machine_label) or None,
                "country_code": labels.get(self.query.country_label) or self.query.country_code,
                "window_start": window_start,
                "window_s": int(self.query.step.total_seconds()),
                "n_cpus": None,
                "n_resets": None,
                "clock_offset_s": self.clock_offset_s,
                "other_modes": {},
                "bad": [],
            }
        return row

    @staticmethod
    def _add_seconds(row: dict[str, Any], mode: str, text: str) -> None:
        seconds = _finite(text)
        if seconds is None:
            row["bad"].append(f"{mode}={text[:20]}")
        elif mode in CPU_MODES:
            row[f"{mode}_s"] = row.get(f"{mode}_s", 0.0) + seconds
        else:
            row["other_modes"][mode] = row["other_modes"].get(mode, 0.0) + seconds


def _bad_values(row: dict[str, Any]) -> dict[str, Any]:
    """What was gathered in lists, as the columns of the contract; the lists leave the row."""
    other, bad = row.pop("other_modes"), row.pop("bad")
    return {
        "other_modes_json": json.dumps(other, sort_keys=True) if other else None,
        "bad_values": ", ".join(sorted(bad)) or None,
    }


def _finite(text: str) -> float | None:
    """A value of Prometheus, which writes numbers as text; None where it is no number: NaN, +Inf, or something else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _host_and_port(labels: dict[str, str], query: CpuQuery) -> tuple[str, int | None]:
    """The host by its label, else by the instance `host:port`, `[v6]:port` or `host`."""
    instance = labels.get(query.instance_label, "")
    match = re.fullmatch(r"(?:https?://)?(\[[^\]]+\]|[^:/]*)(?::(\d{1,5}))?(?:/.*)?", instance)
    host, port = (match[1].strip("[]"), match[2]) if match else (instance, None)
    return labels.get(query.host_label) or host or NO_HOST, int(port) if port else None
