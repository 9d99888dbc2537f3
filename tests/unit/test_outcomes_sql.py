"""What became of a run's queries, and what researchers note: the tables, and energy per query that succeeded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from collectors.ids import stable_id
from tests.unit.sql_fixture import DAY_NS, MS, RECORDED, SECOND, Counters, World

SOURCE = {"source_system": "alems-store", "host": "lab", "recorded_at": RECORDED}
RUNS = {"linear 1": 6.0, "linear 2": 6.0, "agentic 1": 11.0, "agentic 2": 6.0, "linear 3": 100.0}
"""Package power of each run of 10 s; the host idles at 1 W, so the dynamic energies are 50, 50, 100, 50 and 990 J."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Linear 1 and 2 answered, agentic 1 answered one of two, agentic 2 says that it failed, linear 3 nothing."""
    world = World(tmp_path_factory.mktemp("outcomes"))
    experiment = world.add_experiment(task_name="task", provider="p", model_name="m")
    hw_id = world.add_hardware()
    world.add_baseline(hw_id=hw_id)
    for position, (name, watts) in enumerate(RUNS.items()):
        start = DAY_NS + position * 100 * SECOND
        kind, number = name.split()
        run_id = world.add_run(name, experiment, start_ns=start, hw_id=hw_id, baseline_id="idle",
                               workflow_type=kind, run_number=int(number))  # fmt: skip
        times = np.arange(start - 20 * MS, start + 10 * SECOND + 21 * MS, 10 * MS, dtype=np.int64)
        world.add_counters(
            run_id, Counters(times, {"pkg": np.round((times - times[0]) * watts / 1000).astype(np.int64)})
        )
        if name in ("linear 1", "linear 2"):
            _query(world, run_id, "1", success=True)
        if name == "agentic 1":
            _query(world, run_id, "1", success=True, goal_description="capital of France", reported_total_energy_uj=7)
            _query(world, run_id, "2", success=False, num_attempts=2)
            attempt = SOURCE | {"run_id": run_id, "run_key": run_id, "source_exec_id": "2"}
            world.add(
                "query_attempt",
                [
                    attempt | {"source_attempt_id": "5", "attempt_number": 1, "status": "retry", "energy_uj": 3},
                    attempt | {"source_attempt_id": "6", "attempt_number": 2, "status": "failure", "latency_ms": 9.5},
                ],
            )
            world.add(
                "hallucination_events",
                [
                    SOURCE
                    | {
                        "run_id": run_id,
                        "run_key": run_id,
                        "source_event_id": "1",
                        "source_attempt_id": "6",
                        "is_hallucination": True,
                    }
                ],
            )
            world.add(
                "tags",
                [
                    SOURCE | {"source_tag_id": "1", "label": "old name", "tagged_run_key": run_key(world, name)},
                    SOURCE
                    | {
                        "source_tag_id": "1",
                        "label": "warm",
                        "tagged_run_key": run_key(world, name),
                        "recorded_at": datetime(2026, 2, 1, tzinfo=UTC),
                    },
                    SOURCE | {"source_tag_id": "2", "label": "paper", "tagged_exp_key": experiment},
                ],
            )
            world.add(
                "hypotheses",
                [
                    SOURCE
                    | {
                        "source_hypothesis_id": "1",
                        "title": "agents waste",
                        "status": "open",
                        "evidence_run_key": run_key(world, name),
                    }
                ],
            )
        if name == "agentic 2":
            condition = {"run_id": run_id, "run_key": run_id, "recorded_at": RECORDED}
            world.add(
                "run_conditions",
                [
                    condition | {"name": "success", "value_type": "bool", "bool_value": False},
                    condition | {"name": "attempts", "value_type": "int", "int_value": 4},
                ],
            )
    world.build()
    yield world
    world.con.close()


def run_key(world: World, name: str) -> int:
    [key] = [row["run_key"] for row in world.landed["runs"] if row["source_run_id"] == name]
    return int(key)


