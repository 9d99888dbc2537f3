"""Collecting CPU time from a Prometheus server: what is asked, dropped and remembered, and what is never shown."""

import json
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from collectors.cli import app
from collectors.sources.http_json import Credentials, JsonSource, SourceFailed
from collectors.sources.prometheus import CpuQuery, collect
from collectors.sources.source_state import SourceState
from tests.http_server import Reply, Request, serving

NOON = datetime(2026, 1, 21, 12, tzinfo=UTC)
NOW = datetime(2026, 1, 21, 18, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERIES = {"host": "h1", "instance": "10.0.0.1:9100", "cloud_project_name": "fusion", "machine_name": "m5.large"}
Values = Sequence[tuple[str, Callable[[datetime], str]]]


def matrix(request: Request, values: Values, labels: dict[str, str] | None = None, **of_query: str) -> Reply:
    """A Prometheus server's answer to one of the three queries: CPU time of each mode, CPUs, resets."""
    query = request.parameters["query"]
    start, end, step = (int(request.parameters[name]) for name in ("start", "end", "step"))
    moments = [datetime.fromtimestamp(at, UTC) for at in range(start, end + 1, step)]
    series: Values = values
    if query.startswith("count"):
        series = [("", lambda at: of_query.get("cpus", "8"))]
    elif query.startswith("max"):
        series = [("", lambda at: of_query.get("resets", "0"))]
    return Reply(
        {
            "status": "success",
            "data": {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": (labels or SERIES) | ({"mode": mode} if mode else {}),
                        "values": [[at.timestamp(), text(at)] for at in moments],
                    }
                    for mode, text in series
                ],
            },
        }
    )


WHOLE: Values = [
    ("user", lambda at: f"{1000 + at.hour}"),
    ("system", lambda at: "100.5"),
    ("idle", lambda at: "27000"),
    ("iowait", lambda at: "20"),
]


def source(url: str, **options: Any) -> JsonSource:
    return JsonSource(url, pause=options.pop("pause", lambda seconds: None), **options)


