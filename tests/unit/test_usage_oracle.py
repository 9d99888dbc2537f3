"""The usage tables and views against others made independently: the views in SQLite, attribution minute by minute."""

import math
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.usage_warehouse import UsageTables, at

FIRST = at("2026-01-20 00:00")
HOURS = 30
MINUTE = timedelta(minutes=1)
BLOCKING = ("usage_keys", "usage_values", "usage_relations", "usage_conservation")


# ---- a random world --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A workspace on a host; times in minutes since FIRST, the end open where it is None."""

    host: str
    user: str | None
    project: str | None
    start: int
    end: int | None


@dataclass(frozen=True)
class Window:
    """CPU time of a host of one CPU; the start in minutes since FIRST."""

    host: str
    start: int
    minutes: int
    busy_s: float
    idle_s: float
    project: str | None
    machine: str | None

    @property
    def covered_s(self) -> float:
        return min(self.busy_s + self.idle_s, self.minutes * 60.0)


@dataclass(frozen=True)
class World:
    """What lands."""

    windows: list[Window]
    claims: list[Claim]
    intensities: dict[int, tuple[float | None, float | None]]  # half-hour -> measured, forecast


def make_world(seed: int, hosts: int = 3) -> World:
    """Hosts with gaps, partial windows, windows of several lengths, and workspaces that come and go and overlap."""
    rng = random.Random(seed)
    windows, claims = [], []
    for number in range(hosts):
        host = f"h{number}"
        minutes = rng.choice([60, 60, 30, 15])
        project, machine = rng.choice([None, "p1", "p2"]), rng.choice([None, "m1", "m2"])
        for start in range(0, HOURS * 60, minutes):
            if rng.random() < 0.2:
                continue
            up_s = minutes * 60.0 * rng.choice([1, 1, 1, 0.5, 0.1])
            busy_s = up_s * rng.random()
            windows.append(Window(host, start, minutes, busy_s, up_s - busy_s, project, machine))
        for _ in range(rng.randrange(4)):
            start = rng.randrange(0, HOURS * 60)
            end = rng.choice([None, start + rng.randrange(1, 600)])
            claims.append(Claim(host, rng.choice(["u1", "u2", "u3", None]), rng.choice([None, "p1", "p3"]), start, end))
    intensities: dict[int, tuple[float | None, float | None]] = {}
    for half_hour in range(HOURS * 2):
        known = rng.random()
        measured = rng.uniform(50, 400) if known < 0.6 else None
        forecast = rng.uniform(50, 400) if known < 0.9 else None
        if known < 0.95:
            intensities[half_hour] = (measured, forecast)
    return World(windows, claims, intensities)


def land(usage: UsageTables, world: World, part: int = 0, of: int = 1) -> None:
    """Land a world, or the n-th part of it."""

    def time(minutes: int | None) -> datetime | None:
        return None if minutes is None else FIRST + minutes * MINUTE

    windows = [
        {
            "host": window.host,
            "window_start": time(window.start),
            "window_s": window.minutes * 60,
            "user_s": window.busy_s,
            "system_s": 0.0,
            "idle_s": window.idle_s,
            "n_cpus": 1,
            "cloud_project_name": window.project,
            "machine_name": window.machine,
        }
        for window in world.windows
    ]
    workspaces = [
        {
            "workspace_id": f"w{number}",
            "host": claim.host,
            "user_id": claim.user,
            "cloud_project_name": claim.project,
            "state": "CLAIMED",
            "created_at": time(claim.start),
            "deleted_at": time(claim.end),
        }
        for number, claim in enumerate(world.claims)
    ]
    intensities = [
        {
            "region": "GB",
            "window_start": time(half_hour * 30),
            "window_end": time(half_hour * 30 + 30),
            "actual_gco2eq_kwh": measured,
            "forecast_gco2eq_kwh": forecast,
        }
        for half_hour, (measured, forecast) in world.intensities.items()
    ]
    for dataset, rows in (("cpu_usage", windows), ("workspaces", workspaces), ("carbon_intensity", intensities)):
        if rows[part::of]:
            usage.drop(dataset, rows[part::of])
    if part == 0:
        usage.drop("usage_directory", [
            {"kind": "user", "user_id": "u1", "display_name": "Ann", "group_name": "g1"},
            {"kind": "user", "user_id": "u2", "group_name": "g2"},
            {"kind": "user_project", "user_id": "u1", "cloud_project_name": "p2"},
            {"kind": "machine", "machine_name": "m2", "busy_watts": 30.0, "idle_watts": 3.0},
        ])  # fmt: skip


# ---- minute by minute ------------------------------------------------------------------------------------------------


