"""sql/core: experiments, dimensions and runs, made from what landed."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from alems_pipeline import stage
from collectors.ids import time_ordered_id
from tests.unit.sql_fixture import (
    DATA,
    DAY_NS,
    MS,
    RECORDED,
    SECOND,
    Counters,
    World,
    alems_columns,
    columns_of,
    example_rows,
    store_rows,
)

MEASURED = json.loads((DATA / "idle_baseline.json").read_text())
IDLE = {
    f"{ours}_{kind}": MEASURED[group][theirs]
    for ours, theirs in (("package", "package-0"), ("core", "core"), ("uncore", "uncore"))
    for kind, group in (("power_watts", "power_watts"), ("std", "std_dev_watts"))
}
"""A real idle measurement of a laptop, by our column names."""

# Columns of the schema that A-LEMS's own tables lack, which it documents all the same.
OURS_OF_RUNS = [
    "run_date",
    "model_key",
    "hardware_key",
    "framework_key",
    "gpu_energy_uj",
    "energy_source",
    "is_estimated",
    "sample_coverage",
    "energy_lo_uj",
    "energy_hi_uj",
    "dynamic_energy_u_uj",
    "source_system",
    "source_run_id",
    "reported_total_energy_uj",
    "reported_dynamic_energy_uj",
    "quality_flags",
    "total_carbon_g",
    "methane_co2e_20y_g",
    "methane_co2e_100y_g",
]


# ---- columns ---------------------------------------------------------------------------------------------------------


def test_runs_has_the_columns_of_alems_in_their_order_then_ours() -> None:
    theirs = alems_columns("runs")
    theirs.insert(theirs.index("baseline_id"), "env_id")
    assert columns_of("runs") == [*theirs, *OURS_OF_RUNS]


@pytest.mark.parametrize(
    "table",
    ["experiments", "hardware_config", "environment_config", "idle_baselines", "llm_interactions", "task_categories"],
)
def test_table_has_the_columns_of_alems_in_their_order_before_ours(table: str) -> None:
    theirs = alems_columns(table)
    assert columns_of(table)[: len(theirs)] == theirs


@pytest.mark.parametrize("table", ["experiments", "runs", "idle_baselines", "hardware_config", "environment_config"])
def test_every_column_carries_its_meaning_in_the_file(table: str) -> None:
    rows = example_rows(
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? AND schema_name = 'main'", table
    )
    assert rows and all(row["comment"] for row in rows)


# ---- the example stores ----------------------------------------------------------------------------------------------


def pairs_with_the_stores() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each run of the example stores as it is in the warehouse, and as it is in its store."""
    rows = example_rows("SELECT landed.host, ours.* FROM main.runs AS ours JOIN stage.runs AS landed USING (run_id)")
    ours = {(row["host"], row["source_run_id"]): row for row in rows}
    stores = {f"lab-laptop-{name}": store_rows(name, "SELECT * FROM runs") for name in "ab"}
    return [(ours[host, str(row["run_id"])], row) for host, rows in stores.items() for row in rows]


def test_everything_in_the_example_stores_is_there() -> None:
    for table in ("experiments", "hardware_config", "environment_config", "idle_baselines", "runs", "llm_interactions"):
        stored = sum(row["n"] for name in "ab" for row in store_rows(name, f"SELECT count(*) AS n FROM {table}"))
        assert example_rows(f"SELECT count(*) AS n FROM {table}") == [{"n": stored}]


def test_run_state_hash_is_the_one_that_the_store_wrote() -> None:
    for ours, theirs in pairs_with_the_stores():
        assert ours["run_state_hash"] == theirs["run_state_hash"]
        text = f"powersave|True|1|baseline_{ours['host']}_1"
        assert ours["run_state_hash"] == hashlib.sha256(text.encode()).hexdigest()


def test_readings_of_the_store_are_kept() -> None:
    same = ("run_number", "workflow_type", "duration_ns", "instructions", "cycles", "total_tokens", "llm_calls",
            "tool_calls", "governor")  # fmt: skip
    for ours, theirs in pairs_with_the_stores():
        assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
        assert ours["ipc"] == pytest.approx(theirs["instructions"] / theirs["cycles"])
        assert ours["cache_miss_rate"] is ours["dram_energy_uj"] is ours["rss_memory_mb"] is None  # 0 in the store
        assert ours["experiment_valid"] is True
        assert ours["duration_ns"] / 1e6 >= ours["orchestration_cpu_ms"] > 0


