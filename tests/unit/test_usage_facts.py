"""From windows of CPU time to facts: worked values, attribution at the time of use, power, intensity, corrections."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.usage_warehouse import RECORDED, Usage, UsageTables, UsageWarehouse, at

DAY = "2026-01-21"
SECONDS = "busy_cpu_seconds_total"
BLOCKING = ("usage_keys", "usage_values", "usage_relations", "usage_conservation")


@pytest.fixture
def usage() -> Iterator[UsageTables]:
    usage = UsageTables()
    yield usage
    usage.con.close()


@pytest.fixture
def landed(tmp_path: Path) -> UsageWarehouse:
    return UsageWarehouse(tmp_path / "warehouse")


# ---- worked values ---------------------------------------------------------------------------------------------------


def test_the_worked_values(usage: Usage) -> None:
    """1000/5000 s and 8313.1/28564580 s at 185 g/kWh, as usage.md gives them."""
    usage.intensity(f"{DAY} 00:00", *[185.0] * 48)
    usage.windows("h1", f"{DAY} 10:00", (1000, 5000), machine_name="a")
    usage.windows("h2", f"{DAY} 11:00", (8313.1, 28564580), machine_name="b")
    usage.build()
    first, second = usage.facts("machine", "busy_kwh", "idle_kwh", "busy_gCo2eq + idle_gCo2eq", "intensity_gCo2eq_kwh")
    assert first == (10, "a", pytest.approx(0.003333, abs=5e-7), pytest.approx(0.001389, abs=5e-7),
                     pytest.approx(0.8736, abs=5e-5), 185.0)  # fmt: skip
    assert second[2] + second[3] == pytest.approx(7.962316, abs=5e-7)
    assert second[4] == pytest.approx(1473.03, abs=5e-3)


def test_every_scope_has_its_key_and_adds_up(usage: Usage) -> None:
    usage.intensity(f"{DAY} 00:00", *[200.0] * 48)
    usage.workspace("w1", "h1", "u1", "2026-01-01 00:00")
    usage.windows("h1", f"{DAY} 10:00", (100, 200), (300, 400), cloud_project_name="p1", machine_name="m1")
    usage.windows("h2", f"{DAY} 10:00", (10, 20), cloud_project_name="p1", machine_name="m2")
    usage.windows("h3", f"{DAY} 11:00", (1, 2))
    usage.build()
    assert usage.facts("ada", SECONDS) == [(10, "ada", 110), (11, "ada", 301)]
    assert usage.facts("project", SECONDS) == [(10, "p1", 110), (11, "(unattributed)", 1), (11, "p1", 300)]
    assert usage.facts("machine", SECONDS) == [
        (10, "m1", 100), (10, "m2", 10), (11, "(unattributed)", 1), (11, "m1", 300)
    ]  # fmt: skip
    assert usage.facts("user", SECONDS) == [
        (10, "(unattributed)", 10), (10, "u1", 100), (11, "(unattributed)", 1), (11, "u1", 300)
    ]  # fmt: skip
    keys = usage.rows(
        "SELECT DISTINCT scope, project_id IS NOT NULL AS p, machine_id IS NOT NULL AS m, user_id IS NOT NULL AS u "
        "FROM main.fact_usage"
    )
    assert {(row["scope"], row["p"], row["m"], row["u"]) for row in keys} == {
        ("ada", False, False, False), ("project", True, False, False),
        ("machine", False, True, False), ("user", False, False, True),
    }  # fmt: skip
    found = usage.findings()
    assert [found[name] for name in BLOCKING] == [[], [], [], []]


# ---- attribution -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "users"),
    [
        ({}, ["u1", "u1"]),
        ({"deleted_at": at(f"{DAY} 11:00")}, ["u1", "(unattributed)"]),
        ({"acquired_at": at(f"{DAY} 11:00")}, ["(unattributed)", "u1"]),
        ({"acquired_at": at(f"{DAY} 12:00")}, ["(unattributed)", "(unattributed)"]),
        ({"created": f"{DAY} 11:00"}, ["(unattributed)", "u1"]),
        ({"host": "another"}, ["(unattributed)", "(unattributed)"]),
    ],
    ids=["held", "deleted", "acquired", "acquired later", "created", "elsewhere"],
)
def test_a_window_is_that_of_who_held_the_host(usage: Usage, values: dict[str, Any], users: list[str]) -> None:
    usage.workspace("w1", **{"host": "h1", "user": "u1", "created": f"{DAY} 09:00"} | values)
    usage.windows("h1", f"{DAY} 10:00", (100, 200), (100, 200))
    usage.build()
    assert [user for _, user, _ in usage.facts("user", SECONDS)] == users


def test_a_window_in_which_the_host_changed_hands_is_divided_by_time(usage: Usage) -> None:
    """u1 until 10:15, u2 from 10:30: a quarter, a half, and a quarter that nobody held. Flagged as estimated."""
    usage.workspace("w1", "h1", "u1", f"{DAY} 09:00", deleted_at=at(f"{DAY} 10:15"))
    usage.workspace("w2", "h1", "u2", f"{DAY} 10:30")
    usage.intensity(f"{DAY} 00:00", *[200.0] * 48)
    usage.windows("h1", f"{DAY} 09:00", (1000, 2600), (1000, 2600), (1000, 2600), n_cpus=1)
    usage.build()
    assert usage.facts("user", SECONDS, "is_estimated") == [
        (9, "u1", 1000, False),
        (10, "(unattributed)", 250, True),
        (10, "u1", 250, True),
        (10, "u2", 500, True),
        (11, "u2", 1000, False),
    ]


def test_a_host_that_was_up_for_its_holder_only_is_all_theirs(usage: Usage) -> None:
    """A virtual machine that lived from 10:10 to 10:50 with its workspace: 40 minutes of one CPU, all of them u1's."""
    usage.workspace("w1", "h1", "u1", f"{DAY} 10:10", deleted_at=at(f"{DAY} 10:50"))
    usage.windows("h1", f"{DAY} 10:00", (400, 2000), n_cpus=1)
    usage.build()
    assert usage.facts("user", SECONDS) == [(10, "u1", pytest.approx(400))]


