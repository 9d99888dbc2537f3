"""sql/checks: each finds the defect that it is there for, and finds nothing where there is none."""

from collections.abc import Iterator

import numpy as np
import pytest

from alems_pipeline import sql_files
from tests.unit.sql_fixture import DAY_NS, MS, SECOND, Counters, World, example_rows

ENERGY_CHECKS = (
    "keys_unique", "required_values", "relations", "energies_possible", "counters_rise", "samples_have_runs",
    "landed_sums", "pairs_consistent", "ids_time_ordered", "quality", "keys_unmapped",
)  # fmt: skip
CHECKS = [file for file in sql_files.layer_files("checks") if file.name in ENERGY_CHECKS]

# A statement that breaks something, the check that has to see it, and the table that it has to name.
DEFECTS = [
    ("keys_unique", "run_energy", "INSERT INTO run_energy FROM run_energy LIMIT 1"),
    ("keys_unique", "event_energy", "INSERT INTO event_energy FROM event_energy LIMIT 1"),
    ("keys_unique", "energy_samples", "UPDATE daily.sample_audit SET n_samples = n_samples + 1"),
    ("keys_unique", "energy_samples", "UPDATE daily.sample_audit SET max_sample_id = max_sample_id + 1"),
    ("keys_unique", "runs", "CREATE OR REPLACE TABLE main.runs AS FROM main.runs UNION ALL (FROM main.runs LIMIT 1)"),
    ("required_values", "runs", "UPDATE main.runs SET start_time_ns = NULL"),
    ("required_values", "runs", "UPDATE main.runs SET energy_source = NULL"),
    ("required_values", "runs", "UPDATE main.runs SET baseline_id = NULL"),
    ("required_values", "orchestration_tax_summary",
        "UPDATE orchestration_tax_summary SET orchestration_tax_uj = NULL"),
    ("relations", "runs", "DELETE FROM experiments"),
    ("relations", "runs", "DELETE FROM hardware_config"),
    ("relations", "runs", "DELETE FROM idle_baselines"),
    ("relations", "runs", "DELETE FROM run_energy"),
    ("relations", "llm_interactions", "UPDATE llm_interactions SET run_id = 1"),
    ("relations", "orchestration_events", "UPDATE orchestration_events SET run_id = 1"),
    ("relations", "orchestration_tax_summary", "UPDATE orchestration_tax_summary SET linear_run_id = 1"),
    ("energies_possible", "run_energy", "UPDATE run_energy SET core_energy_uj = -1"),
    ("energies_possible", "run_energy", "UPDATE run_energy SET energy_lo_uj = total_energy_uj + 1"),
    ("energies_possible", "run_energy", "UPDATE run_energy SET energy_hi_uj = total_energy_uj - 1"),
    ("energies_possible", "run_energy", "UPDATE run_energy SET sample_coverage = 1.1"),
    ("energies_possible", "runs", "UPDATE main.runs SET pkg_energy_uj = duration_ns + 1"),
    ("energies_possible", "runs", "UPDATE main.runs SET dynamic_energy_uj = total_energy_uj + 1"),
    ("energies_possible", "event_energy", "UPDATE event_energy SET event_energy_uj = -1"),
    ("energies_possible", "orchestration_events", "UPDATE orchestration_events SET event_energy_hi_uj = 0"),
    ("counters_rise", "energy_samples", "UPDATE daily.sample_audit SET n_falling = 2"),
    ("samples_have_runs", "energy_samples", "UPDATE daily.sample_audit SET run_id = 1"),
    ("samples_have_runs", "energy_samples", "UPDATE daily.sample_audit SET run_date = DATE '2026-01-01'"),
    ("samples_have_runs", "energy_samples", "UPDATE ops.lake_files SET n_rows = n_rows + 1"),
    ("samples_have_runs", "energy_sampling", "DELETE FROM stage.energy_sampling"),
    ("landed_sums", "runs", "INSERT INTO ops.landing_days VALUES ('runs', DATE '2026-01-21', 1, 10, 7, 0, 1, 1)"),
    ("landed_sums", "runs", "INSERT INTO ops.landing_days VALUES ('runs', DATE '2026-01-21', 1, 10, 9, 0, 0, 1)"),
    ("pairs_consistent", "orchestration_tax_summary", "UPDATE main.runs SET run_number = run_id"),
    ("pairs_consistent", "orchestration_tax_summary", "UPDATE main.runs SET quality_flags = '[\"run_failed\"]'"),
    ("pairs_consistent", "orchestration_tax_summary", "UPDATE orchestration_tax_summary SET tax_percent = 101"),
    ("pairs_consistent", "orchestration_tax_summary", "UPDATE orchestration_tax_summary SET tax_multiplier = 1"),
    ("pairs_consistent", "orchestration_events", "UPDATE orchestration_events SET tax_contribution_uj = 1"),
    ("pairs_consistent", "run_pairing", "UPDATE run_pairing SET reason = 'none'"),
    ("ids_time_ordered", "runs", "UPDATE main.runs SET start_time_ns = start_time_ns - 5000000000"),
    ("ids_time_ordered", "experiments", "UPDATE experiments SET created_at = created_at - INTERVAL 1 HOUR"),
    ("quality", "runs", "UPDATE main.runs SET is_estimated = true"),
    ("quality", "runs", "UPDATE main.runs SET baseline_energy_uj = NULL"),
    ("quality", "runs", "UPDATE main.runs SET sample_coverage = 0.5"),
    ("quality", "runs", "UPDATE main.runs SET quality_flags = '[\"background_cpu\"]'"),
    ("quality", "run_grid_factors", "UPDATE main.run_grid_factors SET carbon_gco2eq_kwh = NULL"),
    ("keys_unmapped", "ops.unmapped_keys",
        "INSERT INTO ops.unmapped_keys (kind, raw_value, n_rows) VALUES ('model', 'x', 1)"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A warehouse in which everything is as it should be: one pair with events and an LLM call."""
    world = World(tmp_path_factory.mktemp("checks"))
    hw_id = world.add_hardware()
    world.add_baseline("idle", hw_id=hw_id)
    experiment = world.add_experiment(hw_id=hw_id)
    for number, workflow in enumerate(("linear", "agentic")):
        start = DAY_NS + number * 100 * SECOND
        run_id = world.add_run(
            workflow, experiment, start_ns=start, hw_id=hw_id, baseline_id="idle", run_number=1, workflow_type=workflow
        )
        times = start + np.arange(1001) * 10 * MS
        package = np.arange(1001) * (number + 5) * 10_000
        world.add_counters(run_id, Counters(times, {"pkg": package, "core": package // 2}))
        world.add_event(run_id, start, start + 5 * SECOND)
        world.add("llm_interactions", [{"run_id": run_id, "run_key": run_id, "source_interaction_id": "1"}])
    world.build()
    yield world
    world.con.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_check_finds_nothing_where_nothing_is_wrong(world: World, check: sql_files.SqlFile) -> None:
    assert world.findings(check.name) == []


@pytest.mark.parametrize(("check", "table", "defect"), DEFECTS, ids=lambda text: text[:60])
def test_check_finds_a_defect(world: World, check: str, table: str, defect: str) -> None:
    world.con.execute("BEGIN TRANSACTION")
    try:
        world.con.execute(defect)
        findings = world.findings(check)
        assert table in {name.split(",")[0] for name, _, _ in findings}
        assert all(n > 0 and problem for _, problem, n in findings)
    finally:
        world.con.execute("ROLLBACK")


def test_every_check_has_a_defect_that_it_finds() -> None:
    assert {check.name for check in CHECKS} == {check for check, _, _ in DEFECTS}


def test_falling_counter_in_the_lake_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = World(tmp_path_factory.mktemp("falling"))
    times = DAY_NS + np.arange(5) * 10 * MS
    for number, core in enumerate(([0, 1, 2, 3, 4], [0, 1, 5, 3, 4], [9, 9, 9, 9, 9])):
        run_id = world.add_run(str(number), world.add_experiment(str(number)), start_ns=DAY_NS + number * SECOND)
        world.add_counters(run_id, Counters(times + number * SECOND, {"pkg": np.arange(5), "core": np.array(core)}))
    world.build()
    rows = world.rows("SELECT n_falling FROM daily.sample_audit ORDER BY run_id")
    assert [row["n_falling"] for row in rows] == [0, 1, 0]
    [(table, problem, n)] = world.findings("counters_rise")
    assert (table, n) == ("energy_samples", 1)
    assert "2026-01-21" in problem
    world.con.close()


def test_a_run_whose_energy_is_as_its_source_had_written_stops_no_publication(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    world = World(tmp_path_factory.mktemp("reported"))
    world.add_run("reported", world.add_experiment(), reported_total_energy_uj=50_000_000)
    world.build()
    assert world.rows("SELECT total_energy_uj, energy_source, energy_lo_uj FROM runs") == [
        {"total_energy_uj": 50_000_000, "energy_source": "reported", "energy_lo_uj": None}
    ]
    found = {check.name: world.findings(check.name) for check in CHECKS if check.severity == "error"}
    assert {name: findings for name, findings in found.items() if findings} == {}
    world.con.close()


def test_example_stores_break_no_rule() -> None:
    results = example_rows("FROM ops.check_results")
    assert {row["check_name"] for row in results} >= {check.name for check in CHECKS}
    assert {row["check_name"]: row["problem"] for row in results if row["n_failed"]} == {}
