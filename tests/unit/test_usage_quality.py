"""Bad input of usage: each fault is a row in quarantine or a flag, counted by `alems status`, and never a zero."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from alems_pipeline import sql_files, usage_rules
from alems_pipeline.status import read_status
from collectors.contract_usage import BUSY_MODES, IDLE_MODES
from tests.usage_warehouse import RECORDED, UsageTables, UsageWarehouse, at, usage_checks
from tests.warehouses import build_all_tables, build_landed_days

DAY = "2026-01-21"
GOOD = (100.0, 3500.0)


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What `alems status` says of a landing with one of every fault, and what the facts of the day are."""
    usage = UsageWarehouse(tmp_path_factory.mktemp("bad") / "warehouse")
    usage.workspace("w1", "good", "u1", "2026-01-01 00:00")
    usage.windows("good", f"{DAY} 10:00", GOOD, n_cpus=1)
    usage.intensity(f"{DAY} 10:00", 200.0, 200.0, None, None)

    # Quarantined, the window as a whole.
    usage.windows("nan", f"{DAY} 10:00", GOOD, bad_values="user=NaN")
    usage.windows("negative", f"{DAY} 10:00", (-5.0, 3500.0))
    usage.windows("half", f"{DAY} 10:00", GOOD, user_s=None)
    usage.windows("ahead", f"{DAY} 10:00", GOOD, recorded_at=at(f"{DAY} 10:00"))  # its clock is an hour ahead
    usage.windows("too much", f"{DAY} 10:00", (7200.0, 7200.0), n_cpus=2)
    usage.windows("off grid", f"{DAY} 10:10", GOOD)
    usage.windows("too long", f"{DAY} 10:00", GOOD, window_s=7200)
    window = {"host": "other day", "window_start": at(f"{DAY} 10:00"), "window_s": 3600}
    usage.drop("cpu_usage", [window | {"user_s": 1.0, "system_s": 0.0, "idle_s": 1.0}], date(2026, 1, 22))
    usage.drop("usage_rejects", [{"dataset": "workspaces", "reason": "workspaces: no id", "detail": "{}"}])
    empty = {"region": "GB", "window_start": at(f"{DAY} 13:00"), "window_end": at(f"{DAY} 13:00")}
    usage.drop("carbon_intensity", [empty | {"actual_gco2eq_kwh": 1.0}])
    usage.state("user", user_id=None, group_name="g")
    usage.state("planet", user_id="u")
    usage.state("machine", machine_name="m", busy_watts=1e300)  # would overflow every sum
    usage.workspace("w9", "h9", "u9", f"{DAY} 10:00", deleted_at=at(f"{DAY} 09:00"))

    # Flagged or set aside.
    usage.windows("gap", f"{DAY} 10:00", GOOD, n_cpus=1)
    usage.windows("gap", f"{DAY} 13:00", GOOD, n_cpus=1)
    usage.windows("partial", f"{DAY} 10:00", (100.0, 1700.0), n_cpus=1)
    usage.windows("reset", f"{DAY} 10:00", GOOD, n_cpus=1, n_resets=1)
    usage.windows("mode", f"{DAY} 10:00", (100.0, 3000.0), n_cpus=1, other_modes_json='{"napping": 500.0}')
    usage.windows("clock", f"{DAY} 10:00", GOOD, n_cpus=1, clock_offset_s=3600.0, country_code=None)
    usage.windows("twice", f"{DAY} 10:00", GOOD, n_cpus=1)
    usage.windows("twice", f"{DAY} 10:00", GOOD, n_cpus=1)  # the same
    usage.windows("twice", f"{DAY} 10:00", (200.0, 3400.0), n_cpus=1, recorded_at=RECORDED + timedelta(1))  # newer
    usage.windows("lengths", f"{DAY} 10:00", GOOD, n_cpus=1)
    usage.windows("lengths", f"{DAY} 10:00", (25.0, 875.0), (25.0, 875.0), window_s=900, n_cpus=1)

    build_landed_days(usage.warehouse)
    build_all_tables(usage.warehouse)
    said = read_status(usage.warehouse)
    said["facts"] = usage.facts("ada", "busy_cpu_seconds_total", "idle_cpu_seconds_total")
    said["windows"] = {row["host"]: row for row in usage.rows("FROM daily.usage_windows WHERE set_aside IS NULL")}
    yield said