def test_workspaces_on_a_host_at_once_share_it(usage: Usage) -> None:
    usage.workspace("w1", "h1", "u1", "2026-01-01 00:00")
    usage.workspace("w2", "h1", "u2", "2026-01-01 00:00")
    usage.workspace("w3", "h1", "u2", f"{DAY} 11:00", deleted_at=at(f"{DAY} 12:00"))
    usage.windows("h1", f"{DAY} 10:00", (120, 0), (120, 0), (120, 0))
    usage.build()
    assert usage.facts("user", SECONDS) == [
        (10, "u1", 60), (10, "u2", 60), (11, "u1", pytest.approx(40)), (11, "u2", pytest.approx(80)),
        (12, "u1", 60), (12, "u2", 60),
    ]  # fmt: skip


def test_a_workspace_that_changes_hands_counts_for_each_in_turn(usage: Usage) -> None:
    """The second collection knows the new owner only; what the old one used stays theirs."""
    usage.workspace("w1", "h1", "u1", "2026-01-01 00:00")
    usage.workspace("w1", "h1", "u2", "2026-01-01 00:00", acquired_at=at(f"{DAY} 11:00"),
                    recorded_at=RECORDED + timedelta(hours=1))  # fmt: skip
    usage.windows("h1", f"{DAY} 10:00", (100, 0), (100, 0))
    usage.build()
    assert usage.facts("user", SECONDS) == [(10, "u1", 100), (11, "u2", 100)]


RELEASED_BY = {
    "a pool without times": ({}, {}),
    "the last time kept": ({"acquired_at": at(f"{DAY} 10:00")}, {"acquired_at": at(f"{DAY} 10:00")}),
}


@pytest.mark.parametrize("second", [None, "u2", "u1"])
@pytest.mark.parametrize("released", RELEASED_BY)
def test_a_workspace_given_back_to_the_pool_is_its_last_users_no_more(
    usage: Usage, released: str, second: str | None
) -> None:
    """Created 09:00, u1's from 10:00, seen in the pool at 11:00, `second`'s from 12:00, seen in the pool at 13:00."""
    first, last = RELEASED_BY[released]
    usage.windows("h1", f"{DAY} 09:00", *[(100, 0)] * 5)
    created = f"{DAY} 09:00"
    seen: list[tuple[str, str | None, dict[str, Any]]] = [
        ("09:01", None, {}),
        ("10:01", "u1", {"acquired_at": at(f"{DAY} 10:00")}),
        ("10:30", "u1", {"acquired_at": at(f"{DAY} 10:00"), "tags_json": "{}"}),
        ("11:00", None, first),
        ("11:30", None, first | {"tags_json": "{}"}),
    ]
    if second:
        seen += [("12:01", second, {"acquired_at": at(f"{DAY} 12:00")}), ("13:00", None, last)]
    for time, user, values in reversed(seen):  # whatever lands first
        usage.workspace("w1", "h1", user, created, recorded_at=at(f"{DAY} {time}"),
                        state="CLAIMED" if user else "READY", **values)  # fmt: skip
    usage.build()
    nobody = "(unattributed)"
    assert [user for _, user, _ in usage.facts("user", SECONDS)] == [nobody, "u1", nobody, second or nobody, nobody]
    assert usage.row("SELECT user_id FROM active_workspace") == {"user_id": None}
    workspace = usage.row("SELECT sum(busy_cpu_seconds_total) AS s FROM usage_daily WHERE workspace_id = 'w1'")
    assert workspace == {"s": 500}, "what nobody used is still the workspace's"


