"""The usage tables and views against others made independently: the views in SQLite, attribution minute by minute."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.usage_oracle import TWELVE, agree
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


# ---- hosts of our own --------------------------------------------------------------------------------------------


@settings(max_examples=3)
@given(seed=st.integers(0, 10_000))
def test_an_hour_of_a_host_counts_once_in_whatever_order_its_sources_land(seed: int) -> None:
    """Runs of up to two days, overlapping, of a host of 4 CPUs at 50 %, which Prometheus watches in some hours."""
    rng = random.Random(seed)
    runs = [(rng.randrange(HOURS * 60), rng.choice([5, 50, 500, 2500])) for _ in range(rng.randrange(1, 5))]
    watched = sorted(rng.sample(range(HOURS), rng.randrange(HOURS)))
    landings: list[Callable[[UsageTables], None]] = [
        *(partial(land_run, start=start, minutes=minutes) for start, minutes in runs),
        *(partial(land_hour, hour=hour) for hour in watched),
    ]
    at_once, in_parts = UsageTables(), UsageTables()
    for land_one in landings:
        land_one(at_once)
    at_once.build()
    rng.shuffle(landings)
    half = len(landings) // 2
    for part in (landings[:half], landings[half:]):
        for land_one in part:
            land_one(in_parts)
        in_parts.build()
    for table in ("fact_usage", "usage_daily", "usage_day_inputs", "usage_own_windows", "dim_machine", "dim_instance"):
        query = f"SELECT * FROM main.{table} ORDER BY ALL"
        assert in_parts.rows(query) == at_once.rows(query), table

    seen = {second for start, minutes in runs for second in range(start * 60, (start + minutes) * 60)}
    expected = Counter(second // 3600 for second in seen)
    facts = at_once.rows("SELECT ts, busy_cpu_seconds_total AS s FROM fact_usage WHERE scope = 'ada'")
    found = {(row["ts"] - FIRST) // timedelta(hours=1): row["s"] for row in facts}
    assert found.keys() == expected.keys() | set(watched)
    for hour, seconds in found.items():
        assert seconds == (7.0 if hour in watched else pytest.approx(4 * 0.5 * expected[hour], abs=4 * len(runs)))
    findings = at_once.findings()
    assert [findings[name] for name in BLOCKING] == [[], [], [], []]


def land_run(usage: UsageTables, start: int, minutes: int) -> None:
    usage.own_run(FIRST + start * MINUTE, minutes * 60, 50.0)


def land_hour(usage: UsageTables, hour: int) -> None:
    usage.windows("lab", f"{FIRST + hour * 60 * MINUTE:%Y-%m-%d %H:%M}", (7, 13), machine_name="m", n_cpus=4)


# ---- the views in SQLite ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def usage() -> Iterator[UsageTables]:
    usage = UsageTables()
    land(usage, make_world(7, hosts=12))
    usage.own_run("2026-01-20 05:00", 120, 50.0, cpus=None)  # nobody knows how many CPUs it has
    usage.build()
    yield usage
    usage.con.close()


@pytest.mark.parametrize("view", TWELVE)
def test_the_twelve_views_agree_with_sqlite(usage: UsageTables, view: str) -> None:
    assert agree(usage, view) > 1


def test_a_total_says_how_many_hours_it_lacks(usage: UsageTables) -> None:
    """What is unknown of one host makes the sums of its hour unknown, and only those."""
    ada = usage.row("SELECT * FROM usage_totals('ada', '2026-01-01', '2026-02-01')")
    known = usage.row("SELECT sum(busy_kwh) AS kwh, count(busy_kwh) AS hours FROM v_ada_timeseries")
    assert (ada["hours"], ada["unknown_hours"]) == (known["hours"] + 1, 1)
    assert ada["busy_kwh"] == pytest.approx(known["kwh"], rel=1e-12)
    lab = usage.row("SELECT * FROM usage_totals('machine', '2026-01-01', '2026-02-01') WHERE name = 'lab'")
    assert (lab["hours"], lab["unknown_hours"], lab["busy_kwh"], lab["busy_cpu_seconds_total"]) == (1, 1, None, None)
    found = usage.findings()
    assert [found[name] for name in BLOCKING] == [[], [], [], []]
    unknown = "hours with CPU time of a host whose number of CPUs is not known"
    assert ("fact_usage", unknown, 1) in found["usage_attribution"]


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
