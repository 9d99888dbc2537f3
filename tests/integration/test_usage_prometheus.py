"""Cloud usage from real parts: a node_exporter, a Prometheus server that scrapes it, and the whole pipeline behind.

Both are Debian's, started here on free loopback ports and stopped again; the carbon intensity comes from a local server
of the UK API's shape, with its nulls, errors and time-outs.
"""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from alems_pipeline.cli import app as alems
from alems_pipeline.sql_files import SQL_ROOT
from alems_pipeline.warehouse import Warehouse
from collectors.cli import app as alems_collect
from collectors.sources.http_json import JsonSource
from collectors.sources.prometheus import CpuQuery, collect
from tests.free_port import free_port
from tests.http_server import Reply, Request, serving
from tests.usage_oracle import TWELVE, agree
from tests.usage_warehouse import UsageWarehouse
from tests.warehouses import materialize

STEP = timedelta(seconds=2)
WINDOWS = 3  # that every host has at least
PROGRAMS = ("prometheus", "prometheus-node-exporter")
MISSING = [program for program in PROGRAMS if shutil.which(program) is None]
DATA = Path(__file__).resolve().parents[1] / "data"
COOKBOOK = sorted((SQL_ROOT / "cookbook").glob("usage_*.sql"))

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: apt-get install prometheus prometheus-node-exporter"
)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until the condition holds; a program that starts gives no other sign."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has scraped one exporter as three hosts, two of them in one project, for a few windows."""
    folder = tmp_path_factory.mktemp("prometheus")
    exporter, server = free_port(), free_port()
    hosts = [("h1", "fusion", "m5.large"), ("h2", "fusion", "c5.xlarge"), ("h3", "plasma", "m5.large")]
    targets = "".join(
        f"""
      - targets: ["127.0.0.1:{exporter}"]
        labels: {{host: {host}, cloud_project_name: {project}, machine_name: {machine}}}"""
        for host, project, machine in hosts
    )
    config = folder / "prometheus.yml"
    config.write_text(
        f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: node
    static_configs:{targets}
  - job_name: same-again  # the same host by another job: it must not count twice
    static_configs:
      - targets: ["127.0.0.1:{exporter}"]
        labels: {{host: h1, cloud_project_name: fusion, machine_name: m5.large}}
  - job_name: prometheus
    static_configs: [{{targets: ["127.0.0.1:{server}"]}}]
"""
    )
    node = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}", "--collector.disable-defaults",
            "--collector.cpu"]  # fmt: skip
    prom = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{server}", "--log.level=warn"]  # fmt: skip
    with running(*node, log=folder / "node.log"), running(*prom, log=folder / "prometheus.log"):
        running_server = Prometheus(f"http://127.0.0.1:{server}")
        long_ago = f'up{{job="node"}} offset {int((WINDOWS + 2) * STEP.total_seconds())}s'
        wait_for(lambda: len(running_server.ask("/api/v1/query", query=long_ago)["data"]["result"]) == 3, "scrapes")
        yield running_server


@pytest.fixture(scope="module")
def home(prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse, everything collected by the commands a user would type."""
    folder = tmp_path_factory.mktemp("usage")
    landing = folder / "warehouse" / "landing"
    now = datetime.now(UTC)
    begin = now - timedelta(minutes=5)
    (folder / "cloud.json").write_text(
        json.dumps(
            {
                "workspaces": [
                    {"id": "w1", "state": "CLAIMED", "owner": "u1", "host": "h1", "created": "2026-01-01T00:00Z"},
                    {"id": "w2", "state": "READY", "owner": "u2", "host": "h2", "created": "2026-01-01T00:00Z"},
                ],
                "users": [{"user_id": "u1", "display_name": "Ann", "groups": ["physics"]}, {"user_id": "u2"}],
                "user_projects": [
                    {"user": "u1", "project": "fusion"},
                    {"user": "u1", "project": "plasma"},
                ],
            }
        )
    )
    runner = CliRunner()

    def run(*arguments: str) -> str:
        result = runner.invoke(alems_collect, [*arguments, "--landing", str(landing)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    said = run("prometheus", "--url", prometheus.url, "--step", "2s", "--from", begin.isoformat(), "--selector",
               'job!="prometheus"')  # fmt: skip
    assert int(said.split()[0]) >= WINDOWS * 3
    run("workspaces", str(folder / "cloud.json"))
    with serving(troubled_uk_api(now)) as carbon:
        run("carbon-intensity", "--url", carbon.url, "--from", (now - timedelta(hours=2)).isoformat())
    materialize(folder / "warehouse")
    return folder / "warehouse"


def troubled_uk_api(now: datetime) -> Callable[[Request], Reply]:
    """Measured values up to an hour ago, then nulls; the first request of all fails and the second is cut short."""
    troubles = [Reply({"error": {"message": "internal"}}, status=500, headers={"Retry-After": "0"})]

    def answer(request: Request) -> Reply:
        if troubles:
            return troubles.pop()
        _, _, first, last = request.path.split("/")
        start = datetime.strptime(first, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        end = start + timedelta(hours=48)
        if last != "fw48h":
            end = datetime.strptime(last, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        data = []
        while start < end:
            measured = 180 + start.hour if start < now - timedelta(hours=1) else None
            data.append({"from": f"{start:%Y-%m-%dT%H:%MZ}", "to": f"{start + timedelta(minutes=30):%Y-%m-%dT%H:%MZ}",
                         "intensity": {"forecast": 185, "actual": measured, "index": "moderate"}})  # fmt: skip
            start += timedelta(minutes=30)
        return Reply({"data": data})

    return answer


def landed(home: Path) -> list[dict[str, Any]]:
    paths = sorted((home / "landing").glob("cpu_usage/*/*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def test_the_cpu_time_of_each_host_is_what_its_cpus_have(home: Path) -> None:
    """Whatever this machine does: the modes of its CPUs add up to the length of the window, for every host once."""
    rows = landed(home)
    whole = [row for row in rows if row["idle_s"] is not None]
    assert {row["host"] for row in whole} == {"h1", "h2", "h3"}
    for host in ("h1", "h2", "h3"):
        times = [
            sum(row[f"{mode}_s"] for mode in ("user", "nice", "system", "irq", "softirq", "steal", "idle", "iowait"))
            / row["n_cpus"]
            for row in whole
            if row["host"] == host
        ]
        within = [seconds for seconds in times if abs(seconds - STEP.total_seconds()) < 0.3]
        assert len(within) >= WINDOWS - 1, times
    assert {row["n_resets"] for row in whole} == {0}
    assert {(row["host"], row["cloud_project_name"], row["machine_name"]) for row in whole} == {
        ("h1", "fusion", "m5.large"), ("h2", "fusion", "c5.xlarge"), ("h3", "plasma", "m5.large")
    }  # fmt: skip


def test_a_window_holds_what_prometheus_itself_says_of_it(home: Path, prometheus: Prometheus) -> None:
    row = [row for row in landed(home) if row["host"] == "h2" and row["idle_s"] is not None][-1]
    end = (row["window_start"] + STEP).timestamp()
    query = 'sum by (mode) (increase(node_cpu_seconds_total{job="node", host="h2"}[2s]))'
    answer = prometheus.ask("/api/v1/query", query=query, time=str(end))["data"]["result"]
    assert {f"{series['metric']['mode']}_s": float(series["value"][1]) for series in answer} == {
        f"{series['metric']['mode']}_s": pytest.approx(row[f"{series['metric']['mode']}_s"]) for series in answer
    }
    assert len(answer) == 8


def test_only_new_windows_are_asked_for_again(home: Path, prometheus: Prometheus, tmp_path: Path) -> None:
    """A second landing, of its own state: collected twice, the second time only what has come since."""
    source = JsonSource(prometheus.url)
    query = CpuQuery(step=STEP)
    first = collect(source, tmp_path / "landing", query, first=datetime.now(UTC) - timedelta(seconds=20))
    assert first.rows > 0
    second = wait_for(lambda: collect(source, tmp_path / "landing", query), "the next window")
    assert second.asked[0] == first.asked[1]


def test_facts_follow_from_what_landed(home: Path) -> None:
    windows = [row for row in landed(home) if row["idle_s"] is not None]
    busy_s = sum(row[f"{mode}_s"] for row in windows for mode in ("user", "nice", "system", "irq", "softirq", "steal"))
    idle_s = sum(row["idle_s"] + row["iowait_s"] for row in windows)
    with Warehouse(home).read() as con:
        [found] = con.execute(
            "SELECT busy_cpu_seconds_total, idle_cpu_seconds_total, busy_kwh, idle_kwh, busy_gCo2eq + idle_gCo2eq "
            "FROM usage_totals('ada', '2026-01-01', '2100-01-01')"
        ).fetchall()
        assert found[:4] == pytest.approx((busy_s, idle_s, 12 * busy_s / 3.6e6, idle_s / 3.6e6), rel=1e-9)
        assert found[4] == pytest.approx(185 * (12 * busy_s + idle_s) / 3.6e6, rel=1e-9), "the forecast: no value yet"
        sources = con.execute("SELECT DISTINCT intensity_source, is_estimated FROM fact_usage").fetchall()
        users = con.execute("SELECT user_id, busy_kwh + idle_kwh FROM v_user_totals ORDER BY 1").fetchall()
        energies = {name: sum(row["idle_s"] for row in windows if row["host"] == name) for name in ("h1", "h2", "h3")}
    assert sources == [("forecast", True)]
    assert [user for user, _ in users] == ["(unattributed)", "u1", "u2"]
    assert all(kwh > energies[host] / 3.6e6 for (_, kwh), host in zip(users, ("h3", "h1", "h2"), strict=True))


@pytest.mark.parametrize("view", TWELVE)
def test_the_twelve_views_agree_with_sqlite(home: Path, view: str) -> None:
    assert agree(UsageWarehouse(home), view) > 0


# ---- the cookbook and the guide --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parameters() -> dict[str, str]:
    today = datetime.now(UTC).date()
    day = timedelta(days=1)
    begin, end = today - day, today + 2 * day
    return {
        "from_utc": f"{begin}T00:00:00Z", "to_utc": f"{end}T00:00:00Z", "q_start": str(begin), "q_end": str(end),
        "n": "5", "machine": "m5.large", "group_name": "physics", "project": "fusion", "user_id": "u1",
        "region": "GB", "day": str(today + day), "year": str(today.year), "from_day": str(begin), "to_day": str(end),
        "pue": "1.4", "embodied_g_per_cpu_hour": "0.9", "group": "physics", "display_name": "Ann",
    }  # fmt: skip


def plain(sql: str) -> str:
    """A query without comments, its white space evened out."""
    return " ".join(re.sub(r"--.*", "", sql).replace(";", "").split())


def parameters_of(sql: str) -> set[str]:
    return set(re.findall(r"\$(\w+)", plain(sql)))


@pytest.mark.parametrize("path", COOKBOOK, ids=lambda path: path.stem)
def test_each_query_of_the_cookbook_answers_on_real_data(home: Path, path: Path, parameters: dict[str, str]) -> None:
    """By the command, its parameters as text."""
    options = [f"--param={name}={parameters[name]}" for name in sorted(parameters_of(path.read_text()))]
    result = CliRunner().invoke(
        alems, ["sql", "--file", str(path), *options, "--format", "json", "--warehouse", str(home)],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)
    if path.stem != "usage_experiment_groups":  # no runs were measured here
        assert rows, path.read_text()


def test_the_answers_of_the_cookbook_are_right(home: Path, parameters: dict[str, str]) -> None:
    def ask(name: str) -> list[dict[str, Any]]:
        query = (SQL_ROOT / "cookbook" / f"usage_{name}.sql").read_text()
        with Warehouse(home).read() as con:
            cursor = con.execute(query, {name: parameters[name] for name in parameters_of(query)})
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    with Warehouse(home).read() as con:
        [(total_kwh,)] = con.execute("SELECT busy_kwh + idle_kwh FROM usage_totals('ada', '2020-01-01', '2100-01-01')"
                                     ).fetchall()  # fmt: skip
        users = dict(con.execute("SELECT user_id, busy_kwh + idle_kwh FROM v_user_totals").fetchall())
    assert sum(row["energy_kwh"] for row in ask("project_energy")) == pytest.approx(total_kwh)
    assert [row["group_name"] for row in ask("top_groups")] == ["physics"]
    assert {row["user"] for row in ask("active_workspaces")} == {"Ann", "u2"}
    assert [row["user_id"] for row in ask("users_in_group")] == ["u1"]
    assert sorted(row["machine_name"] for row in ask("machines_of_project")) == ["c5.xlarge", "m5.large"]
    assert sorted(row["cloud_project_name"] for row in ask("projects_of_user")) == ["fusion", "plasma"]
    contribution = [row for row in ask("user_contribution") if row["user_id"] == "u1"]
    assert sum(row["user_energy_kwh"] for row in contribution) == pytest.approx(2 * users["u1"]), "counted twice"
    weighted = [row for row in ask("user_projects_weighted") if row["user_id"] == "u1"]
    assert sum(row["energy_kwh"] for row in weighted) == pytest.approx(users["u1"]), "counted once"
    assert all(0 < row["busy_pct"] <= 100 for row in ask("machine_utilization"))
    assert {row["workspace_id"] for row in ask("workspaces")} == {"w1", "w2"}
    equivalences = {row["thing"]: row["amount"] for row in ask("equivalences")}
    assert equivalences["phone charges"] == pytest.approx(equivalences["miles driven"] * 400 / 8.22)
    [best] = ask("best_window")
    assert best["to_ts"] - best["from_ts"] == timedelta(hours=3)
    assert (best["mean_forecast_gco2eq_kwh"], best["percent_below_mean"]) == (185, pytest.approx(0))


def guide() -> list[str]:
    text = (DATA / "usage_guide.sql").read_text()
    return [statement.strip() for statement in text.split(";")[:-1]]


def test_the_guides_queries_run_as_written(home: Path, parameters: dict[str, str], tmp_path: Path) -> None:
    """All of them, its upserts and views on a copy: the published file itself is read-only."""
    copy = tmp_path / "copy.duckdb"
    shutil.copy(Warehouse(home).published_path, copy)
    copy.chmod(0o644)
    cookbook = {plain(path.read_text()) for path in COOKBOOK}
    with duckdb.connect(str(copy)) as con:
        con.execute("SET TimeZone = 'UTC'")
        n_asked = 0
        for statement in guide():
            named = {name: parameters[name] for name in parameters_of(statement)}
            if "CREATE VIEW" in statement:
                name = re.findall(r"CREATE VIEW (\w+)", statement)[0]
                ours = con.execute(f"FROM {name} ORDER BY ALL").fetchall()
                con.execute(f"DROP VIEW {name}")
                con.execute(statement)
                assert con.execute(f"FROM {name} ORDER BY ALL").fetchall() == ours
            elif "INSERT INTO dim_group" in statement:
                continue  # the pipeline's own: it gives ids by name, which no default can
            elif "INSERT" in statement:
                con.execute(statement, named)
            else:
                con.execute(statement, named).fetchall()
                n_asked += 1
                health = "Any fact rows" in statement or "Any negative" in statement
                assert health or plain(statement) in cookbook, "each query is a file of the cookbook"
        assert n_asked == 11