def test_a_workspace_that_moves_to_another_host_is_there_from_when_it_was_seen(usage: Usage) -> None:
    """Without a host while it was built, on h1, since 11:00 on h2."""
    for host, time in ((None, "09:01"), ("h1", "09:10"), ("h2", "11:00")):
        usage.workspace("w1", host, "u1", f"{DAY} 09:00", recorded_at=at(f"{DAY} {time}"))  # type: ignore[arg-type]
    for host in ("h1", "h2"):
        usage.windows(host, f"{DAY} 09:00", (100, 0), (100, 0), (100, 0), machine_name=host)
    usage.build()
    held = usage.rows("FROM usage_attributed(TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-02-01')")
    of_u1 = {(row["host"], row["hour_start"].hour) for row in held if row["user_id"]}
    assert of_u1 == {("h1", 9), ("h1", 10), ("h2", 11)}


def test_what_a_source_says_of_the_past_corrects_it(usage: Usage) -> None:
    """Deleted by mistake, created earlier than said, and two sources that number their workspaces alike."""
    later = {"recorded_at": RECORDED + timedelta(hours=1)}
    usage.workspace("w1", "h1", "u1", f"{DAY} 11:00", deleted_at=at(f"{DAY} 12:00"))
    usage.workspace("w1", "h1", "u1", f"{DAY} 10:00", **later)
    usage.workspace("w2", "h2", "u2", f"{DAY} 10:00")
    usage.workspace("w2", "h3", "u3", f"{DAY} 11:00", source_system="another cloud")
    for host in ("h1", "h2", "h3"):
        usage.windows(host, f"{DAY} 10:00", (100, 0), (100, 0), (100, 0), machine_name=host)
    usage.build()
    used = "SELECT user_id, busy_cpu_seconds_total AS s FROM v_user_totals"
    assert {row["user_id"]: row["s"] for row in usage.rows(used)} == {
        "u1": 300, "u2": 300, "u3": 200, "(unattributed)": 100
    }  # fmt: skip
    active = usage.rows("SELECT workspace_id, user_id FROM active_workspace ORDER BY user_id")
    assert [tuple(row.values()) for row in active] == [("w1", "u1"), ("test:w2", "u2"), ("another cloud:w2", "u3")]


@pytest.mark.parametrize("second", ["u1", "u2"])
@pytest.mark.parametrize("in_one_list", [False, True])
def test_a_deletion_stays_when_the_id_comes_back(usage: Usage, second: str, in_one_list: bool) -> None:
    """u1's until 11:00; from 13:00 `second`'s, until 15:00: seen as it happened, or read off one list."""
    usage.windows("h1", f"{DAY} 09:00", *[(100, 0)] * 7)
    of_u1, of_second = ("h1", "u1", f"{DAY} 09:00"), ("h1", second, f"{DAY} 13:00")
    gone, gone_again = {"deleted_at": at(f"{DAY} 11:00")}, {"deleted_at": at(f"{DAY} 15:00")}
    if in_one_list:
        for seen in ("16:00", "17:00"):
            usage.workspace("w1", *of_u1, recorded_at=at(f"{DAY} {seen}"), **gone)
            usage.workspace("w1", *of_second, recorded_at=at(f"{DAY} {seen}"), **gone_again)
    else:
        usage.workspace("w1", *of_u1, recorded_at=at(f"{DAY} 09:30"))
        usage.workspace("w1", *of_u1, recorded_at=at(f"{DAY} 11:30"), **gone)
        usage.workspace("w1", *of_second, recorded_at=at(f"{DAY} 13:30"))
        usage.workspace("w1", *of_second, recorded_at=at(f"{DAY} 15:30"), **gone_again)
    usage.build()
    nobody = "(unattributed)"
    users = [user for _, user, _ in usage.facts("user", SECONDS)]
    assert users == ["u1", "u1", nobody, nobody, second, second, nobody]
    assert usage.rows("FROM active_workspace") == []


