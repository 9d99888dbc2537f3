"""Both baseline methods, what stores reported beside ours, and the bill of an agent's steps."""

import json
from typing import Any

import numpy as np
import pytest

from tests.unit.sql_fixture import DAY_NS, MS, SECOND, Counters, World, example_rows, store_rows

IDLE = {  # data/idle_baseline.json
    "package_power_watts": 1.7959955666666667,
    "package_std": 0.03923701100113674,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Pairs of runs of 10 s with the given package energies, on one idle baseline; the agentic runs have steps."""
    world = World(tmp_path_factory.mktemp("methods"))
    hw_id = world.add_hardware()
    world.add_baseline(hw_id=hw_id, **IDLE)
    experiment = world.add_experiment(hw_id=hw_id)
    for number, (linear_uj, agentic_uj) in enumerate(((50_000_000, 60_000_000), (10_000_000, 17_500_000)), 1):
        for position, (workflow, energy_uj) in enumerate((("linear", linear_uj), ("agentic", agentic_uj))):
            start = DAY_NS + (number * 2 + position) * 100 * SECOND
            run_id = world.add_run(
                f"{workflow} {number}", experiment, start_ns=start, baseline_id="idle", hw_id=hw_id,
                run_number=number, workflow_type=workflow, reported_total_energy_uj=1,
                reported_json='{"pkg_energy_uj": "n/a", "core_energy_uj": 7, "dram_energy_uj": ""}',
            )  # fmt: skip
            times = np.arange(start, start + 10 * SECOND + 1, 10 * MS, dtype=np.int64)
            world.add_counters(run_id, Counters(times, {"pkg": (times - start) * energy_uj // (10 * SECOND)}))
            if workflow == "agentic":
                for step, (begin, end, phase, kind) in enumerate((
                    (0, 2, "planning", "llm_call"), (2, 6, "execution", "tool_call"), (3, 4, "execution", "llm_call"),
                    (6, 7, "execution", "retrieval"), (7, 8, "waiting", "waiting"), (8.5, 9.5, "synthesis", "llm_call"),
                )):  # fmt: skip
                    world.add_event(run_id, start + int(begin * SECOND), start + int(end * SECOND), phase=phase,
                                    event_type=kind, step_index=step)  # fmt: skip
    world.build()
    return world


def by_method(world: World, source_run_id: str) -> dict[str, dict[str, Any]]:
    rows = world.rows(
        "SELECT v.* FROM v_energy_by_method AS v JOIN runs USING (run_id) WHERE source_run_id = ?", source_run_id
    )
    return {row["baseline_method"]: row for row in rows}


def test_worked_values_of_both_methods(world: World) -> None:
    methods = by_method(world, "linear 1")
    assert methods["mean"]["baseline_energy_uj"] == 17_959_955
    assert methods["mean"]["dynamic_energy_uj"] == 32_040_045
    assert methods["mean_minus_2sigma"]["baseline_energy_uj"] == 17_175_215
    assert methods["mean_minus_2sigma"]["dynamic_energy_uj"] == 32_824_785


def test_only_alems_method_clips_at_zero(world: World) -> None:
    methods = by_method(world, "linear 2")
    assert methods["mean"]["dynamic_energy_uj"] == 10_000_000 - 17_959_955
    assert methods["mean_minus_2sigma"]["dynamic_energy_uj"] == 0


def test_mean_is_what_runs_and_pairs_hold() -> None:
    [runs] = example_rows(
        "SELECT count(*) AS n, count_if(v.dynamic_energy_uj = runs.dynamic_energy_uj) AS n_equal "
        "FROM v_energy_by_method AS v JOIN runs USING (run_id) WHERE baseline_method = 'mean'"
    )
    assert runs["n"] == runs["n_equal"] == 40
    [pairs] = example_rows(
        "SELECT count(*) AS n, count_if(v.orchestration_tax_uj = tax.orchestration_tax_uj "
        "AND v.tax_percent = tax.tax_percent) AS n_equal FROM v_tax_by_method AS v "
        "JOIN orchestration_tax_summary AS tax USING (comparison_id) WHERE baseline_method = 'mean'"
    )
    assert pairs["n"] == pairs["n_equal"] == 20


def test_tax_by_either_method(world: World) -> None:
    rows = world.rows(
        "SELECT baseline_method AS method, run_number AS pair, v.orchestration_tax_uj, v.tax_percent, v.tax_multiplier "
        "FROM v_tax_by_method AS v JOIN orchestration_tax_summary USING (comparison_id)"
    )
    taxes = {(row["method"], row["pair"]): row for row in rows}
    assert (
        taxes["mean", 1]["orchestration_tax_uj"] == taxes["mean_minus_2sigma", 1]["orchestration_tax_uj"] == 10_000_000
    )
    assert taxes["mean_minus_2sigma", 1]["tax_percent"] == pytest.approx(1e9 / 42_824_785)
    assert taxes["mean_minus_2sigma", 1]["tax_multiplier"] == pytest.approx(42_824_785 / 32_824_785)
    assert taxes["mean_minus_2sigma", 2]["orchestration_tax_uj"] == 17_500_000 - 17_175_215
    assert taxes["mean", 2]["tax_percent"] is None


# What stores reported


@pytest.mark.parametrize("name", ["a", "b"])
def test_stores_figures_are_reproduced_by_their_rule(name: str) -> None:
    reported = {str(row["run_id"]): row for row in store_rows(name, "SELECT * FROM runs")}
    rows = example_rows(
        "SELECT v.*, source_run_id FROM v_reported_differences AS v JOIN runs USING (run_id) "
        "JOIN hardware_config USING (hw_id) WHERE hostname = ? AND figure <> 'orchestration_tax_uj'",
        f"lab-laptop-{name}",
    )
    assert len(rows) == 20 * 6
    for row in rows:
        assert row["reported_uj"] == reported[row["source_run_id"]][row["figure"]]
        if row["figure"] in ("baseline_energy_uj", "dynamic_energy_uj"):
            assert abs(row["reproduced_uj"] - row["reported_uj"]) <= 1


def test_each_difference_has_its_reason() -> None:
    rows = example_rows("FROM v_reported_differences")
    assert not [row for row in rows if "unexplained" in row["reasons"]]
    for row in rows:
        assert (row["difference_uj"] == 0) == (row["reasons"] == "[]")
    wrapped = [row for row in rows if row["figure"] == "dynamic_energy_uj" and "wrap" in row["reasons"]]
    assert len(wrapped) == 2  # run 3 of host a, run 6 of host b
    assert all(json.loads(row["reasons"]) == ["wrap", "baseline_method", "clipping"] for row in wrapped)
    reasons: dict[str, set[str]] = {row["figure"]: set() for row in rows}
    for row in rows:
        reasons[row["figure"]] |= set(json.loads(row["reasons"]))
    assert reasons["total_energy_uj"] == {"wrap", "tail"}
    assert reasons["uncore_energy_uj"] == {"uncore_definition"}
    assert reasons["dram_energy_uj"] == {"missing_as_zero"}
    assert reasons["orchestration_tax_uj"] == {"baseline_method", "other_window"}


def test_value_that_is_no_number_is_unknown_and_the_others_stay(world: World) -> None:
    reported = {row["figure"]: row["reported_uj"] for row in world.rows(
        "SELECT v.figure, v.reported_uj FROM v_reported_differences AS v JOIN main.runs USING (run_id) "
        "WHERE source_run_id = 'linear 1'")}  # fmt: skip
    assert reported["core_energy_uj"] == 7
    assert reported.get("pkg_energy_uj") is reported.get("dram_energy_uj") is None


# The bill


def test_bill_has_each_kind_of_step_once(world: World) -> None:
    rows = world.rows(
        "SELECT category, n_steps, time_ns, energy_uj, llm_call_energy_uj FROM v_step_bill JOIN runs USING (run_id) "
        "WHERE source_run_id = 'agentic 1' ORDER BY position"
    )
    # 6 W throughout; the LLM call inside the tool call takes its second from it.
    assert [(row["category"], row["n_steps"], row["time_ns"] / SECOND) for row in rows] == [
        ("planning", 1, 2), ("tool", 1, 3), ("llm", 1, 1), ("waiting", 1, 1), ("synthesis", 1, 1), ("other", 1, 1),
        ("unattributed", None, 1),
    ]  # fmt: skip
    assert [row["energy_uj"] for row in rows] == [round(6e6 * row["time_ns"] / SECOND) for row in rows]
    # A planning step that calls a model is planning; what the calls took stands beside.
    assert [row["llm_call_energy_uj"] for row in rows] == [12_000_000, 0, 6_000_000, 0, 6_000_000, 0, None]


@pytest.mark.parametrize("of", ["constructed", "stores"])
def test_bill_sums_to_the_run(world: World, of: str) -> None:
    query = (
        "SELECT count(*) AS n, sum(energy_uj)::BIGINT AS energy_uj, sum(time_ns)::BIGINT AS time_ns, "
        "sum(energy_percent) AS percent, sum(co2e_g) AS co2e_g, any_value(runs.total_energy_uj) AS total_uj, "
        "any_value(duration_ns) AS duration_ns, any_value(total_carbon_g) AS carbon_g "
        "FROM v_step_bill AS bill JOIN runs USING (run_id) GROUP BY run_id"
    )
    rows = world.rows(query) if of == "constructed" else example_rows(query)
    assert len(rows) == (2 if of == "constructed" else 20)
    for row in rows:
        assert (row["energy_uj"], row["time_ns"]) == (row["total_uj"], row["duration_ns"])
        assert row["percent"] == pytest.approx(100)
        assert row["co2e_g"] == pytest.approx(row["carbon_g"])


@pytest.mark.parametrize("of", ["constructed", "stores"])
def test_parts_of_events_sum_to_the_tax_of_their_pair(world: World, of: str) -> None:
    query = (
        "SELECT tax.orchestration_tax_uj AS tax, sum(events.tax_contribution_uj)::BIGINT AS parts, "
        "sum(events.tax_percent) AS percent, count_if(event_type = 'unattributed') AS n_unattributed "
        "FROM orchestration_tax_summary AS tax "
        "JOIN orchestration_events AS events ON events.run_id = tax.agentic_run_id "
        "GROUP BY tax.comparison_id, tax.orchestration_tax_uj"
    )
    rows = world.rows(query) if of == "constructed" else example_rows(query)
    assert len(rows) == (2 if of == "constructed" else 20)
    for row in rows:
        assert row["parts"] == row["tax"]
        assert row["percent"] == pytest.approx(100)
        assert row["n_unattributed"] == (1 if of == "constructed" else row["n_unattributed"])