@pytest.mark.parametrize(
    ("reason", "dataset"),
    [
        (usage_rules.NO_NUMBER, "cpu_usage"),
        (usage_rules.NEGATIVE, "cpu_usage"),
        (usage_rules.NOT_WHOLE, "cpu_usage"),
        (usage_rules.AHEAD, "cpu_usage"),
        (usage_rules.TOO_MUCH, "cpu_usage"),
        (usage_rules.OTHER_DAY, "cpu_usage"),
        ("workspaces: no id", "usage_rejects"),
        ("window_end is not after window_start; mend the source", "carbon_intensity"),
        ("a statement about a user does not name it; give user_id", "usage_directory"),
        ("busy_watts is outside 0 … 100,000 W; mend the source", "usage_directory"),
        ("kind is none of group, user, project, machine, user_project, project_machine; use one of these",
         "usage_directory"),
        ("acquired or deleted before it was created; mend the source", "workspaces"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_quarantined_and_counted(status: dict[str, Any], reason: str, dataset: str) -> None:
    counted = {(row["dataset"], row["reason"]): row["n_rows"] for row in status["quarantined_rows"]}
    assert counted[(dataset, reason)] == 1


def test_windows_off_the_grid_are_quarantined_together(status: dict[str, Any]) -> None:
    counted = {row["reason"]: row["n_rows"] for row in status["quarantined_rows"]}
    assert counted[usage_rules.OFF_GRID] == 2


@pytest.mark.parametrize(
    ("check", "problem", "n"),
    [
        ("usage_windows_missing", "missing between the first and the last of their host: scrape gaps", 2),
        ("usage_windows_quality", "partial: less than 95 % of the window is accounted for", 2),
        ("usage_windows_quality", "with a counter that began anew", 1),
        ("usage_windows_quality", "with CPU time in an unknown mode, which is in no figure", 1),
        ("usage_windows_quality", "from a source whose clock is off", 1),
        ("usage_attribution", "hosts that no workspace ever held, first clock", 7),
        ("usage_attribution", "users with use and without a group, first u1", 1),
        ("usage_attribution", "hosts without a country, taken to be on the default grid, first clock", 1),
        ("usage_windows_missing", "set aside: windows of another length cover this host in this hour", 2),
        ("usage_intensity", "hours with carbon by the mean of the country", 1),
    ],
)
def test_what_is_doubtful_is_flagged_and_counted(status: dict[str, Any], check: str, problem: str, n: int) -> None:
    [found] = [row for row in status["failed_checks"] if row["check_name"] == check]
    assert not found["blocking"]
    assert f"{problem} ({n})" in found["problem"]


def test_nothing_that_was_set_aside_is_in_the_facts(status: dict[str, Any]) -> None:
    """Six good windows, the partial one, the one with an unknown mode, the newer of the doubled, the longer of two."""
    assert status["facts"] == [
        (10, "ada", 100 * 7 + 200, 3500 * 5 + 1700 + 3000 + 3400),
        (13, "ada", 100, 3500),
    ]
    assert set(status["windows"]) == {"good", "gap", "partial", "reset", "mode", "clock", "twice", "lengths"}
    assert status["windows"]["lengths"]["window_s"] == 3600
    assert status["windows"]["twice"]["busy_s"] == 200


def test_the_older_of_two_records_is_counted_as_a_duplicate(status: dict[str, Any]) -> None:
    [books] = [row for row in status["datasets"] if row["dataset"] == "cpu_usage"]
    assert books["duplicate"] == 2
    assert books["landed"] == books["stored"] + books["duplicate"] + books["quarantined"]


@pytest.mark.parametrize(("percent", "cpus"), [(150.0, 4), (-5.0, 4), (1e300, 4), (50.0, 0), (50.0, -4), (50.0, 2**62)])
def test_samples_and_hardware_that_cannot_be_stop_nothing(percent: float, cpus: int) -> None:
    """Nor do they become figures: what is measured of the hour is missing, or what the host has used is unknown."""
    usage = UsageTables()
    usage.own_run(f"{DAY} 10:00", 10, percent, cpus=cpus)
    usage.windows("h1", f"{DAY} 11:00", GOOD, n_cpus=1)
    usage.build()
    found = usage.findings()
    assert [found[check.name] for check in usage_checks() if check.severity == "error"] == [[], [], [], []]
    assert usage.row("SELECT sum(busy_cpu_seconds_total) AS s FROM v_ada_timeseries") == {"s": 100.0}
    usage.con.close()


# ---- the checks find what they are for -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound() -> Iterator[UsageTables]:
    usage = UsageTables()
    usage.intensity(f"{DAY} 00:00", *[200.0] * 48)
    usage.state("user", user_id="u1", group_name="g1")
    usage.state("user_project", user_id="u1", cloud_project_name="p1")
    usage.state("project_machine", cloud_project_name="p1", machine_name="m1")
    usage.workspace("w1", "h1", "u1", "2026-01-01 00:00", cloud_project_name="p1", machine_name="m1")
    usage.windows("h1", f"{DAY} 10:00", (100, 3500), (200, 3400), n_cpus=1)
    usage.build()
    yield usage
    usage.con.close()


def test_sound_data_passes_every_check(sound: UsageTables) -> None:
    assert sound.findings() == {check.name: [] for check in usage_checks()}


@pytest.mark.parametrize(
    ("fault", "check", "problem"),
    [
        ("UPDATE fact_usage SET busy_kwh = busy_kwh * (1 + 1e-8) WHERE scope = 'user'", "usage_conservation",
         "whose users do not add up"),
        ("DELETE FROM fact_usage WHERE scope = 'machine' AND hour(ts AT TIME ZONE 'UTC') = 10", "usage_conservation",
         "whose machines do not add up"),
        ("DELETE FROM fact_usage WHERE hour(ts AT TIME ZONE 'UTC') = 11", "usage_conservation",
         "CPU seconds that landed and are in no fact"),
        ("DELETE FROM fact_usage WHERE scope = 'ada'", "usage_conservation", "without everything"),
        ("UPDATE usage_daily SET busy_cpu_seconds_total = 1", "usage_conservation", "differ from those of the facts"),
        ("INSERT INTO fact_usage SELECT * FROM fact_usage WHERE scope = 'project'", "usage_keys",
         "the same window of the same project twice"),
        ("UPDATE fact_usage SET ts = ts + INTERVAL 10 MINUTE", "usage_keys", "not one hour from the full hour"),
        ("INSERT INTO usage_daily SELECT * FROM usage_daily", "usage_keys", "the same day of the same workspace"),
        ("UPDATE daily.usage_window_keys SET n_overlapping = 1", "usage_keys", "windows of one host that overlap"),
        ("UPDATE fact_usage SET idle_kwh = -1 WHERE scope = 'ada'", "usage_values", "negative figure"),
        ("UPDATE fact_usage SET idle_kwh = 'NaN' WHERE scope = 'ada'", "usage_values", "no finite number"),
        ("UPDATE fact_usage SET busy_gCo2eq = NULL", "usage_values", "energy without a carbon intensity"),
        ("DELETE FROM dim_user WHERE user_id = 'u1'", "usage_relations", "names nothing"),
        ("DELETE FROM dim_group", "usage_relations", "names nothing"),
        ("DELETE FROM dim_project", "usage_relations", "names nothing"),
        ("DELETE FROM dim_instance", "usage_relations", "names nothing"),
    ],
)  # fmt: skip
def test_a_fault_is_found(sound: UsageTables, fault: str, check: str, problem: str) -> None:
    sound.con.execute("BEGIN")
    try:
        sound.con.execute(fault)
        assert any(problem in found for _, found, _ in sound.findings()[check])
    finally:
        sound.con.execute("ROLLBACK")


@pytest.mark.parametrize(
    "keys", ["scope = 'user', user_id = NULL", "scope = 'ada'", "project_id = 1", "scope = 'planet'"]
)
def test_the_table_itself_refuses_another_key_than_that_of_the_scope(sound: UsageTables, keys: str) -> None:
    import duckdb

    with pytest.raises(duckdb.ConstraintException):
        sound.con.execute(f"UPDATE fact_usage SET {keys} WHERE scope = 'machine'")


# ---- one truth in two places -----------------------------------------------------------------------------------------


def test_sql_sums_the_modes_that_the_contract_names() -> None:
    [windows] = [file for file in sql_files.layer_files("day") if file.name == "usage_windows"]
    for mode in (*BUSY_MODES, *IDLE_MODES):
        assert f"{mode}_s" in windows.text
    assert usage_rules.BASE_WINDOW_S == 3600, "as sql/ has it: hour_start, fact_usage.window_s"