def test_what_a_workspace_did_for_another_project_or_on_another_machine_stays_there(usage: Usage) -> None:
    """Completed at 09:40, in project B since 11:00, on the big machine since 12:00, in no project since 13:00."""
    usage.windows("h1", f"{DAY} 09:00", *[(100, 0)] * 5)
    seen = (("09:30", None, None), ("09:40", "A", "small"), ("11:00", "B", "small"), ("12:00", "B", "big"),
            ("13:00", None, "big"))  # fmt: skip
    for time, project, machine in seen:
        usage.workspace("w1", "h1", "u1", f"{DAY} 09:00", cloud_project_name=project, machine_name=machine,
                        recorded_at=at(f"{DAY} {time}"))  # fmt: skip
    usage.build()
    assert [name for _, name, _ in usage.facts("project", SECONDS)] == ["A", "A", "B", "B", "(unattributed)"]
    assert [name for _, name, _ in usage.facts("machine", SECONDS)] == ["small", "small", "small", "big", "big"]
    assert {name for _, name, _ in usage.facts("user", SECONDS)} == {"u1"}


def test_project_and_machine_of_the_workspace_count_where_the_metrics_name_none(usage: Usage) -> None:
    usage.workspace("w1", "h1", "u1", "2026-01-01 00:00", cloud_project_name="of-ws", machine_name="m-ws")
    usage.windows("h1", f"{DAY} 10:00", (100, 0))
    usage.windows("h1", f"{DAY} 11:00", (50, 0), cloud_project_name="of-label", machine_name="m-label")
    usage.build()
    assert usage.facts("project", SECONDS) == [(10, "of-ws", 100), (11, "of-label", 50)]
    assert usage.facts("machine", SECONDS) == [(10, "m-ws", 100), (11, "m-label", 50)]


def test_groups_as_they_are_and_as_they_were(usage: Usage) -> None:
    """u1 moved from physics to chemistry at 11:00; biology is deleted; u3 never had a group."""
    usage.state("user", user_id="u1", group_name="physics")
    usage.state("user", user_id="u1", group_name="chemistry", valid_from=at(f"{DAY} 11:00"))
    usage.state("user", user_id="u2", group_name="biology")
    usage.state("group", group_name="biology")
    usage.state("group", group_name="biology", deleted_at=at(f"{DAY} 11:00"))
    for number in (1, 2, 3):
        usage.workspace(f"w{number}", f"h{number}", f"u{number}", "2026-01-01 00:00")
        usage.windows(f"h{number}", f"{DAY} 10:00", (10**number, 0), (2 * 10**number, 0))
    usage.build()
    busy = f"SELECT group_name, {SECONDS} AS s FROM"
    assert {row["group_name"]: row["s"] for row in usage.rows(f"{busy} v_group_totals")} == {
        "chemistry": 30, "(no group)": 300 + 3000
    }  # fmt: skip
    assert {row["group_name"]: row["s"] for row in usage.rows(f"{busy} v_group_totals_asof")} == {
        "physics": 10, "chemistry": 20, "biology": 100, "(no group)": 200 + 3000
    }  # fmt: skip
    assert [row["group_name"] for row in usage.rows("SELECT group_name FROM dim_group ORDER BY 1")] == [
        "chemistry", "physics"
    ]  # fmt: skip
    assert usage.row("SELECT group_id FROM dim_user WHERE user_id = 'u2'") == {"group_id": None}
    history = usage.rows("SELECT user_id, group_name, valid_from, valid_to FROM user_group_history ORDER BY ALL")
    assert [tuple(row.values()) for row in history] == [
        ("u1", "chemistry", at(f"{DAY} 11:00"), None),
        ("u1", "physics", None, at(f"{DAY} 11:00")),
        ("u2", "biology", None, at(f"{DAY} 11:00")),
    ]