def landed(landing: Path) -> list[dict[str, Any]]:
    paths = sorted(landing.glob("cpu_usage/*/*.parquet"))
    rows = [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    return sorted(rows, key=lambda row: (row["window_start"], row["host"]))


def test_a_window_is_dropped_at_its_start_with_every_mode_and_label(tmp_path: Path) -> None:
    with serving(lambda request: matrix(request, WHOLE)) as server:
        summary = collect(
            source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + 3 * HOUR, now=NOW
        )
    rows = landed(tmp_path / "landing")
    assert summary.rows == 3
    assert [row["window_start"] for row in rows] == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    first = {name: value for name, value in rows[0].items() if value is not None}
    assert first.pop("clock_offset_s") == pytest.approx(0, abs=2)
    assert first == {
        "source_system": "prometheus",
        "host": "h1",
        "recorded_at": NOW,
        "port": 9100,
        "raw_label": "10.0.0.1:9100",
        "cloud_project_name": "fusion",
        "machine_name": "m5.large",
        "window_start": NOON,
        "window_s": 3600,
        "user_s": 1013.0,  # what Prometheus gives at 13:00 is the increase of 12:00 to 13:00
        "system_s": 100.5,
        "idle_s": 27000.0,
        "iowait_s": 20.0,
        "n_cpus": 8,
        "n_resets": 0,
    }
    asked = [request.parameters for request in server.requests]
    assert {(p["start"], p["end"], p["step"]) for p in asked} == {
        (str(int((NOON + HOUR).timestamp())), str(int((NOON + 3 * HOUR).timestamp())), "3600")
    }
    labels = "host, instance, cloud_project_name, machine_name, country_code"
    assert asked[0]["query"] == (
        f"sum by ({labels}, mode) (max by ({labels}, mode, cpu) (increase(node_cpu_seconds_total{{}}[3600s])))"
    )


@pytest.mark.parametrize(
    ("labels", "host", "port"),
    [
        ({"instance": "node7:9100"}, "node7", 9100),
        ({"instance": "node7"}, "node7", None),
        ({"instance": "[2001:db8::1]:9100"}, "2001:db8::1", 9100),
        ({"instance": "http://node7:9100/metrics"}, "node7", 9100),
        ({"instance": "10.0.0.1:9100", "host": "named"}, "named", 9100),
        ({"job": "x"}, "(no host)", None),
    ],
)
def test_the_host_is_that_of_its_label_or_of_the_instance(
    tmp_path: Path, labels: dict[str, str], host: str, port: int | None
) -> None:
    with serving(lambda request: matrix(request, WHOLE, labels)) as server:
        collect(source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
    [row] = landed(tmp_path / "landing")
    assert (row["host"], row["port"]) == (host, port)


@pytest.mark.parametrize(
    ("labels", "country"), [({"country_code": "FR"}, "FR"), ({"country_code": ""}, "DE"), ({}, "DE")]
)
def test_the_country_is_that_of_the_label_else_the_one_given(
    tmp_path: Path, labels: dict[str, str], country: str
) -> None:
    with serving(lambda request: matrix(request, WHOLE, SERIES | labels)) as server:
        options = ["--url", server.url, "--from", "2026-01-21T12:00Z", "--to", "2026-01-21T13:00Z", "--country", "DE"]
        result = CliRunner().invoke(app, ["prometheus", *options, "--landing", str(tmp_path / "landing")])
    assert result.exit_code == 0, result.output
    assert [row["country_code"] for row in landed(tmp_path / "landing")] == [country]


def test_what_is_no_number_is_dropped_as_it_was_given(tmp_path: Path) -> None:
    values: Values = [
        ("user", lambda at: "NaN"),
        ("system", lambda at: "+Inf"),
        ("idle", lambda at: "-5"),
        ("napping", lambda at: "7.5"),
    ]
    with serving(lambda request: matrix(request, values, resets="2")) as server:
        summary = collect(source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
    [row] = landed(tmp_path / "landing")
    assert (row["user_s"], row["system_s"], row["idle_s"]) == (None, None, -5.0)
    assert row["bad_values"] == "system=+Inf, user=NaN"
    assert json.loads(row["other_modes_json"]) == {"napping": 7.5}
    assert row["n_resets"] == 2
    assert summary.n_bad == 1


def test_a_window_without_an_answer_is_no_row(tmp_path: Path) -> None:
    empty = Reply({"status": "success", "data": {"resultType": "matrix", "result": []}})
    with serving(lambda request: empty) as server:
        summary = collect(source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
    assert (summary.rows, landed(tmp_path / "landing")) == (0, [])


def test_a_collection_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """The server breaks down on the third day: what had been dropped by then is not asked for again."""
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (18, 19, 20, 21)]
    broken = True

    def answer(request: Request) -> Reply:
        if broken and int(request.parameters["start"]) > days[2].timestamp():
            return Reply({"error": "out of order"}, status=503)
        return matrix(request, WHOLE)

    landing = tmp_path / "landing"
    with serving(answer) as server:
        with pytest.raises(SourceFailed, match=r"503 \(out of order\).*6 attempts.*goes on where it stopped"):
            collect(source(server.url), landing, CpuQuery(), first=days[0], last=days[3], now=NOW)
        assert len(landed(landing)) == 48
        broken = False
        server.requests.clear()
        summary = collect(source(server.url), landing, CpuQuery(), first=days[0], last=days[3], now=NOW)
        assert summary.rows == 24
        assert {int(r.parameters["start"]) for r in server.requests} == {int((days[2] + HOUR).timestamp())}
        rows = landed(landing)
        assert [row["window_start"] for row in rows] == [days[0] + n * HOUR for n in range(72)]
        server.requests.clear()
        assert collect(source(server.url), landing, CpuQuery(), first=days[0], last=days[3], now=NOW).rows == 0
        assert server.requests == []
        again = collect(source(server.url), landing, CpuQuery(), first=days[0], last=days[1], now=NOW, again=True)
        assert again.rows == 24


def test_without_dates_it_begins_where_it_ended_and_leaves_windows_that_are_not_over(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    with serving(lambda request: matrix(request, WHOLE)) as server:
        first = collect(source(server.url), landing, CpuQuery(), now=NOW)
        assert first.asked == (datetime(2026, 1, 20, 18, tzinfo=UTC), datetime(2026, 1, 21, 18, tzinfo=UTC))
        later = collect(source(server.url), landing, CpuQuery(), now=NOW + 2 * HOUR)
    assert later.asked == (datetime(2026, 1, 21, 18, tzinfo=UTC), datetime(2026, 1, 21, 20, tzinfo=UTC))
    assert (first.rows, later.rows) == (24, 2)


def test_an_emptied_landing_is_filled_again(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    with serving(lambda request: matrix(request, WHOLE)) as server:
        collect(source(server.url), landing, CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
        for path in landing.rglob("*.parquet"):
            path.unlink()
        assert collect(source(server.url), landing, CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW).rows == 1


@pytest.mark.parametrize(
    "failure",
    [
        Reply({"error": "busy"}, status=503),
        Reply({"error": "slow down"}, status=429),
        Reply(b"<html>gateway</html>"),
        Reply({"status": "success"}, cut_short=True),
        Reply(hang=True),
    ],
    ids=["503", "429", "no JSON", "cut short", "time-out"],
)
def test_a_passing_failure_is_tried_again_later_and_later(tmp_path: Path, failure: Reply) -> None:
    left = 3
    pauses: list[float] = []

    def answer(request: Request) -> Reply:
        nonlocal left
        left -= 1
        return failure if left >= 0 else matrix(request, WHOLE)

    with serving(answer) as server:
        client = source(server.url, pause=pauses.append, timeout_s=0.2, first_pause_s=1.0)
        summary = collect(client, tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
    assert summary.rows == 1
    assert len(pauses) == 3
    for attempt, pause in enumerate(pauses):
        assert 0.5 * 2**attempt <= pause <= 2**attempt


def test_the_server_may_say_when_to_come_back(tmp_path: Path) -> None:
    replies = [Reply({}, status=429, headers={"Retry-After": "7"})]
    pauses: list[float] = []
    with serving(lambda request: replies.pop() if replies else matrix(request, WHOLE)) as server:
        client = source(server.url, pause=pauses.append)
        collect(client, tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
    assert pauses == [7.0]


def test_a_refusal_is_not_tried_again(tmp_path: Path) -> None:
    refusal = Reply({"status": "error", "error": "unknown function increase2"}, status=400)
    with serving(lambda request: refusal) as server:
        with pytest.raises(SourceFailed, match="unknown function increase2"):
            collect(source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
        assert len(server.requests) == 1


def test_another_program_at_the_address_is_told_from_prometheus(tmp_path: Path) -> None:
    with (
        serving(lambda request: Reply({"hello": "world"})) as server,
        pytest.raises(SourceFailed, match="not an answer of a Prometheus server"),
    ):
        collect(source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)


def test_an_answer_too_large_to_hold_is_asked_for_in_parts(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    with serving(lambda request: matrix(request, WHOLE)) as server:
        client = source(server.url, max_bytes=900)
        summary = collect(client, landing, CpuQuery(), first=NOON, last=NOON + 6 * HOUR, now=NOW)
    assert summary.rows == 6
    assert [row["window_start"] for row in landed(landing)] == [NOON + n * HOUR for n in range(6)]
    assert len(summary.files) > 1


def test_memory_does_not_grow_with_the_history(tmp_path: Path) -> None:
    """A year of two hosts, hour by hour: the peak is that of a day, not of 365."""
    first = datetime(2025, 1, 1, tzinfo=UTC)
    seen: list[tuple[int, int]] = []
    with serving(lambda request: matrix(request, WHOLE)) as server:
        client = source(server.url)
        collect(client, tmp_path / "warm", CpuQuery(), first=first, last=first + timedelta(days=2), now=NOW)
        tracemalloc.start()
        summary = collect(
            client,
            tmp_path / "landing",
            CpuQuery(),
            first=first,
            last=first + timedelta(days=365),
            now=NOW,
            progress=lambda at, done, total: seen.append((done, total)),
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert summary.rows == 8760
    assert seen[-1] == (8760, 8760)
    assert [done for done, _ in seen] == [24 * (n + 1) for n in range(365)]
    assert peak < 3_000_000, f"{peak} bytes"


# ---- credentials -----------------------------------------------------------------------------------------------------


def test_a_token_is_sent_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEMS_PROMETHEUS_TOKEN", "s3cret-token")
    with serving(lambda request: Reply({"error": "no"}, status=401)) as server:
        result = CliRunner().invoke(
            app, ["prometheus", "--url", server.url, "--landing", str(tmp_path / "landing"), "--from", "2026-01-20"]
        )
        assert server.requests[0].headers["Authorization"] == "Bearer s3cret-token"
    assert isinstance(result.exception, SourceFailed)
    assert "ALEMS_PROMETHEUS_TOKEN" in str(result.exception)
    assert "s3cret" not in str(result.exception) + repr(result.exception) + result.output
    credentials = Credentials.from_environment("ALEMS_PROMETHEUS")
    assert "s3cret" not in repr(credentials) + repr(JsonSource("http://127.0.0.1:1", credentials))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


def test_name_and_password_are_sent_as_basic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P_USER", "ann")
    monkeypatch.setenv("P_PASSWORD", "pw")
    assert Credentials.from_environment("P").header == "Basic YW5uOnB3"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"P_TOKEN": "t", "P_USER": "u"}, "both set"),
        ({"P_USER": "u"}, "only one of"),
        ({"P_PASSWORD": "u"}, "only one of"),
    ],
)
def test_half_given_credentials_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SourceFailed, match=said):
        Credentials.from_environment("P")


def test_a_redirect_to_another_host_does_not_get_the_token(tmp_path: Path) -> None:
    with serving(lambda request: matrix(request, WHOLE)) as elsewhere:
        to_there = Reply({}, status=302, headers={"Location": f"{elsewhere.url}/api/v1/query_range"})
        with serving(lambda request: to_there) as server:
            client = source(server.url, credentials=Credentials("Bearer s3cret"))
            with pytest.raises(SourceFailed, match="redirects to"):
                collect(client, tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
        assert elsewhere.requests == []


@pytest.mark.parametrize("url", ["ftp://host", "file:///etc/passwd", "prometheus:9090", "http://"])
def test_only_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(SourceFailed, match="http"):
        JsonSource(url)


def test_credentials_in_the_address_are_refused_without_repeating_them() -> None:
    with pytest.raises(SourceFailed) as refused:
        JsonSource("http://ann:s3cret@host:9090")
    assert "s3cret" not in str(refused.value)


# ---- what may be asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 7, 7200])
def test_windows_have_to_fill_an_hour(seconds: int) -> None:
    with pytest.raises(SourceFailed, match="divides 3600"):
        CpuQuery(step=timedelta(seconds=seconds))


def test_label_names_cannot_smuggle_in_a_query() -> None:
    with pytest.raises(SourceFailed, match="no name of a metric or label"):
        CpuQuery(host_label="host) (up) or sum by (x")


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    with serving(lambda request: matrix(request, WHOLE)) as server:
        result = CliRunner().invoke(
            app,
            ["prometheus", "--url", server.url, "--from", "2026-01-20", "--to", "2026-01-20", "--step", "30m",
             "--landing", str(tmp_path / "landing"), "--selector", 'job="node"', "--machine-label", "machine_name"],
        )  # fmt: skip
        assert all('{job="node"' in request.parameters["query"] for request in server.requests)
    assert result.exit_code == 0, result.output
    assert "48 windows of hosts from 2026-01-20 00:00:00 to 2026-01-21 00:00:00 UTC in 1 file(s)" in result.output
    assert {row["window_s"] for row in landed(tmp_path / "landing")} == {1800}


def test_a_clock_that_is_off_is_said_and_kept(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        reply = matrix(request, WHOLE)
        return Reply(reply.content, headers={"Date": "Wed, 21 Jan 2026 13:00:00 GMT"})

    with serving(answer) as server:
        summary = collect(source(server.url), tmp_path / "landing", CpuQuery(), first=NOON, last=NOON + HOUR, now=NOW)
    [row] = landed(tmp_path / "landing")
    assert abs(row["clock_offset_s"]) > 3600
    assert "its clock is" in summary.notes[0]


# ---- what is remembered ----------------------------------------------------------------------------------------------

ranges = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(
    lambda pair: tuple(NOON + minutes * HOUR for minutes in sorted(pair))
)


@given(done=st.lists(ranges, max_size=6), asked=ranges)
def test_what_is_missing_is_what_was_asked_less_what_is_done(done: list[Any], asked: Any) -> None:
    """Hour by hour, as sets."""

    def hours(ranges_: Sequence[Any]) -> set[datetime]:
        return {NOON + n * HOUR for n in range(41) for start, end in ranges_ if start <= NOON + n * HOUR < end}

    state = SourceState(Path("unused"))
    for one in done:
        state.mark_done([one])
    assert hours(state.done) == hours(done)
    assert all(end < start for (_, end), (start, _) in zip(state.done, state.done[1:], strict=False))
    missing = state.missing(asked)
    assert hours(missing) == hours([asked]) - hours(done)
    assert sum((end - start) // HOUR for start, end in missing) == len(hours(missing))