def test_temperatures_are_those_of_the_samples_within_the_run() -> None:
    for ours, theirs in pairs_with_the_stores():
        [samples] = store_rows(
            ours["host"][-1],
            "SELECT min(package_temp) AS least, max(package_temp) AS most, avg(cpu_busy_mhz) AS mhz FROM cpu_samples "
            f"WHERE run_id = {theirs['run_id']} AND timestamp_ns <= {theirs['end_time_ns']}",
        )
        assert (ours["min_temp_c"], ours["max_temp_c"]) == (samples["least"], samples["most"])
        assert ours["thermal_delta_c"] == ours["max_temp_c"] - ours["start_temp_c"]
        assert ours["cpu_busy_mhz"] == pytest.approx(samples["mhz"])


def test_phase_times_are_those_of_the_events() -> None:
    for ours, theirs in pairs_with_the_stores():
        phases = store_rows(
            ours["host"][-1],
            "SELECT phase, sum(duration_ns) AS ns FROM orchestration_events "
            f"WHERE run_id = {theirs['run_id']} GROUP BY phase",
        )
        assert len(phases) == (3 if ours["workflow_type"] == "agentic" else 0)
        for row in phases:
            assert ours[f"{row['phase']}_time_ms"] == pytest.approx(row["ns"] / 1e6)
            assert ours[f"phase_{row['phase']}_ratio"] == pytest.approx(row["ns"] / ours["duration_ns"])


def test_experiments_are_told_apart_and_completed_from_their_runs() -> None:
    rows = example_rows("FROM experiments ORDER BY exp_id")
    assert [(r["host"], r["source_exp_id"]) for r in rows].count(("lab-laptop-a", "1")) == 1
    assert {(r["runs_completed"], r["runs_total"], r["status"]) for r in rows} == {(10, 10, "completed")}
    for row in rows:  # the store gives no times
        first = datetime(2026, 1, 21, tzinfo=UTC)
        assert first < row["started_at"] < row["completed_at"] < first + timedelta(days=1)


# ---- constructed runs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One warehouse with everything that the tests below look at; each finds its own by source id."""
    world = World(tmp_path_factory.mktemp("core"))
    for make in (_experiments, _baselines, _figures, _numbers, _garbage):
        make(world)
    world.build()
    yield world
    world.con.close()


def run_of(world: World, source_run_id: str) -> dict[str, Any]:
    return world.row("FROM main.runs WHERE source_run_id = ?", source_run_id)


def flags_of(world: World, source_run_id: str) -> list[str]:
    flags: list[str] = json.loads(run_of(world, source_run_id)["quality_flags"])
    return flags


def sampled(world: World, run_id: int, start_ns: int, watts: float, seconds: float = 10, **domains: float) -> None:
    """Package power, and that of other domains as shares of it, all through a run."""
    times = np.arange(start_ns - 20 * MS, start_ns + int(seconds * SECOND) + 21 * MS, 10 * MS, dtype=np.int64)
    package = np.round((times - times[0]) * watts / 1000).astype(np.int64)
    shares = {domain: np.round(package * share).astype(np.int64) for domain, share in domains.items()}
    world.add_counters(run_id, Counters(times, {"pkg": package, **shares}))


def _experiments(world: World) -> None:
    world.add_experiment("renamed", name="old name", task_name="task")
    world.add_experiment("renamed", name="new name", recorded_at=RECORDED + timedelta(hours=1), landing_date=world.day)
    # Two experiments of one second whose keys agree in the low bits, and one with the id after.
    for number, key in enumerate((7, 7 + 2**22, 8)):
        world.add("experiments", [{"exp_key": key, "source_system": "alems-store", "host": "collider",
                                   "recorded_at": RECORDED, "source_exp_id": str(number), "name": "colliding",
                                   "created_at": datetime(2026, 1, 1, tzinfo=UTC)}])  # fmt: skip
    world.add_run("lost experiment", 999_999, start_ns=DAY_NS + 500 * SECOND, host="nowhere")
    failing = world.add_experiment("failing")
    world.add_run("failing 1", failing, start_ns=DAY_NS + 510 * SECOND, status="failed", run_number=1)
    world.add_run("failing 2", failing, start_ns=DAY_NS + 530 * SECOND, status="completed", run_number=2)
    unknown = world.add_experiment("unknown hardware", hw_id=12345, env_id=54321)
    world.add_run("unknown hardware", unknown, start_ns=DAY_NS + 550 * SECOND, hw_id=12345, env_id=54321)