def test_what_is_deleted_takes_its_links_along_and_leaves_its_facts(usage: Usage) -> None:
    for project in ("kept", "gone"):
        usage.state("user_project", user_id="u1", cloud_project_name=project)
        usage.state("project_machine", cloud_project_name=project, machine_name="m1")
        usage.windows(f"h-{project}", f"{DAY} 10:00", (100, 0), cloud_project_name=project, machine_name="m1")
    usage.state("project", cloud_project_name="gone")
    usage.build()
    names = "SELECT cloud_project_name AS name FROM"
    linked = f"{names} map_user_project JOIN dim_project USING (project_id) ORDER BY ALL"
    served = f"{names} map_project_machine JOIN dim_project USING (project_id) ORDER BY ALL"
    assert [row["name"] for row in usage.rows(linked)] == ["gone", "kept"]
    usage.state("project", cloud_project_name="gone", deleted_at=at("2026-01-25 00:00"),
                recorded_at=RECORDED + timedelta(hours=1))  # fmt: skip
    usage.build()
    assert [row["name"] for row in usage.rows(linked)] == ["kept"]
    assert [row["name"] for row in usage.rows(served)] == ["kept"]
    assert usage.facts("project", SECONDS) == [(10, "gone", 100), (10, "kept", 100)]
    assert usage.findings()["usage_relations"] == []


def test_active_workspaces(usage: Usage) -> None:
    usage.windows("h1", f"{DAY} 10:00", (100, 0), machine_name="m5.large", port=9100)
    usage.workspace("ready", "h1", None, "2026-01-01 00:00", state="READY", port=22)
    usage.workspace("claimed", "h2", "u1", "2026-01-02 00:00", state="claimed", cloud_project_name="p1",
                    acquired_at=at("2026-01-03 00:00"))  # fmt: skip
    usage.workspace("deleted", "h3", "u1", "2026-01-02 00:00", deleted_at=at("2026-01-04 00:00"))
    usage.workspace("building", "h4", "u1", "2026-01-02 00:00", state="PENDING")
    usage.build()
    assert [tuple(row.values()) for row in usage.rows("FROM v_active_workspaces ORDER BY workspace_id")] == [
        ("claimed", at("2026-01-03 00:00"), "u1", "p1", "(unattributed)", "h2", None),
        ("ready", at("2026-01-01 00:00"), None, None, "m5.large", "h1", 22),
    ]


# ---- power and carbon ------------------------------------------------------------------------------------------------


def test_power_is_that_of_the_machine_type_at_the_time(usage: Usage) -> None:
    usage.state("machine", machine_name="big", busy_watts=36.0, idle_watts=7.2)
    usage.state("machine", machine_name="big", busy_watts=72.0, valid_from=at(f"{DAY} 11:00"))
    usage.windows("h1", f"{DAY} 10:00", (1000, 1000), (1000, 1000), machine_name="big")
    usage.windows("h2", f"{DAY} 10:00", (1000, 1000), machine_name="small")
    usage.build()
    assert usage.facts("machine", "busy_kwh", "idle_kwh") == [
        (10, "big", pytest.approx(0.01), pytest.approx(0.002)),
        (10, "small", pytest.approx(12 / 3600), pytest.approx(1 / 3600)),
        (11, "big", pytest.approx(0.02), pytest.approx(1 / 3600)),  # nothing is said of idle power any more
    ]


def test_waiting_for_io_is_idle(usage: Usage) -> None:
    usage.windows("h1", f"{DAY} 10:00", (100, 200), iowait_s=30.0, nice_s=1.0, irq_s=2.0, softirq_s=3.0, steal_s=4.0)
    usage.build()
    assert usage.facts("ada", SECONDS, "idle_cpu_seconds_total") == [(10, "ada", 110, 230)]