def users_by_the_minute(world: World) -> dict[tuple[datetime, str], float]:
    """Busy seconds of each user in each hour: each minute of a window goes to whoever holds the host in that minute.

    Where a host was up for less of the window than it was held, all of the window is its holders'.
    """
    found: defaultdict[tuple[datetime, str], float] = defaultdict(float)
    for window in world.windows:
        held: defaultdict[str, float] = defaultdict(float)
        for minute in range(window.start, window.start + window.minutes):
            holders = [
                claim.user
                for claim in world.claims
                if claim.host == window.host and claim.start <= minute and (claim.end is None or claim.end > minute)
            ]
            for user in holders:
                held[user or "(unattributed)"] += 60 / len(holders)
        all_held = sum(held.values())
        contested = any(
            claim.host == window.host and hour_of(edge) == hour_of(window.start)
            for claim in world.claims
            for edge in (claim.start, claim.end)
            if edge is not None
        )
        # In an hour in which nothing changed, whoever holds the host has all of it, however long it was up.
        whole = max(window.covered_s, all_held) if contested else (all_held or window.minutes * 60)
        hour = FIRST + hour_of(window.start) * 60 * MINUTE
        for user, seconds in held.items():
            found[(hour, user)] += window.busy_s * seconds / whole
        rest = 1 - all_held / whole
        if rest > 1e-9:
            found[(hour, "(unattributed)")] += window.busy_s * rest
    return dict(found)


def hour_of(minutes: int) -> int:
    return minutes // 60


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_users_have_what_they_used_minute_by_minute(seed: int) -> None:
    world = make_world(seed)
    usage = UsageTables()
    land(usage, world)
    usage.build()
    rows = usage.rows("SELECT ts, user_id, busy_cpu_seconds_total AS s FROM main.fact_usage WHERE scope = 'user'")
    ours = {(row["ts"], row["user_id"]): row["s"] for row in rows}
    expected = users_by_the_minute(world)
    assert ours.keys() == expected.keys()
    for key, seconds in expected.items():
        assert ours[key] == pytest.approx(seconds, rel=1e-9, abs=1e-9), key
    found = usage.findings()
    assert [found[name] for name in BLOCKING] == [[], [], [], []]
    usage.con.close()


@settings(max_examples=3)
@given(seed=st.integers(0, 10_000), parts=st.integers(2, 3))
def test_what_lands_in_parts_and_any_order_ends_up_the_same(seed: int, parts: int) -> None:
    """Bit by bit: facts kept from build to build are those that one build of everything makes."""
    world = make_world(seed)
    at_once, in_parts = UsageTables(), UsageTables()
    land(at_once, world)
    at_once.build()
    for part in reversed(range(parts)):
        land(in_parts, world, part, parts)
        in_parts.build()
    for table in ("fact_usage", "usage_daily", "usage_day_inputs", "dim_user", "map_user_project", "host_holders"):
        query = f"SELECT * FROM main.{table} ORDER BY ALL"
        assert in_parts.rows(query) == at_once.rows(query), table


# ---- the views in SQLite ---------------------------------------------------------------------------------------------

TABLES = {
    "dim_group": "group_id INTEGER PRIMARY KEY, group_name TEXT UNIQUE",
    "dim_user": "user_id TEXT PRIMARY KEY, display_name TEXT, group_id INTEGER REFERENCES dim_group",
    "dim_project": "project_id INTEGER PRIMARY KEY, cloud_project_name TEXT UNIQUE",
    "dim_machine": "machine_id INTEGER PRIMARY KEY, machine_name TEXT UNIQUE",
    "fact_usage": "ts TEXT, scope TEXT, project_id INTEGER, machine_id INTEGER, user_id TEXT, "
    "busy_cpu_seconds_total REAL, idle_cpu_seconds_total REAL, busy_kwh REAL, idle_kwh REAL, busy_gCo2eq REAL, "
    "idle_gCo2eq REAL, intensity_gCo2eq_kwh REAL",
}
SEVEN = """busy_cpu_seconds_total, idle_cpu_seconds_total, busy_kwh, idle_kwh, busy_gCo2eq, idle_gCo2eq,
    CASE WHEN intensity_gCo2eq_kwh IS NOT NULL THEN intensity_gCo2eq_kwh
         WHEN (busy_kwh + idle_kwh) > 0 THEN (busy_gCo2eq + idle_gCo2eq) / (busy_kwh + idle_kwh)
    END AS intensity_gCo2eq_kwh"""
TOTALS = ", ".join(
    f"total({name}) AS {name}"
    for name in (
        "busy_cpu_seconds_total",
        "idle_cpu_seconds_total",
        "busy_kwh",
        "idle_kwh",
        "busy_gCo2eq",
        "idle_gCo2eq",
    )
)
AVERAGES = """avg(busy_kwh) AS avg_busy_energy_kwh, avg(idle_kwh) AS avg_idle_energy_kwh,
    avg(busy_gCo2eq) AS avg_busy_carbon_gCo2eq, avg(idle_gCo2eq) AS avg_idle_carbon_gCo2eq,
    avg(intensity_gCo2eq_kwh) AS avg_intensity_gCo2eq_kwh,
    CASE WHEN total((busy_kwh + idle_kwh) * (intensity_gCo2eq_kwh IS NOT NULL)) > 0
         THEN total((busy_kwh + idle_kwh) * intensity_gCo2eq_kwh)
              / total((busy_kwh + idle_kwh) * (intensity_gCo2eq_kwh IS NOT NULL))
    END AS weighted_intensity_gCo2eq_kwh"""