def test_newest_record_of_an_experiment_counts(world: World) -> None:
    row = world.row("FROM experiments WHERE source_exp_id = 'renamed'")
    assert (row["name"], row["task_name"]) == ("new name", None)


def test_experiments_that_collide_take_the_next_free_id(world: World) -> None:
    base = time_ordered_id(7, int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()))
    rows = world.rows("FROM experiments WHERE host = 'collider' ORDER BY exp_id")
    assert [(r["exp_id"] - base, r["source_exp_id"]) for r in rows] == [(0, "0"), (1, "1"), (2, "2")]
    moved = world.rows("FROM ops.id_collisions WHERE kind = 'experiment' ORDER BY given_id")
    assert [(r["base_id"] - base, r["given_id"] - base) for r in moved] == [(0, 1), (1, 2)]


def test_run_whose_experiment_did_not_land_is_not_lost(world: World) -> None:
    run = run_of(world, "lost experiment")
    experiment = world.row("FROM experiments WHERE exp_id = ?", run["exp_id"])
    assert (experiment["name"], experiment["runs_completed"]) == ("experiment whose record did not land", 1)
    assert (experiment["host"], experiment["source_exp_id"], experiment["status"]) == ("nowhere", None, "completed")


def test_status_and_count_of_an_experiment_follow_from_its_runs(world: World) -> None:
    row = world.row("FROM experiments WHERE source_exp_id = 'failing'")
    assert (row["status"], row["runs_completed"], row["workflow_type"]) == ("partial", 1, "linear")
    assert "run_failed" in flags_of(world, "failing 1")
    assert not {"run_failed", "run_partial"} & set(flags_of(world, "failing 2"))


def test_reference_to_a_record_that_did_not_land_is_null_and_flagged(world: World) -> None:
    run = run_of(world, "unknown hardware")
    assert run["hw_id"] is run["env_id"] is None
    assert {"hardware_unknown", "environment_unknown"} <= set(flags_of(world, "unknown hardware"))
    assert world.row("FROM experiments WHERE source_exp_id = 'unknown hardware'")["hw_id"] is None


def _baselines(world: World) -> None:
    hardware = {host: world.add_hardware(host) for host in ("one", "two", "live")}
    for host in ("one", "two"):
        world.add_baseline("baseline_1", host, hw_id=hardware[host], package_power_watts=2.0)
    world.add_baseline("only here", "one", hw_id=hardware["one"])
    world.add_baseline("of another", "two", hw_id=hardware["one"])
    world.add_baseline("impossible", "two", hw_id=hardware["two"], package_power_watts=-1.0)
    world.add_baseline("old", "two", hw_id=hardware["two"], timestamp=DAY_NS / 1e9 - 90_000)
    for name, age_s, of in (
        ("old", 90_000, "live"), ("later", -90_000, "live"), ("fresh", 80_000, "live"), ("of none", 80_000, None),
    ):  # fmt: skip
        world.add_baseline(name, "live", source_system="alems-collect", timestamp=DAY_NS / 1e9 - age_s,
                           hw_id=None if of is None else hardware[of])  # fmt: skip
    world.add_baseline("of lost hardware", "two", hw_id=999)
    world.add_baseline("of none", "two")
    experiment = world.add_experiment("baselines", hw_id=hardware["two"])
    cases: tuple[tuple[str, str, str | None], ...] = (
        ("same id", "two", "baseline_1"),
        ("another's", "two", "of another"),
        ("impossible", "two", "impossible"),
        ("old import", "two", "old"),
        ("missing", "two", "no such baseline"),
        ("unnamed", "two", None),
        ("old live", "live", "old"),
        ("later live", "live", "later"),
        ("live, of none", "live", "of none"),
        ("of lost hardware", "two", "of lost hardware"),
        ("import, of none", "two", "of none"),
        ("fresh live", "live", "fresh"),
        ("dram", "two", "baseline_1"),
    )
    for number, (name, host, baseline) in enumerate(cases):
        start = DAY_NS + (1_000 + 20 * number) * SECOND
        run_id = world.add_run(
            name,
            experiment,
            start_ns=start,
            host=host,
            hw_id=hardware[host],
            baseline_id=baseline,
            run_number=number,
            source_system="alems-collect" if host == "live" else "alems-store",
        )
        sampled(world, run_id, start, watts=5, **({"dram": 0.2} if name == "dram" else {}))


