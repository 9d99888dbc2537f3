"""Collecting carbon intensity from a service of the UK API's shape: nulls, failures, and what is asked again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from collectors.cli import app
from collectors.sources.carbon_intensity import IntensitySummary, collect
from collectors.sources.http_json import JsonSource, SourceFailed
from tests.http_server import Reply, Request, serving

NOW = datetime(2026, 1, 21, 12, 10, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
Item = dict[str, Any]


def item(start: datetime, forecast: float | None = 266, actual: float | None = 263, **changes: Any) -> Item:
    """A half-hour as the API writes it."""
    end = start + HALF_HOUR
    intensity = {"forecast": forecast, "actual": actual, "index": "moderate"}
    return {"from": f"{start:%Y-%m-%dT%H:%MZ}", "to": f"{end:%Y-%m-%dT%H:%MZ}", "intensity": intensity} | changes


def uk_api(make: Callable[[datetime], Item] = item) -> Callable[[Request], Reply]:
    """Answers for any range as the API does: with the half-hour before it too, and measured values up to now only."""

    def answer(request: Request) -> Reply:
        _, path, first, last = request.path.split("/")
        assert path == "intensity"
        start = datetime.strptime(first, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        if last == "fw48h":
            end = start + timedelta(hours=48)
        else:
            end = datetime.strptime(last, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        n = (end - start) // HALF_HOUR
        data = []
        for at in (start + k * HALF_HOUR for k in range(-1, n)):
            made = make(at)
            if at > NOW - HALF_HOUR:
                made["intensity"]["actual"] = None
            data.append(made)
        return Reply({"data": data})

    return answer


def run(url: str, landing: Path, **options: Any) -> IntensitySummary:
    client = JsonSource(url, pause=lambda seconds: None, timeout_s=0.2)
    return collect(client, landing, **({"now": NOW, "forecast": False} | options))


def landed(landing: Path, dataset: str = "carbon_intensity") -> dict[str, list[dict[str, Any]]]:
    """Rows by landing date."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(landing.glob(f"{dataset}/*/*.parquet")):
        found.setdefault(path.parent.name.removeprefix("date="), []).extend(pq.ParquetFile(path).read().to_pylist())
    return found


def test_half_hours_land_under_their_day(tmp_path: Path) -> None:
    first = datetime(2026, 1, 19, 22, tzinfo=UTC)
    with serving(uk_api()) as server:
        summary = run(server.url, tmp_path / "landing", first=first, last=first + timedelta(hours=4))
    rows = landed(tmp_path / "landing")
    assert {day: len(found) for day, found in rows.items()} == {"2026-01-19": 4, "2026-01-20": 4}
    assert rows["2026-01-19"][0] == {
        "source_system": "uk-carbon-intensity",
        "recorded_at": NOW,
        "region": "GB",
        "window_start": first,
        "window_end": first + HALF_HOUR,
        "forecast_gco2eq_kwh": 266.0,
        "actual_gco2eq_kwh": 263.0,
        "intensity_index": "moderate",
    }
    assert (summary.rows, summary.actual, summary.rejected) == (8, 8, 0)


def test_the_example_of_the_api_is_read(tmp_path: Path) -> None:
    """As its documentation gives it, to the minute; what is older than the warehouse lands under its first day."""
    given = {"data": [{"from": "2018-01-20T12:00Z", "to": "2018-01-20T12:30Z",
                       "intensity": {"forecast": 266, "actual": 263, "index": "moderate"}}]}  # fmt: skip
    at = datetime(2018, 1, 20, 12, tzinfo=UTC)
    with serving(lambda request: Reply(given)) as server:
        run(server.url, tmp_path / "landing", first=at, last=at + HALF_HOUR)
    [(day, [row])] = landed(tmp_path / "landing").items()
    assert (day, row["window_start"], row["actual_gco2eq_kwh"]) == ("2019-01-01", at, 263.0)


def test_null_stays_unknown_and_nought_stays_nought(tmp_path: Path) -> None:
    start = datetime(2026, 1, 20, tzinfo=UTC)
    values: dict[datetime, tuple[float | None, float | None]] = {
        start: (200, None),
        start + HALF_HOUR: (None, None),
        start + 2 * HALF_HOUR: (0, 0),
    }
    with serving(uk_api(lambda at: item(at, *values.get(at, (1, 1))))) as server:
        summary = run(server.url, tmp_path / "landing", first=start, last=start + 3 * HALF_HOUR)
    [rows] = landed(tmp_path / "landing").values()
    assert [(row["forecast_gco2eq_kwh"], row["actual_gco2eq_kwh"]) for row in rows] == [
        (200.0, None),
        (None, None),
        (0.0, 0.0),
    ]
    assert (summary.actual, summary.forecast_only, summary.unknown) == (1, 1, 1)


def test_only_what_has_no_measured_value_yet_is_asked_for_again(tmp_path: Path) -> None:
    """The second collection asks for the half-hour that was null, the third for nothing."""
    start = datetime(2026, 1, 20, tzinfo=UTC)
    hole: set[datetime] = {start + 5 * HALF_HOUR}

    def make(at: datetime) -> Item:
        return item(at, 200, None if at in hole else 210)

    landing = tmp_path / "landing"
    period = {"first": start, "last": start + 8 * HALF_HOUR}
    with serving(uk_api(make)) as server:
        assert run(server.url, landing, **period).rows == 8
        server.requests.clear()
        hole.clear()
        assert run(server.url, landing, **period).actual == 1
        assert [request.path for request in server.requests] == ["/intensity/2026-01-20T02:30Z/2026-01-20T03:00Z"]
        server.requests.clear()
        assert run(server.url, landing, **period).rows == 0
        assert server.requests == []
        assert run(server.url, landing, again=True, **period).rows == 8


def test_the_forecast_lands_today_since_tomorrow_cannot_be_built_yet(tmp_path: Path) -> None:
    with serving(uk_api()) as server:
        summary = run(server.url, tmp_path / "landing", forecast=True)
        assert [request.path for request in server.requests] == [
            "/intensity/2026-01-20T12:00Z/2026-01-21T12:30Z",
            "/intensity/2026-01-21T12:00Z/fw48h",
        ]
    rows = landed(tmp_path / "landing")
    assert set(rows) == {"2026-01-20", "2026-01-21"}
    ahead = [row for row in rows["2026-01-21"] if row["window_start"] > NOW]
    assert max(row["window_start"] for row in ahead) == datetime(2026, 1, 23, 11, 30, tzinfo=UTC)
    assert all(row["actual_gco2eq_kwh"] is None and row["forecast_gco2eq_kwh"] == 266 for row in ahead)
    assert summary.forecast_only == len(ahead) + 2  # the two half-hours at 12:00: in both answers


def test_long_ranges_are_asked_for_as_the_api_allows(tmp_path: Path) -> None:
    first = datetime(2025, 12, 1, tzinfo=UTC)
    with serving(uk_api()) as server:
        summary = run(server.url, tmp_path / "landing", first=first, last=first + timedelta(days=30))
        assert [request.path for request in server.requests] == [
            "/intensity/2025-12-01T00:00Z/2025-12-15T00:00Z",
            "/intensity/2025-12-15T00:00Z/2025-12-29T00:00Z",
            "/intensity/2025-12-29T00:00Z/2025-12-31T00:00Z",
        ]
    assert summary.rows == 30 * 48


@pytest.mark.parametrize("failure", [Reply({"error": {"message": "down"}}, status=500), Reply(hang=True)])
def test_failures_that_pass_are_waited_for(tmp_path: Path, failure: Reply) -> None:
    left = 2

    def answer(request: Request) -> Reply:
        nonlocal left
        left -= 1
        return failure if left >= 0 else uk_api()(request)

    start = datetime(2026, 1, 20, tzinfo=UTC)
    with serving(answer) as server:
        assert run(server.url, tmp_path / "landing", first=start, last=start + HALF_HOUR).actual == 1


def test_no_answer_drops_nothing_and_says_why(tmp_path: Path) -> None:
    start = datetime(2026, 1, 20, tzinfo=UTC)
    with (
        serving(lambda request: Reply({"error": {"message": "down"}}, status=500)) as server,
        pytest.raises(SourceFailed, match=r"HTTP 500 \(down\)"),
    ):
        run(server.url, tmp_path / "landing", first=start, last=start + HALF_HOUR)
    assert landed(tmp_path / "landing") == {}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"from": "2026-01-20T00:00"}, "a time has no zone"),
        ({"from": "yesterday"}, "a time is no ISO 8601 time"),
        ({"to": "2026-01-20T00:00Z"}, "`to` is not after `from`"),
        ({"to": "2026-02-20T00:00Z"}, "more than a day"),
        ({"intensity": {"forecast": "high", "actual": 1}}, "forecast is no number"),
        ({"intensity": {"forecast": 1, "actual": -3}}, "actual is outside 0"),
        ({"intensity": {"forecast": True, "actual": 1}}, "forecast is no number"),
        ({"intensity": None}, "no object with from, to and intensity"),
    ],
)
def test_what_cannot_be_understood_is_kept_aside(tmp_path: Path, broken: Item, reason: str) -> None:
    start = datetime(2026, 1, 20, tzinfo=UTC)
    given = {"data": [item(start) | broken, item(start + HALF_HOUR)]}
    with serving(lambda request: Reply(given)) as server:
        summary = run(server.url, tmp_path / "landing", first=start, last=start + 2 * HALF_HOUR)
    assert (summary.rows, summary.rejected) == (1, 1)
    [[reject]] = landed(tmp_path / "landing", "usage_rejects").values()
    assert reject["reason"].startswith(reason) or reason in reject["reason"]
    assert reject["dataset"] == "carbon_intensity"
    assert "intensity" in reject["detail"]


def test_offsets_are_understood(tmp_path: Path) -> None:
    """Summer time: noon in London is 11:00 UTC."""
    given = {"data": [item(NOW) | {"from": "2025-07-01T12:00+01:00", "to": "2025-07-01T12:30:00+01:00"}]}
    at = datetime(2025, 7, 1, 11, tzinfo=UTC)
    with serving(lambda request: Reply(given)) as server:
        run(server.url, tmp_path / "landing", first=at, last=at + HALF_HOUR)
    [[row]] = landed(tmp_path / "landing").values()
    assert (row["window_start"], row["window_end"]) == (at, at + HALF_HOUR)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    with serving(lambda request: Reply({"zone": "DE"})) as server, pytest.raises(SourceFailed, match="UK API's shape"):
        run(server.url, tmp_path / "landing")


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    with serving(uk_api()) as server:
        result = CliRunner().invoke(
            app,
            ["carbon-intensity", "--url", server.url, "--from", "2026-01-01", "--to", "2026-01-02", "--no-forecast",
             "--landing", str(tmp_path / "landing")],
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "96 half-hours in 2 file(s): 96 measured, 0 forecast only, 0 unknown" in result.output
