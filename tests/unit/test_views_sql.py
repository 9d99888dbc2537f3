"""sql/views and sql/cookbook: the columns that people's queries and notebooks rely on, and what stands in them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from alems_pipeline import sql_files
from tests.unit.sql_fixture import (
    DATA,
    DAY_NS,
    MS,
    SECOND,
    Counters,
    World,
    alems_columns,
    columns_of,
    energy_files,
    example_rows,
    store_runs,
)

COOKBOOK = sql_files.SQL_ROOT / "cookbook"

# What a sample view has beyond A-LEMS's columns.
OURS = {
    "energy_samples": ["model_energy_uj", "psys_energy_uj", "gap_ns", "is_reset", "run_date"],
    "cpu_samples": ["run_date"],
    "interrupt_samples": ["run_date"],
    "thermal_samples": ["run_date"],
}


# ---- columns ---------------------------------------------------------------------------------------------------------


def test_ml_features_has_alems_144_columns_in_order_then_ours() -> None:
    theirs = alems_columns("ml_features")
    assert len(theirs) == 144
    columns = columns_of("ml_features")
    assert columns[:144] == theirs
    assert columns[144] == "energy_j"
    assert len(set(columns)) == len(columns)


@pytest.mark.parametrize(("view", "n"), [("orchestration_analysis", 23), ("research_metrics_view", 15)])
def test_view_has_exactly_alems_columns(view: str, n: int) -> None:
    theirs = alems_columns(view)
    assert len(theirs) == n
    assert columns_of(view) == theirs


@pytest.mark.parametrize("view", OURS)
def test_sample_view_has_alems_columns_in_order_then_ours(view: str) -> None:
    assert columns_of(view) == alems_columns(view) + OURS[view]


def test_gpu_samples_is_there_and_empty() -> None:
    assert columns_of("gpu_samples") == [
        "run_id", "timestamp_ns", "gpu_index", "gpu_uuid", "energy_mj", "power_mw", "util_percent", "memory_used_mb",
        "temp_c", "sm_clock_mhz", "sample_id", "run_date",
    ]  # fmt: skip
    assert example_rows("FROM gpu_samples") == []


@pytest.mark.parametrize("view", [file.name for file in energy_files("views")])
def test_every_column_of_a_view_has_its_meaning(view: str) -> None:
    rows = example_rows("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ?", view)
    assert rows and [row["column_name"] for row in rows if not row["comment"]] == []


# ---- the example stores ----------------------------------------------------------------------------------------------


def test_ml_features_has_one_row_per_run_with_the_tax_on_the_agentic_one() -> None:
    rows = example_rows("FROM ml_features")
    assert len(rows) == 40
    for row in rows:
        assert row["energy_j"] == row["dynamic_energy_j"] == row["dynamic_energy_uj"] / 1e6
        assert row["duration_ms"] == row["duration_ns"] / 1e6
        assert (row["orchestration_tax_j"] is not None) == (row["workflow_type"] == "agentic")
        assert row["baseline_package_power"] == pytest.approx(1.79599556)
        assert row["cpu_model"] == "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"
        assert (row["python_version"], row["provider"] in ("cloud", "local")) == ("3.12.3", True)


def test_orchestration_analysis_splits_package_core_and_uncore() -> None:
    rows = example_rows("FROM orchestration_analysis")
    assert len(rows) == 40
    for row in rows:
        idle_w = {"pkg": 1.7959955666666667, "core": 0.6714887333333334, "uncore": 0.021352066666666666}
        for domain, split in (
            ("pkg", "workload_energy_j"),
            ("core", "reasoning_energy_j"),
            ("uncore", "orchestration_tax_j"),
        ):
            assert row[f"baseline_{domain}_j"] == pytest.approx(idle_w[domain] * row["duration_sec"])
            assert row[split] == pytest.approx(row[f"{domain}_energy_j"] - row[f"baseline_{domain}_j"])
        assert row["uncore_share"] == pytest.approx(0.01, abs=1e-3)  # RAPL's own uncore, not package − core
        assert row["core_share"] == pytest.approx(0.62, abs=1e-2)
        assert row["cache_miss_rate"] is None


def test_energy_split_reproduces_what_alems_stored() -> None:
    rows = example_rows(
        "SELECT split.*, reported_total_energy_uj, reported_dynamic_energy_uj, total_energy_uj "
        "FROM energy_split AS split JOIN main.runs USING (run_id) WHERE baseline_method = 'mean_minus_2sigma'"
    )
    assert len(rows) == 40
    for row in rows:
        assert row["uncore_definition"] == "rapl"
        if row["reported_total_energy_uj"] == 0:
            continue  # the counter wrapped, which A-LEMS took for no energy
        outside_uj = row["reported_total_energy_uj"] - row["total_energy_uj"]
        assert row["workload_energy_uj"] + outside_uj == pytest.approx(row["reported_dynamic_energy_uj"], abs=1)


def test_samples_are_the_unwrapped_counters_of_the_store() -> None:
    for run in store_runs("a")[:4]:  # the third wraps
        rows = example_rows(
            "SELECT samples.* FROM energy_samples AS samples JOIN stage.runs USING (run_id) "
            "WHERE host = 'lab-laptop-a' AND source_run_id = ? ORDER BY sample_id",
            str(run.row["run_id"]),
        )
        assert [row["timestamp_ns"] for row in rows] == run.times_ns.tolist()
        for domain, counter in run.energies_uj.items():
            assert [row[f"{domain}_energy_uj"] for row in rows] == counter.tolist()
        assert {row["dram_energy_uj"] for row in rows} == {None}
        assert [row["sample_id"] for row in rows] == list(range(1, len(rows) + 1))


def test_power_of_samples_is_that_of_the_counters_also_where_they_wrap() -> None:
    [run] = [run for run in store_runs("b") if run.row["run_id"] == 6]
    rows = example_rows(
        "SELECT power.* FROM energy_samples_with_power AS power JOIN stage.runs USING (run_id) "
        "WHERE host = 'lab-laptop-b' AND source_run_id = '6' ORDER BY sample_id"
    )
    watts = np.diff(run.energies_uj["pkg"]) * 1e3 / np.diff(run.times_ns)
    assert rows[0]["pkg_power_watts"] is None
    assert [row["pkg_power_watts"] for row in rows[1:]] == pytest.approx(watts.tolist())
    assert [row["time_s"] for row in rows] == pytest.approx(((run.times_ns - run.times_ns[0]) / 1e9).tolist())
    assert rows[5]["dram_power_watts"] is rows[5]["model_power_watts"] is None


def test_power_of_one_run_reads_that_run_only() -> None:
    [row] = example_rows("SELECT max(run_id) AS run_id FROM main.runs")
    [plan] = example_rows(f"EXPLAIN FROM energy_samples_with_power WHERE run_id = {row['run_id']}")
    scan = plan["explain_value"][plan["explain_value"].index("READ_PARQUET") :]
    assert f"run_id={row['run_id']}" in scan.replace(" ", "").replace("(", "")


def test_cookbook_queries_run_as_written() -> None:
    [latest] = example_rows((COOKBOOK / "latest_experiment_with_hardware.sql").read_text())
    assert (latest["cpu_model"], latest["git_commit"]) == ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "cd72827")
    by_provider = example_rows((COOKBOOK / "average_tax_by_provider.sql").read_text())
    assert {row["provider"]: row["samples"] for row in by_provider} == {"cloud": 10, "local": 10}
    assert all(30 < row["avg_tax"] < 60 for row in by_provider)
    [run] = example_rows(
        "SELECT max(run_id) AS run_id, any_value(n_samples) AS n FROM run_energy GROUP BY run_id LIMIT 1"
    )
    samples = (COOKBOOK / "energy_samples_of_a_run.sql").read_text().replace("$run_id", str(run["run_id"]))
    assert len(example_rows(samples)) == run["n"]


# ---- constructed runs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A run of the worked example (50 J of package and 30 J of core in 10 s), one with a reset, one that waits."""
    world = World(tmp_path_factory.mktemp("views"))
    idle = json.loads((DATA / "idle_baseline.json").read_text())
    hw_id = world.add_hardware()
    world.add_baseline(
        "idle",
        hw_id=hw_id,
        package_power_watts=idle["power_watts"]["package-0"],
        core_power_watts=idle["power_watts"]["core"],
        package_std=idle["std_dev_watts"]["package-0"],
        core_std=idle["std_dev_watts"]["core"],
    )
    world.add_baseline("no spread", hw_id=hw_id)
    experiment = world.add_experiment(hw_id=hw_id, provider="cloud")
    runs = (("worked", 5.0, None), ("idle", 1.0, None), ("waiting", 5.0, 400.0), ("failed read", 5.0, None),
            ("no spread", 5.0, None))  # fmt: skip
    for number, (name, watts, compute_ms) in enumerate(runs):
        start = DAY_NS + number * 100 * SECOND
        run_id = world.add_run(
            name,
            experiment,
            start_ns=start,
            hw_id=hw_id,
            baseline_id="no spread" if name == "no spread" else "idle",
            run_number=number,
            compute_time_ms=compute_ms,
        )
        times = start + np.arange(1001) * 10 * MS
        package = np.round(np.arange(1001) * watts * 10_000).astype(np.int64)
        resets = [500] if name == "idle" else []
        world.add_counters(run_id, Counters(times, {"pkg": package, "core": package * 3 // 5}, resets=resets))
        if name == "failed read":
            readings = [None if position == 2 else int(value) for position, value in enumerate(package)]
            samples = world.lake["energy_samples"][-1]
            at = samples.schema.get_field_index("pkg_energy_uj")
            world.lake["energy_samples"][-1] = samples.set_column(at, "pkg_energy_uj", [readings])
        if name == "waiting":
            world.add("llm_interactions", [{"run_id": run_id, "run_key": run_id, "source_interaction_id": "1",
                                            "non_local_ms": 8_000.0, "local_compute_ms": 500.0}])  # fmt: skip
    world.build()
    yield world
    world.con.close()


def split_of(world: World, run: str, method: str) -> dict[str, Any]:
    return world.row(
        "SELECT split.* FROM energy_split AS split JOIN main.runs USING (run_id) "
        "WHERE source_run_id = ? AND baseline_method = ?", run, method
    )  # fmt: skip


def test_worked_values_of_the_split(world: World) -> None:
    by_mean = split_of(world, "worked", "mean")
    assert (by_mean["idle_pkg_uj"], by_mean["idle_core_uj"]) == (17_959_955, 6_714_887)
    as_alems = split_of(world, "worked", "mean_minus_2sigma")
    assert (as_alems["idle_pkg_uj"], as_alems["idle_core_uj"]) == (17_175_215, 5_965_587)
    assert (as_alems["workload_energy_uj"], as_alems["reasoning_energy_uj"]) == (32_824_785, 24_034_413)
    assert as_alems["uncore_definition"] == "package − core"
    assert as_alems["orchestration_energy_uj"] == 20_000_000 - (17_175_215 - 5_965_587)


def test_only_alems_way_clips_at_zero(world: World) -> None:
    assert split_of(world, "idle", "mean")["workload_energy_uj"] == 10_000_000 - 17_959_955
    assert split_of(world, "idle", "mean_minus_2sigma")["workload_energy_uj"] == 0


def test_power_after_a_failed_read_is_that_since_the_last_one(world: World) -> None:
    rows = world.rows(
        "SELECT power.* FROM energy_samples_with_power AS power JOIN main.runs USING (run_id) "
        "WHERE source_run_id = 'failed read' ORDER BY sample_id LIMIT 5"
    )
    assert [row["pkg_power_watts"] for row in rows] == [None, 5.0, None, 5.0, 5.0]
    assert [row["core_power_watts"] for row in rows] == [None, 3.0, 3.0, 3.0, 3.0]


def test_mean_needs_no_spread_and_mean_minus_2_sigma_does(world: World) -> None:
    split = split_of(world, "no spread", "mean")
    assert (split["idle_pkg_uj"], split["workload_energy_uj"]) == (10_000_000, 40_000_000)
    assert split_of(world, "no spread", "mean_minus_2sigma")["workload_energy_uj"] is None
    by_method = world.rows(
        "SELECT v.* FROM v_energy_by_method AS v JOIN main.runs USING (run_id) WHERE source_run_id = 'no spread'"
    )
    assert {row["baseline_method"]: row["dynamic_energy_uj"] for row in by_method} == {
        "mean": 40_000_000,
        "mean_minus_2sigma": None,
    }


def test_power_is_unknown_across_a_reset(world: World) -> None:
    rows = world.rows(
        "SELECT power.* FROM energy_samples_with_power AS power JOIN main.runs USING (run_id) "
        "WHERE source_run_id = 'idle' ORDER BY sample_id"
    )
    assert [row["sample_id"] for row in rows if row["pkg_power_watts"] is None] == [1, 501]


def test_research_metrics_are_of_runs_whose_orchestration_stays_below_five_times_their_compute(world: World) -> None:
    row = world.row("FROM research_metrics_view")  # the other runs have no LLM calls
    assert (row["total_time_ms"], row["total_wait_ms"], row["total_llm_compute_ms"]) == (10_000, 8_000, 500)
    assert row["orchestration_cpu_ms"] == 1_500
    assert (row["ooi_time"], row["ooi_cpu"]) == (0.15, 3.75)
    assert (row["ucr"], row["network_ratio"], row["provider"]) == (0.05, 0.8, "cloud")


def test_research_metrics_hold_the_runs_that_the_view_of_the_stores_has() -> None:
    with closing(sqlite3.connect(DATA / "host_a.db")) as a, closing(sqlite3.connect(DATA / "host_b.db")) as b:
        [n_a], [n_b] = (con.execute("SELECT count(*) FROM research_metrics_view").fetchone() for con in (a, b))
    assert example_rows("SELECT count(*) AS n FROM research_metrics_view") == [{"n": n_a + n_b}]
    assert n_a == n_b == 20