def test_two_hosts_with_one_baseline_id_keep_their_own(world: World) -> None:
    rows = world.rows("FROM idle_baselines WHERE source_baseline_id = 'baseline_1'")
    assert {row["baseline_id"]: row["host"] for row in rows} == {"baseline_1@one": "one", "baseline_1@two": "two"}
    assert world.value("SELECT baseline_id FROM idle_baselines WHERE source_baseline_id = 'only here'") == "only here"
    run = run_of(world, "same id")
    assert (run["baseline_id"], run["baseline_energy_uj"]) == ("baseline_1@two", 20_000_000)
    assert run["dynamic_energy_uj"] == 50_000_000 - 20_000_000


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("another's", "baseline_other_hardware"),
        ("impossible", "baseline_impossible"),
        ("missing", "baseline_unknown"),
        ("unnamed", "no_baseline"),
        ("old live", "baseline_too_old"),
        ("later live", "baseline_too_old"),
        ("live, of none", "baseline_other_hardware"),
        ("of lost hardware", "baseline_other_hardware"),
    ],
)
def test_unfit_baseline_leaves_no_dynamic_energy_and_a_flag(world: World, name: str, flag: str) -> None:
    run = run_of(world, name)
    assert run["baseline_id"] is run["baseline_energy_uj"] is run["dynamic_energy_uj"] is None
    assert run["total_energy_uj"] == 50_000_000
    assert flag in flags_of(world, name)


@pytest.mark.parametrize("name", ["old import", "import, of none", "fresh live"])
def test_imported_run_keeps_its_baseline_and_a_live_run_one_of_the_last_day(world: World, name: str) -> None:
    assert run_of(world, name)["dynamic_energy_uj"] == 40_000_000


def test_baseline_that_lacks_a_domain_of_the_total_gives_no_dynamic_energy(world: World) -> None:
    run = run_of(world, "dram")
    assert (run["total_energy_uj"], run["dynamic_energy_uj"]) == (60_000_000, None)
    assert flags_of(world, "dram") == ["baseline_lacks_domain"]


def _figures(world: World) -> None:
    hw_id = world.add_hardware("i7")
    world.add_baseline("idle", "i7", **IDLE, hw_id=hw_id,
                       package_autocorr_lag1=0.5, sample_count=30)  # fmt: skip
    experiment = world.add_experiment("figures", host="i7", hw_id=hw_id)
    runs: tuple[tuple[str, float, dict[str, Any]], ...] = (
        ("worked", 5.0, {"instructions": 2_000, "cycles": 1_000, "cache_misses": 1, "cache_references": 4,
                         "total_tokens": 500, "llm_calls": 20, "tool_calls": 3, "governor": "powersave",
                         "turbo_enabled": True, "context_switches_voluntary": 5,
                         "context_switches_involuntary": 2, "thermal_now_active": True}),
        ("below idle", 1.0, {}),
        ("from calls", 5.0, {"instructions": 0, "cycles": 0}),
        ("steps", 5.0, {}),
        ("unread gpu", 5.0, {}),
        ("untimed call", 5.0, {}),
        ("beside others", 5.0, {"background_cpu_percent": 20.1}),
        ("alone", 5.0, {"background_cpu_percent": 20.0}),
    )  # fmt: skip
    for number, reported_uj in ((98, 50_000_000), (99, 0)):
        name = "reported" if reported_uj else "reported 0"
        start = DAY_NS + 3_000 * SECOND + number
        run_id = world.add_run(name, experiment, start_ns=start, host="i7", hw_id=hw_id, workflow_type="agentic",
                               baseline_id="idle", run_number=number, reported_total_energy_uj=reported_uj)  # fmt: skip
        world.add_event(run_id, start, start + SECOND)
    for number, (name, watts, more) in enumerate(runs):
        start = DAY_NS + (2_000 + 20 * number) * SECOND
        run_id = world.add_run(name, experiment, start_ns=start, host="i7", hw_id=hw_id, baseline_id="idle",
                               run_number=number, **more)  # fmt: skip
        sampled(world, run_id, start, watts, core=0.6)
        world.add_samples(
            "thermal_samples", run_id, {"timestamp_ns": [start, start + SECOND], "throttle_event": [0, 0]}
        )
        if name == "untimed call":
            world.add("llm_interactions", [
                {"run_id": run_id, "run_key": run_id, "source_interaction_id": str(n), **times}
                for n, times in enumerate(({"api_latency_ms": 8_300.5}, {"non_local_ms": 100.0}))
            ])  # fmt: skip
        if name == "unread gpu":
            times = np.arange(start, start + 10 * SECOND + 1, 100 * MS)
            world.add_samples(
                "gpu_samples",
                run_id,
                {"timestamp_ns": times, "gpu_index": [0] * len(times), "util_percent": [50.0] * len(times)},
            )
        if name == "from calls":
            calls = ((10, 5, 1_000.0, 2_000.0), (20, None, 500.0, 1_500.0))
            world.add_samples(
                "cpu_samples", run_id, {"timestamp_ns": [start, start + SECOND], "cpu_busy_mhz": [2_000.0, 3_000.0]}
            )
            world.add("llm_interactions", [
                {"run_id": run_id, "run_key": run_id, "source_interaction_id": str(call), "prompt_tokens": prompt,
                 "completion_tokens": completion, "total_tokens": None if completion else 25,
                 "local_compute_ms": local, "non_local_ms": waiting,
                 "compute_time_ms": None if completion else 600.0,
                 "bytes_sent_approx": 100}
                for call, (prompt, completion, local, waiting) in enumerate(calls)])  # fmt: skip
        if name == "steps":
            tools = {1: '{"tool": "search"}', 2: '{"gen_ai.tool.name": "calculator"}', 3: '{"tool": "no tool call"}'}
            for step, (begin, end, phase, kind) in enumerate((
                (0, 2, "planning", "llm_call"), (2, 6, "execution", "tool_call"), (3, 4, "execution", "tool_call"),
                (9, 12, "synthesis", "llm_call"),
            )):  # fmt: skip
                world.add_event(run_id, start + begin * SECOND, start + end * SECOND, phase=phase, event_type=kind,
                                step_index=step, detail_json=tools.get(step))  # fmt: skip