KEYS = {
    "project": ("project_id, cloud_project_name", "NATURAL JOIN dim_project"),
    "machine": ("machine_id, machine_name", "NATURAL JOIN dim_machine"),
    "user": ("user_id, display_name", "JOIN dim_user USING (user_id)"),
}
NAMES = {"project": "cloud_project_name", "machine": "machine_name", "user": "user_id", "group": "group_name"}


def oracle(usage: UsageTables) -> sqlite3.Connection:
    """The dimensions and facts in SQLite, and the guide's twelve views written for it."""
    con = sqlite3.connect(":memory:")
    con.row_factory = sqlite3.Row
    for table, declaration in TABLES.items():
        con.execute(f"CREATE TABLE {table} ({declaration})")
        columns = [row[1] for row in con.execute(f"PRAGMA table_info({table})")]
        rows = usage.rows(f"SELECT {', '.join(columns)} FROM main.{table}")
        values = [[v.isoformat() if isinstance(v, datetime) else v for v in row.values()] for row in rows]
        con.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in columns)})", values)
    con.execute(f"CREATE VIEW v_ada_timeseries AS SELECT ts, {SEVEN} FROM fact_usage WHERE scope = 'ada'")
    for scope, (keys, join) in KEYS.items():
        series = f"SELECT ts, {keys}, {SEVEN} FROM fact_usage {join} WHERE scope = '{scope}'"
        con.execute(f"CREATE VIEW v_{scope}_timeseries AS {series}")
        for kind, figures in (("totals", TOTALS), ("averages", AVERAGES)):
            con.execute(
                f"CREATE VIEW v_{scope}_{kind} AS SELECT {keys}, {figures} FROM v_{scope}_timeseries GROUP BY {keys}"
            )
    of_groups = """FROM v_user_timeseries JOIN dim_user USING (user_id) LEFT JOIN dim_group USING (group_id)
        GROUP BY dim_user.group_id"""
    for kind, figures in (("totals", TOTALS), ("averages", AVERAGES)):
        con.execute(
            f"CREATE VIEW v_group_{kind} AS SELECT dim_user.group_id, "
            f"ifnull(group_name, '(no group)') AS group_name, {figures} {of_groups}"
        )
    return con


@pytest.fixture(scope="module")
def usage() -> Iterator[UsageTables]:
    usage = UsageTables()
    land(usage, make_world(7, hosts=12))
    usage.build()
    yield usage
    usage.con.close()


@pytest.mark.parametrize(
    "view",
    [f"v_{scope}_timeseries" for scope in ("ada", "project", "machine", "user")]
    + [f"v_{scope}_{kind}" for kind in ("totals", "averages") for scope in ("project", "machine", "group", "user")],
)
def test_the_twelve_views_agree_with_sqlite(usage: UsageTables, view: str) -> None:
    name = NAMES.get(view.split("_")[1], "ts")

    def keyed(rows: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
        return {
            (row[name], row["ts"].isoformat() if isinstance(row.get("ts"), datetime) else row.get("ts")): row
            for row in rows
        }

    ours = keyed(usage.rows(f"SELECT * FROM main.{view}"))
    theirs = keyed([dict(row) for row in oracle(usage).execute(f"SELECT * FROM {view}")])
    if name == "ts":
        ours = {key[1]: row for key, row in ours.items()}
        theirs = {key[1]: row for key, row in theirs.items()}
    assert ours.keys() == theirs.keys() and len(ours) > 1
    [columns] = {tuple(row) for row in theirs.values()}
    assert {tuple(row) for row in ours.values()} == {columns}, "the same columns in the same order"
    for key, row in theirs.items():
        for column, value in row.items():
            found = ours[key][column]
            if isinstance(value, float):
                assert math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-12), (view, key, column)
            elif column != "ts":
                assert found == value, (view, key, column)


def test_the_worked_mean_of_intensities() -> None:
    """1 kWh at 300 and 0.01 kWh at 50 g/kWh: the mean of the rows is 175, weighted by energy it is 297.52."""
    usage = UsageTables()
    usage.intensity("2026-01-21 10:00", 300.0, 300.0, 50.0, 50.0)
    usage.windows("h1", "2026-01-21 10:00", (300_000, 0), (3_000, 0), machine_name="m")
    usage.build()
    row = usage.row("SELECT * FROM v_machine_averages")
    assert row["avg_intensity_gCo2eq_kwh"] == pytest.approx(175)
    assert row["weighted_intensity_gCo2eq_kwh"] == pytest.approx(297.52, abs=5e-3)


def test_the_world_is_not_trivial() -> None:
    """The random worlds hold what they are meant to try."""
    worlds = [make_world(seed) for seed in range(50)]
    assert any(len([c for c in w.claims if c.host == "h0"]) > 1 for w in worlds)
    assert {window.minutes for w in worlds for window in w.windows} == {15, 30, 60}
    assert any(w.intensities.keys() != set(range(HOURS * 2)) for w in worlds)
    assert FIRST.tzinfo is UTC