def _query(world: World, run_id: int, source_exec_id: str, **values: Any) -> None:
    row = SOURCE | {"run_id": run_id, "run_key": run_id, "source_exec_id": source_exec_id}
    world.add("query_execution", [row | values])


def test_queries_of_imported_and_of_measured_runs(world: World) -> None:
    rows = world.rows(
        "SELECT source_run_id, success, num_attempts, query_execution.total_energy_uj, query_execution.start_time "
        "FROM query_execution JOIN runs USING (run_id) ORDER BY runs.start_time_ns, source_exec_id"
    )
    assert [tuple(row.values())[:4] for row in rows] == [
        ("linear 1", True, None, 60_000_000),
        ("linear 2", True, None, 60_000_000),
        ("agentic 1", True, None, None),  # two queries share the run's energy
        ("agentic 1", False, 2, None),
        ("agentic 2", False, 4, 60_000_000),
    ]
    assert rows[-1]["start_time"] == datetime.fromtimestamp(DAY_NS / 1e9 + 300, UTC)


def test_attempts_and_judgements_lead_to_their_query(world: World) -> None:
    rows = world.rows(
        "SELECT goal_description, attempt_number, status, energy_uj, latency_ms, is_hallucination FROM query_attempt "
        "JOIN query_execution USING (exec_id) LEFT JOIN hallucination_events USING (attempt_id) ORDER BY attempt_number"
    )
    assert [tuple(row.values()) for row in rows] == [
        (None, 1, "retry", 3, None, None),
        (None, 2, "failure", None, 9.5, True),
    ]


def test_tags_and_hypotheses_by_their_newest_record(world: World) -> None:
    run_id = world.value("SELECT run_id FROM runs WHERE source_run_id = 'agentic 1'")
    exp_id = world.value("SELECT exp_id FROM experiments")
    rows = world.rows("SELECT label, run_id, exp_id, tag_id FROM tags ORDER BY label DESC")
    assert [tuple(row.values())[:3] for row in rows] == [("warm", run_id, None), ("paper", None, exp_id)]
    assert rows[0]["tag_id"] == stable_id("alems-store", "lab", "1")
    assert world.row("SELECT title, status, key_run_id FROM hypotheses") == {
        "title": "agents waste", "status": "open", "key_run_id": run_id,
    }  # fmt: skip


def test_energy_per_success_takes_in_what_failed_queries_took(world: World) -> None:
    rows = world.rows(
        "SELECT workflow_type, n_runs, n_queries, mj_per_query, n_queries_known, n_queries_succeeded, mj_per_success "
        "FROM energy_efficiency ORDER BY workflow_type DESC"
    )
    assert [tuple(row.values()) for row in rows] == [
        # A run of which nothing is said answers one query; one of the agentic runs answered two.
        ("linear", 3, 3, pytest.approx(1_090_000 / 3), 2, 2, pytest.approx(50_000)),
        ("agentic", 2, 3, pytest.approx(50_000), 3, 1, pytest.approx(150_000)),
    ]
    world.con.execute("BEGIN")
    try:
        world.con.execute(
            """UPDATE runs SET quality_flags = '["run_failed"]' WHERE source_run_id IN ('linear 2', 'agentic 2')"""
        )
        charged = world.rows(
            "SELECT n_runs, n_queries, mj_per_query, n_queries_known, mj_per_success FROM energy_efficiency "
            "ORDER BY workflow_type DESC"
        )
    finally:
        world.con.execute("ROLLBACK")
    assert [tuple(row.values()) for row in charged] == [
        (2, 2, pytest.approx(520_000), 2, pytest.approx(50_000)),
        (1, 2, pytest.approx(50_000), 3, pytest.approx(150_000)),
    ]
    pairs = world.rows("SELECT linear_successes, agentic_successes FROM tax_pairs WHERE linear_j > 0 ORDER BY run_id")
    assert [tuple(row.values()) for row in pairs] == [(1, 1), (1, 0)]