def test_worked_values_of_the_baseline(world: World) -> None:
    run = run_of(world, "worked")
    assert run["baseline_energy_uj"] == 17_959_955  # data/idle_baseline.json over 10 s, by mean
    assert run["total_energy_uj"] == 50_000_000
    assert run["dynamic_energy_uj"] == 50_000_000 - 17_959_955
    assert run["avg_power_watts"] == pytest.approx(5.0)


def test_run_without_samples_has_the_energy_that_its_store_wrote(world: World) -> None:
    run = run_of(world, "reported")
    assert (run["energy_source"], run["is_estimated"], run["total_energy_uj"]) == ("reported", None, 50_000_000)
    # The idle power of package, 1.7959955 W, over 10 s.
    assert run["dynamic_energy_uj"] == 50_000_000 - 17_959_955
    for unknown in ("energy_lo_uj", "energy_hi_uj", "sample_coverage", "dynamic_energy_u_uj", "pkg_energy_uj"):
        assert run[unknown] is None
    assert "reported" in flags_of(world, "reported")
    quality = world.row("FROM run_quality WHERE run_id = ?", run["run_id"])
    assert (quality["experiment_valid"], quality["reasons"]) == (False, '["reported"]')
    assert world.rows("FROM v_step_bill WHERE run_id = ?", run["run_id"]) == [], "no step took 0"
    nothing = run_of(world, "reported 0")
    assert (nothing["energy_source"], nothing["total_energy_uj"]) == (None, None), "what a wrap left is no energy"
    assert "no_samples" in flags_of(world, "reported 0")


def test_run_whose_gpu_never_told_its_energy_says_so(world: World) -> None:
    run = run_of(world, "unread gpu")
    assert (run["energy_source"], run["total_energy_uj"], run["gpu_energy_uj"]) == ("rapl", 50_000_000, None)
    assert "gpu_unread" in flags_of(world, "unread gpu")
    quality = world.row("FROM run_quality WHERE run_id = ?", run["run_id"])
    assert (quality["experiment_valid"], quality["reasons"]) == (False, '["gpu_unread"]')