@pytest.mark.parametrize(
    ("land", "intensity", "source", "is_estimated"),
    [
        (lambda u: u.intensity(f"{DAY} 10:00", 100.0, 200.0, 999.0), 150.0, "actual", False),
        (lambda u: u.intensity(f"{DAY} 10:00", 100.0, None, forecast=300.0), 200.0, "forecast", True),
        (lambda u: u.intensity(f"{DAY} 10:30", 120.0), 120.0, "partial", True),
        (lambda u: u.intensity(f"{DAY} 10:00", None, None), 237.589, "country", True),
        (lambda u: u.intensity(f"{DAY} 11:00", 100.0), 237.589, "country", True),
        (lambda u: u.intensity(f"{DAY} 10:00", 100.0, 100.0, region="FR"), 237.589, "country", True),
        (lambda u: u.intensity(f"{DAY} 10:00", 0.0, 0.0), 0.0, "actual", False),
        (lambda u: u.intensity(f"{DAY} 10:00", 150.0, 150.0, region="gb"), 150.0, "actual", False),
    ],
    ids=["actual", "forecast", "partial", "null", "another hour", "another grid", "nought", "small letters"],
)
def test_carbon_is_by_the_intensity_that_covers_the_window(
    usage: Usage, land: Callable[[Usage], None], intensity: float, source: str, is_estimated: bool
) -> None:
    land(usage)
    usage.windows("h1", f"{DAY} 10:00", (1000, 5000), machine_name="m")
    usage.build()
    [(_, _, *found)] = usage.facts(
        "machine", "intensity_gCo2eq_kwh", "intensity_source", "is_estimated", "busy_gCo2eq / busy_kwh"
    )
    assert found == [pytest.approx(intensity, rel=1e-5), source, is_estimated, pytest.approx(intensity, rel=1e-5)]


@pytest.mark.parametrize(
    ("of_host", "of_machine", "intensity", "source", "is_estimated"),
    [
        ("GB", "FR", 100.0, "actual", False),
        ("gb", None, 100.0, "actual", False),
        (None, "gb", 100.0, "actual", False),
        (None, "FR", 56.039, "country", True),
        ("XX", None, 480.62, "world", True),
        (None, None, 100.0, "actual", True),
    ],
    ids=["host", "small letters", "machine", "of another grid", "no such country", "assumed"],
)
def test_the_grid_is_that_of_the_host_else_of_the_machine_and_an_assumed_one_is_flagged(
    usage: Usage, of_host: str | None, of_machine: str | None, intensity: float, source: str, is_estimated: bool
) -> None:
    usage.intensity(f"{DAY} 00:00", *[100.0] * 48)
    if of_machine:
        usage.state("machine", machine_name="m", country_code=of_machine)
    usage.windows("h1", f"{DAY} 10:00", (1000, 5000), machine_name="m", country_code=of_host)
    usage.build()
    [(_, _, *found)] = usage.facts("machine", "intensity_gCo2eq_kwh", "intensity_source", "is_estimated")
    assert found == [pytest.approx(intensity, rel=1e-5), source, is_estimated]
    problem = "hosts without a country, taken to be on the default grid, first h1"
    assert (("usage_windows", problem, 1) in usage.findings()["usage_attribution"]) == (not of_host and not of_machine)


def test_a_measured_value_replaces_the_forecast_when_it_lands(usage: Usage) -> None:
    usage.windows("h1", f"{DAY} 10:00", (1000, 5000))
    usage.intensity(f"{DAY} 10:00", None, None, forecast=300.0)
    usage.build()
    assert usage.facts("ada", "intensity_gCo2eq_kwh", "intensity_source") == [(10, "ada", 300.0, "forecast")]
    usage.intensity(f"{DAY} 10:00", 100.0, 100.0, forecast=300.0, recorded_at=RECORDED + timedelta(hours=1))
    usage.build()
    assert usage.facts("ada", "intensity_gCo2eq_kwh", "intensity_source") == [(10, "ada", 100.0, "actual")]


def test_finer_windows_are_summed_each_at_its_own_intensity(usage: Usage) -> None:
    usage.intensity(f"{DAY} 10:00", 100.0, 300.0)
    usage.windows("h1", f"{DAY} 10:00", (3600, 0), (0, 0), (0, 0), (10800, 0), window_s=900)
    usage.build()
    assert usage.facts("ada", SECONDS, "busy_gCo2eq", "intensity_gCo2eq_kwh") == [
        (10, "ada", 14400, pytest.approx(0.012 * 100 + 0.036 * 300), None)
    ]
    [row] = usage.rows("FROM v_ada_timeseries")
    assert row["intensity_gCo2eq_kwh"] == pytest.approx(250)


def test_what_a_kilogram_equals(usage: Usage) -> None:
    usage.build()
    assert {row["thing"]: row["amount"] for row in usage.rows("FROM carbon_equivalences(1000)")} == {
        "miles driven": pytest.approx(2.5), "phone charges": pytest.approx(121.7, abs=0.05),
        "days of a tree": pytest.approx(16.78, abs=0.005), "hours of streaming": pytest.approx(18.18, abs=0.005),
    }  # fmt: skip


