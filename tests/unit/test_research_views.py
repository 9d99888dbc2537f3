"""The research views against plain Python over the same runs: the example stores, and planted faults."""

import json
import math
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.warehouses import materialize, warehouse_with

Row = dict[str, Any]

PLANTED = {
    "background_cpu": """quality_flags = '["background_cpu"]'""",
    "throttled": "thermal_during_experiment = true",
    "no_baseline": "baseline_energy_uj = NULL, dynamic_energy_uj = NULL",
    "gaps": "sample_coverage = 0.9",
    "run_failed": """quality_flags = '["run_failed"]'""",
    "no_energy": "total_energy_uj = NULL, dynamic_energy_uj = NULL, is_estimated = NULL",
}


@pytest.fixture(scope="module")
def con(example_landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The example stores, a tenth run with ten times the energy, and twins of every run with estimated energies.

    The twins take a hundred times the energy: wherever the two are mixed, nothing comes out right.
    """
    home = warehouse_with(example_landing, tmp_path_factory.mktemp("views"))
    materialize(home)
    copy = home / "planted.duckdb"
    shutil.copy(home / "build.duckdb", copy)
    with duckdb.connect(copy) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            "INSERT INTO main.runs SELECT * REPLACE (run_id + 1000000000 AS run_id, run_number + 100 AS run_number, "
            "total_energy_uj * 100 AS total_energy_uj, dynamic_energy_uj * 100 AS dynamic_energy_uj, "
            "true AS is_estimated) FROM main.runs"
        )
        con.execute(
            "INSERT INTO main.orchestration_tax_summary SELECT * REPLACE (comparison_id + 1 AS comparison_id, "
            "linear_run_id + 1000000000 AS linear_run_id, agentic_run_id + 1000000000 AS agentic_run_id, "
            "linear_dynamic_uj * 100 AS linear_dynamic_uj, agentic_dynamic_uj * 100 AS agentic_dynamic_uj, "
            "orchestration_tax_uj * 100 AS orchestration_tax_uj, true AS is_estimated) "
            "FROM main.orchestration_tax_summary"
        )
        con.execute(
            "INSERT INTO main.runs SELECT * REPLACE (run_id + 7 AS run_id, 99 AS run_number, "
            "start_time_ns + 60000000000 AS start_time_ns, dynamic_energy_uj * 10 AS dynamic_energy_uj) FROM main.runs "
            "WHERE NOT is_estimated ORDER BY run_id LIMIT 1"
        )
        con.execute(
            "INSERT INTO main.task_categories BY NAME SELECT DISTINCT task_name AS task_id, 'reasoning' AS category "
            "FROM main.experiments WHERE contains(task_name, 'gsm8k')"
        )
        yield con


@pytest.fixture
def change(con: duckdb.DuckDBPyConnection) -> Iterator[Callable[[str], None]]:
    """Run statements that are taken back after the test."""
    con.execute("BEGIN")
    yield lambda statement: con.execute(statement) and None
    con.execute("ROLLBACK")


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    found = con.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def runs_with_names(con: duckdb.DuckDBPyConnection) -> list[Row]:
    experiments = {row["exp_id"]: row for row in rows(con, "FROM main.experiments")}
    names = ("provider", "model_name", "task_name")
    return [
        run | {name: experiments[run["exp_id"]][name] for name in names}
        for run in rows(con, "FROM main.runs ORDER BY run_id")
    ]


def grouped(found: list[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in found:
        groups[tuple(row[name] for name in names)].append(row)
    return groups


def close(value: float | None) -> Any:
    return value if value is None else pytest.approx(value, rel=1e-9)


def test_tax_by_group(con: duckdb.DuckDBPyConnection) -> None:
    runs = {run["run_id"]: run for run in runs_with_names(con)}
    pairs = [
        {
            **{name: runs[tax["linear_run_id"]][name] for name in ("provider", "model_name", "task_name")},
            "is_estimated": tax["is_estimated"],
            "linear": runs[tax["linear_run_id"]]["dynamic_energy_uj"] / 1e6,
            "agentic": runs[tax["agentic_run_id"]]["dynamic_energy_uj"] / 1e6,
        }
        for tax in rows(con, "FROM main.orchestration_tax_summary")
    ]
    assert len(pairs) == 40
    keys = {
        "all": (),
        "provider": ("provider",),
        "model": ("model_name",),
        "task": ("task_name",),
        "provider, model, task": ("provider", "model_name", "task_name"),
    }
    seen = rows(con, "FROM main.tax_by_group")
    for grouped_by, names in keys.items():
        expected = grouped(pairs, *names, "is_estimated")
        found = [row for row in seen if row["grouped_by"] == grouped_by]
        assert len(found) == len(expected)
        for row in found:
            members = expected[tuple(row[name] for name in (*names, "is_estimated"))]
            taxes = [pair["agentic"] - pair["linear"] for pair in members]
            ratios = [pair["agentic"] / pair["linear"] for pair in members]
            assert row["n_pairs"] == len(members)
            assert row["tax_mean_j"] == close(statistics.fmean(taxes))
            assert row["tax_median_j"] == close(statistics.median(taxes))
            assert row["tax_sd_j"] == close(statistics.stdev(taxes))
            assert row["ratio_geo"] == close(statistics.geometric_mean(ratios))
            assert row["ratio_of_totals"] == close(
                sum(pair["agentic"] for pair in members) / sum(pair["linear"] for pair in members)
            )
            assert row["n_negative"] == sum(tax < 0 for tax in taxes)
    assert len(seen) == sum(len(grouped(pairs, *names, "is_estimated")) for names in keys.values())


def test_a_pair_of_one_measured_and_one_estimated_run_is_in_no_group(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None]
) -> None:
    change(
        "UPDATE main.runs SET is_estimated = true "
        "WHERE run_id = (SELECT min(agentic_run_id) FROM main.orchestration_tax_summary)"
    )
    found = {r["is_estimated"]: r["n_pairs"] for r in rows(con, "FROM main.tax_by_group WHERE grouped_by = 'all'")}
    assert found == {False: 19, True: 20}


def test_averages_say_how_many_figures_should_not_be_used(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None]
) -> None:
    [tax] = rows(con, "FROM main.orchestration_tax_summary WHERE NOT is_estimated ORDER BY ALL LIMIT 1")
    run_id = tax["agentic_run_id"]
    whole = "FROM main.tax_by_group WHERE grouped_by = 'all' AND NOT is_estimated"
    efficiency = "SELECT sum(n_not_valid) AS n FROM main.energy_efficiency"
    [before] = rows(con, whole)
    assert (before["n_not_valid"], rows(con, efficiency)) == (0, [{"n": 0}])
    change(f"""UPDATE main.runs SET quality_flags = '["background_cpu"]' WHERE run_id = {run_id}""")
    [after] = rows(con, whole)
    assert after == before | {"n_not_valid": 1}
    assert rows(con, efficiency) == [{"n": 1}]


def test_energy_efficiency(con: duckdb.DuckDBPyConnection) -> None:
    names = ("hw_id", "provider", "model_name", "task_name", "workflow_type", "energy_source", "is_estimated")
    expected = grouped(runs_with_names(con), *names)
    found = rows(con, "FROM main.energy_efficiency")
    assert len(found) == len(expected) == 16
    for row in found:
        members = expected[tuple(row[name] for name in names)]
        energy = sum(run["dynamic_energy_uj"] for run in members)
        assert row["n_runs"] == len(members)
        assert row["category"] == ("reasoning" if "gsm8k" in row["task_name"] else None)
        assert row["mj_per_query"] == close(energy / len(members) / 1e3)
        assert row["mj_per_llm_call"] == close(energy / 1e3 / sum(run["llm_calls"] for run in members))
        assert row["j_per_token"] == close(energy / 1e6 / sum(run["total_tokens"] for run in members))
        assert row["j_per_instruction"] == close(energy / 1e6 / sum(run["instructions"] for run in members))


def test_energies_of_two_sources_are_not_averaged_together(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None]
) -> None:
    other, reported, *_ = [run for run in runs_with_names(con) if not run["is_estimated"] and run["run_number"] < 99]
    change(f"UPDATE main.runs SET energy_source = 'rapl+nvml' WHERE run_id = {other['run_id']}")
    change(f"UPDATE main.runs SET energy_source = 'reported', is_estimated = NULL WHERE run_id = {reported['run_id']}")
    [found] = rows(con, "FROM main.energy_efficiency WHERE energy_source NOT IN ('rapl', 'model:cpu_time')")
    assert (found["energy_source"], found["n_runs"]) == ("rapl+nvml", 1)
    assert found["mj_per_query"] == close(other["dynamic_energy_uj"] / 1e3)


def test_runs_that_know_no_tokens_or_failed_do_not_dilute_the_energy_of_a_token(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None]
) -> None:
    lacking, failed, *_ = [run for run in runs_with_names(con) if not run["is_estimated"] and run["run_number"] < 99]
    change(f"UPDATE main.runs SET total_tokens = NULL WHERE run_id = {lacking['run_id']}")
    change(f"""UPDATE main.runs SET quality_flags = '["run_failed"]' WHERE run_id = {failed["run_id"]}""")
    same = ("hw_id", "model_name", "workflow_type")
    found = next(
        row for row in rows(con, "FROM main.energy_efficiency WHERE NOT is_estimated")
        if all(row[name] == lacking[name] for name in same)
    )  # fmt: skip
    left_out = (failed["run_id"], lacking["run_id"])
    members = [
        run for run in runs_with_names(con)
        if not run["is_estimated"] and run["run_id"] not in left_out
        and all(run[name] == lacking[name] for name in same)
    ]  # fmt: skip
    assert found["j_per_token"] == close(
        sum(run["dynamic_energy_uj"] for run in members) / 1e6 / sum(run["total_tokens"] for run in members)
    )


def test_phases_sum_to_the_run(con: duckdb.DuckDBPyConnection) -> None:
    measured = [run for run in runs_with_names(con) if not run["is_estimated"] and run["run_number"] < 99]
    phases = grouped(rows(con, "FROM main.phase_breakdown"), "run_id")
    events = grouped(rows(con, "FROM main.event_energy"), "run_id", "phase")
    for run in measured:
        found = phases[(run["run_id"],)]
        assert sum(row["energy_j"] for row in found) == pytest.approx(run["total_energy_uj"] / 1e6, abs=1e-9)
        assert sum(row["time_ms"] for row in found) == pytest.approx(run["duration_ns"] / 1e6, abs=1e-6)
        assert sum(row["energy_share"] for row in found) == pytest.approx(1)
        for row in found:
            if row["phase"] != "outside events":
                members = events[(run["run_id"], row["phase"])]
                # The stores' events abut: none lies in another.
                assert row["energy_j"] == pytest.approx(sum(e["event_energy_uj"] for e in members) / 1e6, abs=1e-5)
                assert row["n_events"] == len(members)


def test_activity_and_temperature_are_those_of_the_samples(con: duckdb.DuckDBPyConnection) -> None:
    activity = {row["run_id"]: row for row in rows(con, "FROM main.run_activity")}
    heat = {row["run_id"]: row for row in rows(con, "FROM main.thermal_profile")}
    samples = grouped(rows(con, "FROM main.cpu_samples ORDER BY timestamp_ns"), "run_id")
    for run in [run for run in runs_with_names(con) if not run["is_estimated"] and run["run_number"] < 99]:
        within = [
            s for s in samples[(run["run_id"],)] if run["start_time_ns"] <= s["timestamp_ns"] <= run["end_time_ns"]
        ]
        found = activity[run["run_id"]]
        for state in ("c2", "c3", "c6", "c7", "pkg_c8", "pkg_c10"):
            values = [s[f"{state}_residency"] for s in within if s[f"{state}_residency"] is not None]
            assert found[f"{state}_percent"] == close(float(np.mean(values)) if values else None)
        assert found["deep_sleep_percent"] == close(found["c6_percent"] + found["c7_percent"])
        temperatures = [s["package_temp"] for s in within]
        profile = heat[run["run_id"]]
        assert profile["max_temp_c"] == max(temperatures)
        assert profile["mean_temp_c"] == close(float(np.mean(temperatures)))
        assert profile["rise_c_per_s"] == close((max(temperatures) - temperatures[0]) / (run["duration_ns"] / 1e9))
        assert (profile["throttled_before"], profile["throttled_during"]) == (None, False)


def test_activity_from_counted_times_and_counts(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    change(
        "UPDATE main.runs SET duration_ns = 4000000000, c6_time_seconds = 1, c7_time_seconds = 2, page_faults = 200, "
        "major_page_faults = 50, swap_start_used_mb = 10, swap_end_used_mb = 12.5, cache_misses = 3000, "
        "instructions = 1000000, bytes_sent = 100, bytes_recv = 300, total_context_switches = 80, "
        "context_switches_involuntary = 20"
    )
    row = rows(con, "FROM main.run_activity LIMIT 1")[0]
    assert (row["c6_percent"], row["c7_percent"], row["deep_sleep_percent"]) == (25, 50, 75)
    assert (row["page_faults_per_s"], row["major_fault_share"]) == (50, 0.25)
    assert (row["swap_growth_mb"], row["cache_misses_per_1000_instructions"]) == (2.5, 3)
    assert (row["network_bytes_per_s"], row["context_switches_per_s"], row["involuntary_switch_share"]) == (
        100,
        20,
        0.25,
    )


def test_baseline_drift(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    [first, *_] = rows(con, "FROM main.idle_baselines ORDER BY baseline_id")
    for n, factor in ((1, 1.02), (2, 1.30), (3, 1.31)):
        change(
            f"INSERT INTO main.idle_baselines SELECT * REPLACE ('later-{n}' AS baseline_id, timestamp + {n} * 3600 AS "
            f"timestamp, package_power_watts * {factor} AS package_power_watts) FROM main.idle_baselines "
            f"WHERE baseline_id = '{first['baseline_id']}'"
        )
    found = {row["baseline_id"]: row for row in rows(con, "FROM main.baseline_drift")}
    watts = first["package_power_watts"]
    rho = first["package_autocorr_lag1"] or 0
    sigma = first["package_std"] / math.sqrt(first["sample_count"] * (1 - rho) / (1 + rho))
    assert found[first["baseline_id"]]["change_watts"] is None
    assert [found[f"later-{n}"]["change_percent"] for n in (1, 2, 3)] == pytest.approx(
        [2, (1.30 / 1.02 - 1) * 100, (1.31 / 1.30 - 1) * 100]
    )
    assert found["later-3"]["change_from_first_percent"] == pytest.approx(31)
    assert found["later-2"]["change_z"] == pytest.approx(0.28 * watts / (math.sqrt(2) * sigma))
    assert [found[f"later-{n}"]["is_drift"] for n in (1, 2, 3)] == [False, found["later-2"]["change_z"] > 2, False]


def test_run_drift(con: duckdb.DuckDBPyConnection) -> None:
    names = ("exp_id", "hw_id", "workflow_type", "is_estimated")
    found = grouped(rows(con, "FROM main.run_drift"), *names)
    expected = grouped(runs_with_names(con), *names)
    assert found.keys() == expected.keys()
    for key, members in expected.items():
        members.sort(key=lambda run: (run["start_time_ns"], run["run_id"]))
        energies = [run["dynamic_energy_uj"] / 1e6 for run in members]
        slope = np.polyfit(range(len(energies)), energies, 1)[0]
        drifts = sorted(found[key], key=lambda row: row["position"])
        assert [row["run_id"] for row in drifts] == [run["run_id"] for run in members]
        assert drifts[0]["change_j"] is None
        assert [row["change_j"] for row in drifts[1:]] == pytest.approx(np.diff(energies).tolist())
        assert [row["change_from_first_percent"] for row in drifts] == pytest.approx(
            [(e / energies[0] - 1) * 100 for e in energies]
        )
        assert drifts[0]["slope_j_per_run"] == pytest.approx(slope)
        assert drifts[0]["cv"] == pytest.approx(np.std(energies, ddof=1) / np.mean(energies))


def test_outliers_by_the_median_absolute_deviation(con: duckdb.DuckDBPyConnection) -> None:
    names = ("hw_id", "provider", "model_name", "task_name", "workflow_type", "is_estimated")
    values = {
        "dynamic_energy_j": lambda run: run["dynamic_energy_uj"] / 1e6,
        "duration_s": lambda run: run["duration_ns"] / 1e9,
        "ipc": lambda run: run["ipc"],
        "max_temp_c": lambda run: run["max_temp_c"],
    }
    found = {(row["run_id"], row["metric"]): row for row in rows(con, "FROM main.outliers")}
    planted = max(run["run_id"] for run in runs_with_names(con) if run["run_number"] == 99)
    for members in grouped(runs_with_names(con), *names).values():
        for metric, value in values.items():
            of = np.array([value(run) for run in members])
            mad = float(np.median(np.abs(of - np.median(of))))
            for run, one in zip(members, of, strict=True):
                row = found[(run["run_id"], metric)]
                assert row["n_runs"] == len(members)
                assert row["median"] == close(float(np.median(of)))
                assert row["robust_z"] == close(float(0.6745 * (one - np.median(of)) / mad) if mad else None)
    flagged = {key for key, row in found.items() if row["is_outlier"]}
    assert (planted, "dynamic_energy_j") in flagged
    assert (planted, "duration_s") not in flagged
    odd = [row["finding"] for row in rows(con, f"FROM main.anomalies WHERE run_id = {planted} AND kind = 'outlier'")]
    assert any(text.startswith("dynamic_energy_j ") for text in odd)


def test_few_equal_runs_have_no_outliers(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    change("DELETE FROM main.runs WHERE run_number NOT IN (1, 2, 3, 4)")
    assert rows(con, "FROM main.outliers WHERE is_outlier IS NOT NULL") == []


def test_anomalies(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    first, second, third, fourth = (run["run_id"] for run in runs_with_names(con)[:4])
    change(f"UPDATE main.runs SET dynamic_energy_uj = -5 WHERE run_id = {first}")
    change(f"UPDATE main.runs SET core_energy_uj = pkg_energy_uj + 1 WHERE run_id = {second}")
    change(f"UPDATE main.runs SET total_tokens = 0 WHERE run_id = {third}")
    change(f"UPDATE main.runs SET duration_ns = 5000000 WHERE run_id = {fourth}")
    found = {(row["run_id"], row["kind"]) for row in rows(con, "FROM main.anomalies WHERE kind <> 'outlier'")}
    assert {
        (first, "negative_dynamic"),
        (second, "core_above_package"),
        (third, "no_tokens"),
        (fourth, "instant"),
    } <= found
    assert {run_id for run_id, kind in found if kind != "waiting_beyond_end"} == {first, second, third, fourth}


@pytest.mark.parametrize("reason", PLANTED)
def test_one_fault_makes_a_run_invalid_for_one_reason(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None], reason: str
) -> None:
    assert all(row["experiment_valid"] for row in rows(con, "FROM main.run_quality"))
    [run] = rows(con, "FROM main.runs ORDER BY run_id LIMIT 1")
    change(f"UPDATE main.runs SET {PLANTED[reason]} WHERE run_id = {run['run_id']}")
    [bad] = rows(con, "FROM main.run_quality WHERE NOT experiment_valid")
    assert (bad["run_id"], json.loads(bad["reasons"])) == (run["run_id"], [reason])


def test_faults_add_up(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    change("""UPDATE main.runs SET quality_flags = '["background_cpu"]', thermal_now_active = true""")
    assert {row["reasons"] for row in rows(con, "FROM main.run_quality")} == {'["throttled", "background_cpu"]'}
    change("UPDATE main.runs SET quality_flags = '[]', thermal_now_active = false")
    assert all(row["experiment_valid"] for row in rows(con, "FROM main.run_quality"))


def test_coverage_matrix(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    runs = runs_with_names(con)
    change(f"""UPDATE main.runs SET quality_flags = '["background_cpu"]' WHERE run_id = {runs[0]["run_id"]}""")
    names = ("hw_id", "model_name", "task_name", "workflow_type")
    axes = [{run[name] for run in runs} for name in names]
    found = {tuple(row[name] for name in names): row for row in rows(con, "FROM main.coverage_matrix")}
    assert len(found) == math.prod(map(len, axes)) == 16
    members = grouped(runs, *names)
    for key, row in found.items():
        of = members.get(key, [])
        usable = [run for run in of if run["run_id"] != runs[0]["run_id"]]
        assert row["run_count"] == len(of)
        assert row["n_measured"] == sum(not run["is_estimated"] for run in usable)
        assert row["n_estimated"] == sum(run["is_estimated"] for run in usable)
        assert row["n_missing"] == 30 - max(row["n_measured"], row["n_estimated"])
        newest = max((run["start_time_ns"] for run in of), default=None)
        assert (row["last_updated"] is None) == (newest is None)
        assert newest is None or row["last_updated"].timestamp() == pytest.approx(newest / 1e9, abs=1e-5)


def test_coverage_gaps(con: duckdb.DuckDBPyConnection, change: Callable[[str], None]) -> None:
    runs = runs_with_names(con)
    names = ("hw_id", "model_name", "task_name", "workflow_type")
    found = grouped(rows(con, "FROM main.coverage_gaps"), "rule")
    # Each combination that was run has 5 or 6 measured runs and as many twins; half of the 16 combinations never were.
    assert {r["value"] for r in found[("min_sample_size",)]} == {5, 6}
    assert len(found[("min_sample_size",)]) == 8
    assert len(found[("cross_factor",)]) == 8
    assert ("provider_balance",) not in found
    varied = {
        (*key,): np.std(energies, ddof=1) / np.mean(energies)
        for key, members in grouped(runs, *names, "is_estimated").items()
        if (energies := [run["dynamic_energy_uj"] for run in members])
    }
    expected = {key: cv for key, cv in varied.items() if cv > 0.30}
    assert expected
    seen = {tuple(row[name] for name in (*names, "is_estimated")): row["value"] for row in found[("variation",)]}
    assert seen == {key: pytest.approx(cv) for key, cv in expected.items()}
    change("DELETE FROM main.runs WHERE is_estimated")
    change("UPDATE main.runs SET is_cold_start = run_number <= 2")
    cloud = [run["exp_id"] for run in runs if run["provider"] == "cloud"]
    change(f"DELETE FROM main.runs WHERE run_number > 2 AND run_number < 99 AND exp_id = {cloud[0]}")
    change(f"DELETE FROM main.runs WHERE exp_id IN ({', '.join(str(exp) for exp in set(cloud) - {cloud[0]})})")
    found = grouped(rows(con, "FROM main.coverage_gaps"), "rule")
    left = runs_with_names(con)
    sizes = {key: len(members) for key, members in grouped(left, *names).items()}
    assert {tuple(r[n] for n in names): r["value"] for r in found[("min_sample_size",)]} == sizes
    by_provider = {key[0]: len(members) for key, members in grouped(left, "provider").items()}
    assert {r["finding"] for r in found[("min_sample_size",)]} >= {"5 usable of 5 run(s), 10 are the least"}
    [balance] = found[("provider_balance",)]
    assert balance["value"] == pytest.approx(max(by_provider.values()) / min(by_provider.values()))
    change(
        "UPDATE main.runs SET thermal_now_active = true FROM main.experiments "
        "WHERE experiments.exp_id = runs.exp_id AND provider = 'cloud'"
    )
    [balance] = rows(con, "FROM main.coverage_gaps WHERE rule = 'provider_balance'")
    assert (balance["value"], balance["finding"][-7:]) == (None, "cloud 0"), "none of its runs may be used"
    cold = {key: np.mean([run["is_cold_start"] for run in members]) for key, members in grouped(left, *names).items()}
    assert {tuple(r[n] for n in names): r["value"] for r in found[("cold_starts",)]} == pytest.approx(
        {key: share for key, share in cold.items() if share > 0.20}
    )


def test_measured_and_estimated_runs_are_not_added_to_balance_a_provider(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None]
) -> None:
    """Of each provider are as many measured as estimated runs; the cloud's of both kinds would make up for one kind."""
    change(
        "DELETE FROM main.runs USING main.experiments WHERE experiments.exp_id = runs.exp_id "
        "AND provider <> 'cloud' AND is_estimated"
    )
    assert "provider_balance" not in rules(con), "20 measured of each"
    change(
        "DELETE FROM main.runs USING "
        "(SELECT run_id, row_number() OVER (PARTITION BY is_estimated ORDER BY run_id) AS n FROM main.runs "
        "JOIN main.experiments USING (exp_id) WHERE provider = 'cloud') AS cloud "
        "WHERE cloud.run_id = runs.run_id AND n > 9"
    )
    [balance] = rows(con, "FROM main.coverage_gaps WHERE rule = 'provider_balance'")
    measured = grouped([run for run in runs_with_names(con) if not run["is_estimated"]], "provider")
    assert balance["value"] == pytest.approx(max(map(len, measured.values())) / 9)


def test_runs_that_may_not_be_used_fill_no_coverage_gap(
    con: duckdb.DuckDBPyConnection, change: Callable[[str], None]
) -> None:
    change("DELETE FROM main.runs WHERE is_estimated")
    change(
        "INSERT INTO main.runs SELECT runs.* REPLACE (run_id + 500000 + n AS run_id, NULL AS run_number) FROM "
        "main.runs CROSS JOIN range(3) AS copies(n) WHERE run_number <> 99"
    )
    assert "min_sample_size" not in rules(con), "20 runs of each"
    # Of these 20, 9 may be used: the others were throttled.
    change(
        "UPDATE main.runs SET thermal_during_experiment = true FROM (SELECT run_id, row_number() OVER "
        "(PARTITION BY exp_id, runs.workflow_type ORDER BY run_id) AS n FROM main.runs JOIN main.experiments "
        "USING (exp_id) WHERE provider = 'cloud') AS counted WHERE counted.run_id = runs.run_id AND n > 9"
    )
    expected = {
        (run["model_name"], run["task_name"], run["workflow_type"], 9.0)
        for run in runs_with_names(con)
        if run["provider"] == "cloud"
    }
    found = rows(con, "FROM main.coverage_gaps WHERE rule = 'min_sample_size'")
    assert {(r["model_name"], r["task_name"], r["workflow_type"], r["value"]) for r in found} == expected
    [balance] = rows(con, "FROM main.coverage_gaps WHERE rule = 'provider_balance'")
    assert balance["value"] > 2


def rules(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {row["rule"] for row in rows(con, "FROM main.coverage_gaps")}