def test_ratios_of_a_run(world: World) -> None:
    run = run_of(world, "worked")
    dynamic_j = 32.040045
    assert (run["ipc"], run["cache_miss_rate"], run["total_context_switches"]) == (2.0, 0.25, 7)
    assert run["energy_per_token"] == pytest.approx(dynamic_j / 500)
    assert run["energy_per_instruction"] == pytest.approx(dynamic_j / 2_000)
    assert run["energy_per_cycle"] == pytest.approx(dynamic_j / 1_000)
    assert run["instructions_per_token"] == pytest.approx(4.0)
    assert run["complexity_level"] == 2
    assert run["complexity_score"] == pytest.approx(0.4 * 1 + 0.3 * 0.3 + 0.3 * 0.5)
    assert (run["thermal_during_experiment"], run["thermal_throttle_flag"]) == (False, 0)
    assert run["experiment_valid"] is False  # it was being throttled when it began
    assert flags_of(world, "worked") == ["throttled"]
    assert run["model_key"] is None
    hashed = f"powersave|True|{run['hw_id']}|idle"
    assert run["run_state_hash"] == hashlib.sha256(hashed.encode()).hexdigest()


def test_uncertainty_of_the_dynamic_energy(world: World) -> None:
    run = run_of(world, "worked")
    n_effective = 30 * (1 - 0.5) / (1 + 0.5)
    idle_uj = 10e6 * IDLE["package_std"] / np.sqrt(n_effective)
    window_uj = 50e6 * np.sqrt(1 / 6) * 0.010 / 10
    assert run["dynamic_energy_u_uj"] == pytest.approx(np.hypot(idle_uj, window_uj))


def test_run_that_shared_its_host_is_flagged(world: World) -> None:
    assert (flags_of(world, "beside others"), flags_of(world, "alone")) == (["background_cpu"], [])
    valid = "SELECT run_quality.experiment_valid FROM run_quality JOIN runs USING (run_id) WHERE source_run_id = ?"
    assert (world.value(valid, "beside others"), world.value(valid, "alone")) == (False, True)


def test_negative_dynamic_energy_is_kept_and_flagged(world: World) -> None:
    run = run_of(world, "below idle")
    assert run["dynamic_energy_uj"] == 10_000_000 - 17_959_955
    assert flags_of(world, "below idle") == ["negative_dynamic"]
    assert run["ipc"] is run["energy_per_token"] is run["llm_calls"] is run["complexity_level"] is None
    assert run["experiment_valid"] is True


def test_what_the_source_does_not_count_is_counted_from_its_calls(world: World) -> None:
    run = run_of(world, "from calls")
    assert (run["prompt_tokens"], run["completion_tokens"], run["total_tokens"]) == (30, 5, 40)
    assert (run["llm_calls"], run["tool_calls"], run["bytes_sent"], run["bytes_recv"]) == (2, None, 200, None)
    assert run["compute_time_ms"] == 1_600.0  # local inference is what the first call computed
    assert run["frequency_mhz"] == 2_500.0
    assert run["orchestration_cpu_ms"] == 10_000 - 1_500 - 3_500
    assert run["ipc"] is run["energy_per_instruction"] is None  # 0 instructions in 0 cycles


def test_call_that_tells_no_times_leaves_the_orchestration_unknown(world: World) -> None:
    run = run_of(world, "untimed call")
    assert (run["llm_calls"], run["api_latency_ms"], run["orchestration_cpu_ms"]) == (2, 8_300.5, None)


def test_phases_and_steps_are_those_of_the_events(world: World) -> None:
    run = run_of(world, "steps")
    # One tool call lies inside the other and is not counted twice; the last event is cut at the run's end.
    times = [run[f"{phase}_time_ms"] for phase in ("planning", "execution", "synthesis")]
    assert times == [2_000.0, 4_000.0, 1_000.0]
    assert [run[f"phase_{phase}_ratio"] for phase in ("planning", "execution", "synthesis")] == [0.2, 0.4, 0.1]
    assert (run["llm_calls"], run["tool_calls"], run["steps"], run["avg_step_time_ms"]) == (2, 2, 4, 1_000.0)
    assert run["tools_used"] == 2
    assert run_of(world, "worked")["planning_time_ms"] is None
    assert run["orchestration_cpu_ms"] is None


def _numbers(world: World) -> None:
    experiment = world.add_experiment("numbers")
    for number, (name, status) in enumerate((("first", "failed"), ("retry", "completed"), ("again", "completed"))):
        world.add_run(name, experiment, start_ns=DAY_NS + (3_000 + number) * SECOND, status=status, run_number=1)