# ---- late and corrected data -----------------------------------------------------------------------------------------


def test_a_correction_replaces_its_window_and_late_windows_join(landed: UsageWarehouse) -> None:
    landed.windows("h1", f"{DAY} 10:00", (100, 0))
    landed.windows("h1", "2026-01-22 10:00", (7, 0))
    landed.build()
    landed.windows("h1", f"{DAY} 10:00", (40, 0), recorded_at=RECORDED + timedelta(hours=1))
    landed.windows("h1", f"{DAY} 12:00", (5, 0), recorded_at=RECORDED + timedelta(hours=1))
    landed.build()
    assert landed.facts("ada", SECONDS) == [(10, "ada", 40), (12, "ada", 5), (10, "ada", 7)]
    assert landed.row("SELECT sum(n_duplicate) AS n FROM ops.landing_days") == {"n": 1}


def test_a_workspace_that_lands_late_changes_its_days_and_no_others(landed: UsageWarehouse) -> None:
    for day in (20, 21, 22):
        landed.windows("h1", f"2026-01-{day} 10:00", (100, 0))
    landed.build()
    before = landed.rows("SELECT usage_day, fingerprint FROM ops.usage_days WHERE table_name = 'fact_usage' ORDER BY 1")
    landed.workspace("w1", "h1", "u1", "2026-01-21 00:00", deleted_at=at("2026-01-22 00:00"))
    landed.build()
    after = landed.rows("SELECT usage_day, fingerprint FROM ops.usage_days WHERE table_name = 'fact_usage' ORDER BY 1")
    changed = [old["usage_day"] for old, new in zip(before, after, strict=True) if old != new]
    assert date(2026, 1, 21) in changed and date(2026, 1, 20) not in changed
    assert [user for _, user, _ in landed.facts("user", SECONDS)] == ["(unattributed)", "u1", "(unattributed)"]


def test_days_that_are_gone_from_landing_are_gone_from_the_facts(landed: UsageWarehouse) -> None:
    landed.windows("h1", f"{DAY} 10:00", (100, 0))
    landed.windows("h1", "2026-01-22 10:00", (7, 0))
    landed.build()
    with landed.warehouse.write() as con:
        con.execute("DELETE FROM daily.usage_windows WHERE landing_date = DATE '2026-01-22'")
        con.execute("DELETE FROM daily.usage_window_keys WHERE landing_date = DATE '2026-01-22'")
    landed.build()
    assert landed.facts("ada", SECONDS) == [(10, "ada", 100)]


# ---- hosts of our own ------------------------------------------------------------------------------------------------


def test_an_exporter_that_two_servers_label_differently_counts_once(usage: Usage) -> None:
    """At 11:00 its project changed, and its two series share the hour: both count."""
    one = {"port": 9100, "raw_label": "h1:9100", "n_cpus": 1}
    usage.windows("h1", f"{DAY} 10:00", (100, 3500), cloud_project_name="p1", machine_name="m1", **one)
    usage.windows("h1", f"{DAY} 10:00", (200, 3400), **one, recorded_at=RECORDED + timedelta(hours=1))
    for project in ("p1", "p2"):
        usage.windows("h1", f"{DAY} 11:00", (50, 1750), cloud_project_name=project, machine_name="m1", **one)
    usage.build()
    assert usage.facts("project", SECONDS) == [(10, "p1", 100), (11, "p1", 50), (11, "p2", 50)]
    found = usage.findings()
    assert [found[name] for name in BLOCKING] == [[], [], [], []]
    aside = "set aside: the same exporter with other labels covers this host in this hour"
    assert ("usage_windows", aside, 1) in found["usage_windows_missing"]


def test_the_live_collectors_samples_are_usage_too(landed: UsageWarehouse) -> None:
    """Overlapping runs on a host of 4 CPUs at 25 %: each moment counts once, a gap of a minute not at all."""
    landed.own_run("r1", f"{DAY} 10:59", seconds=120, percent=25.0, gap=(60, 60))
    landed.own_run("r2", f"{DAY} 10:59", seconds=10, percent=25.0, delay_ms=50)
    landed.build()
    found = landed.facts("machine", SECONDS, "idle_cpu_seconds_total", "is_estimated")
    assert found == [
        (10, "lab", pytest.approx(60 * 4 * 0.25, rel=0.01), pytest.approx(60 * 4 * 0.75, rel=0.01), True),
        (11, "lab", pytest.approx(60 * 4 * 0.25, rel=0.02), pytest.approx(60 * 4 * 0.75, rel=0.02), True),
    ]