def test_second_run_with_a_number_keeps_its_row_without_it(world: World) -> None:
    numbers = {name: run_of(world, name)["run_number"] for name in ("first", "retry", "again")}
    assert numbers == {"first": None, "retry": 1, "again": None}  # the first that ended well keeps it
    assert "duplicate_run_number" in flags_of(world, "first")
    assert "duplicate_run_number" in flags_of(world, "again")
    assert "duplicate_run_number" not in flags_of(world, "retry")


def _garbage(world: World) -> None:
    """Records whose numbers are as wrong as the contract's types allow."""
    experiment = world.add_experiment("garbage", host="garbage", runs_total=2**63 - 1)
    extremes = (2**63 - 1, -(2**63), 0)
    for number, (integer, real) in enumerate(zip(extremes, (1.7e308, -1.7e308, 5e-324), strict=True)):
        start = DAY_NS + (4_000 + 100 * number) * SECOND

        def filled(table: str, known: set[str], integer: int = integer, real: float = real) -> dict[str, Any]:
            [columns] = [t.columns for t in stage.TABLES if t.name == table]
            values = {"int64": integer, "double": real}
            return {c.name: values[str(c.type)] for c in columns if str(c.type) in values and c.name not in known}

        baseline = f"garbage {number}"
        world.add_baseline(baseline, "garbage", **filled("idle_baselines", {"hw_id", "timestamp"}), timestamp=real)
        keys = {"run_id", "run_key", "exp_key", "hw_id", "env_id", "start_time_ns", "end_time_ns", "run_number"}
        run_id = world.add_run(f"garbage {number}", experiment, start_ns=start, host="garbage", run_number=number,
                               baseline_id=baseline, **filled("runs", keys))  # fmt: skip
        sampled(world, run_id, start, watts=5)
        world.add("llm_interactions", [
            {**filled("llm_interactions", keys), "run_id": run_id, "run_key": run_id, "source_interaction_id": str(n)}
            for n in range(2)])  # fmt: skip
        events = filled("orchestration_events", keys | {"step_index"})
        world.add_event(run_id, start, start + SECOND, step_index=integer, **events)


def test_impossible_numbers_in_records_stop_nothing(world: World) -> None:
    rows = world.rows("FROM main.runs WHERE source_run_id LIKE 'garbage%'")
    assert len(rows) == 3
    assert {row["total_energy_uj"] for row in rows} == {50_000_000}
    for view in ("ml_features", "orchestration_analysis", "research_metrics_view", "energy_split"):
        world.rows(f"FROM main.{view}")


# ---- canonical keys --------------------------------------------------------------------------------------------------


def test_runs_and_experiments_carry_canonical_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = World(tmp_path_factory.mktemp("keys"))
    hw_id = world.add_hardware(gpu_model="NVIDIA H200", cpu_model="some CPU")
    world.add("environment_config", [{"env_id": 7, "llm_framework": "SGLang-Disagg", "recorded_at": RECORDED}])
    known = world.add_experiment("1", model_name="llama-3.3-70b-versatile", hw_id=hw_id, env_id=7)
    unknown = world.add_experiment("2", model_name="nobody/knows")
    world.add_run("1", known, hw_id=hw_id, env_id=7)
    world.add_run("2", unknown, start_ns=DAY_NS + 100 * SECOND)
    world.build()
    for table, key in (("runs", "source_run_id"), ("experiments", "source_exp_id")):
        found = world.rows(f"SELECT {key} AS id, model_key, hardware_key, framework_key FROM main.{table} ORDER BY id")
        assert [tuple(row.values()) for row in found] == [
            ("1", "llama70b", "h200", "mori-sglang"),
            ("2", None, None, None),
        ]
    names = world.rows("SELECT kind, raw_value, key, rule, n_rows FROM main.name_keys ORDER BY kind, raw_value")
    assert [tuple(row.values()) for row in names] == [
        ("framework", "SGLang-Disagg", "mori-sglang", "alias", 1),
        ("hardware", "NVIDIA H200", "h200", "name", 1),
        ("model", "llama-3.3-70b-versatile", "llama70b", "name", 1),
        ("model", "nobody/knows", None, None, 1),
    ]
    world.con.close()


def test_every_model_of_the_example_stores_has_its_key() -> None:
    rows = example_rows("SELECT DISTINCT model_name, model_key FROM ml_features ORDER BY ALL")
    assert [row["model_key"] for row in rows] == ["llama70b", "tinyllama-1b"]