def test_an_hour_of_our_own_host_is_on_the_grid_that_its_runs_say(usage: UsageTables) -> None:
    """The host went from France to Poland and back. An experiment that says no country was where the host was then."""
    for day, country in ((20, None), (21, "fr"), (22, "PL"), (23, None), (24, "FR")):
        usage.experiment(day, country)
        usage.own_run(f"2026-01-{day} 10:00", 60, 50.0, experiment=day)
    usage.build()
    hours = usage.rows("SELECT country_code FROM usage_own_windows ORDER BY window_start")
    assert [row["country_code"] for row in hours] == ["FR", "FR", "PL", "PL", "FR"]
    france, poland = 56.039, 661.926  # g/kWh, as sql/registry/grid_factors.csv has them
    assert usage.facts("ada", "intensity_gCo2eq_kwh") == [
        (10, "ada", pytest.approx(intensity)) for intensity in (france, france, poland, poland, france)
    ]


@pytest.mark.parametrize("pause_s", [2, 30, 600])
def test_the_pause_between_short_runs_is_nobodys(usage: UsageTables, pause_s: int) -> None:
    """Runs so short that they have a sample or two, at 100 %: the second begins after a pause."""
    begin = datetime(2026, 1, 21, 10, tzinfo=UTC)
    usage.own_run(begin, 1, 100.0)
    usage.own_run(begin + timedelta(seconds=1 + pause_s), 1, 100.0)
    usage.own_run(begin + timedelta(seconds=5000), 0, 100.0)
    usage.build()
    hours = usage.rows("SELECT covered_s, busy_s FROM daily.usage_own_windows ORDER BY window_start")
    assert [tuple(row.values()) for row in hours] == [(2.0, 2.0)]


@pytest.mark.parametrize("step_ms", [997, 1003, 1100, 10_000])
def test_samples_a_little_off_their_time_are_no_gap(usage: UsageTables, step_ms: int) -> None:
    """A minute from the day before, half an hour with a sample missing, and after a minute of nothing ten more."""
    usage.own_run("2026-01-20 23:59", 120, 50.0)
    usage.own_run(f"{DAY} 00:10", 1800, 50.0, step_ms=step_ms, missing=7)
    usage.own_run(f"{DAY} 00:41", 600, 50.0, step_ms=step_ms)
    usage.build()
    steps_s = [1800_000 // step_ms * step_ms / 1000, 600_000 // step_ms * step_ms / 1000]
    hours = usage.rows("SELECT covered_s, busy_s, is_shared FROM usage_own_windows ORDER BY window_start")
    assert [tuple(row.values()) for row in hours] == [
        (60, 60 * 4 * 0.5, False),
        (pytest.approx(60 + sum(steps_s)), pytest.approx((60 + sum(steps_s)) * 4 * 0.5), False),
    ]


def test_a_run_over_midnight_stands_back_on_the_next_day_too(landed: UsageWarehouse) -> None:
    """Each hour of a host counts once, though its sources land under two dates; it is a fault of neither."""
    landed.own_run("r1", f"{DAY} 23:59", seconds=120, percent=25.0)
    landed.build()
    assert [hour for hour, *_ in landed.facts("machine", SECONDS)] == [23, 0]
    landed.windows("lab", "2026-01-22 00:00", (100, 200), machine_name="m5.large", n_cpus=4)
    landed.build()
    assert landed.facts("machine", SECONDS) == [(23, "lab", pytest.approx(60, rel=0.01)), (0, "m5.large", 100)]
    found = landed.findings()
    assert [found[name] for name in BLOCKING] == [[], [], [], []]
    aside = "set aside: another source speaks for this host in this hour"
    assert ("usage_windows", aside, 1) in found["usage_windows_missing"]


def test_where_prometheus_watches_the_host_our_samples_stand_back(landed: UsageWarehouse) -> None:
    landed.own_run("r1", f"{DAY} 10:10", seconds=20, percent=25.0)
    landed.windows("lab", f"{DAY} 10:00", (100, 200), machine_name="m5.large", n_cpus=4)
    landed.build()
    assert landed.facts("machine", SECONDS) == [(10, "m5.large", 100)]
    found = landed.findings()["usage_windows_missing"]
    assert ("usage_windows", "set aside: another source speaks for this host in this hour", 1) in found
