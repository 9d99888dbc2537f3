"""sql/day on simulated machines: what holds for every counter, sampling and cutting into events."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sql_fixture import MS, Counters, Ints, Scenarios, at


def simulated_runs(seed: int) -> list[tuple[Ints, Ints, Ints, int, int]]:
    """Runs of a machine whose power jumps: the true counter at each ms, sample times, edges, start and end, ms."""
    random = np.random.default_rng(seed)
    runs = []
    for _ in range(6):
        length_ms = int(random.integers(300, 3_000))
        watts = np.repeat(random.uniform(0, 200, length_ms // 50 + 1), 50)[:length_ms]
        truth = np.concatenate([[0], np.cumsum(np.round(watts * 1000))]).astype(np.int64)
        sampled = np.unique(np.concatenate([[0, length_ms], random.integers(0, length_ms, length_ms // 12)]))
        start, end = sorted(random.choice(np.arange(5, length_ms - 5), 2, replace=False))
        inner = random.integers(start, end + 1, int(random.integers(0, 6)))
        edges = np.unique(np.concatenate([[start, end], inner]))
        runs.append((truth, sampled.astype(np.int64), edges.astype(np.int64), int(start), int(end)))
    return runs


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_bounds_hold_the_truth_and_abutting_events_sum_to_the_run(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs = simulated_runs(seed)
    day = Scenarios(tmp_path_factory.mktemp("simulated"))
    for number, (truth, sampled, edges, start, end) in enumerate(runs):
        run_id, begin = day.run(str(number), duration_ns=(end - start) * MS)
        origin = begin - start * MS
        counters = Counters(origin + sampled * MS, {"pkg": truth[sampled], "core": truth[sampled] // 2})
        day.world.add_counters(run_id, counters)
        for left, right in pairwise(edges):
            day.world.add_event(run_id, int(origin + left * MS), int(origin + right * MS))
    day.world.build_day()
    for number, (truth, sampled, edges, start, end) in enumerate(runs):
        ours, events = day.energy(str(number)), day.events(str(number))
        assert ours["energy_lo_uj"] <= truth[end] - truth[start] <= ours["energy_hi_uj"]
        assert ours["energy_lo_uj"] <= ours["total_energy_uj"] <= ours["energy_hi_uj"]
        assert ours["total_energy_uj"] == at(sampled, truth[sampled], end) - at(sampled, truth[sampled], start)
        assert sum(event["event_energy_uj"] for event in events) == ours["total_energy_uj"]
        assert sum(event["own_energy_uj"] for event in events) == ours["total_energy_uj"]
        for event, (left, right) in zip(events, pairwise(edges), strict=True):
            assert event["event_energy_lo_uj"] <= truth[right] - truth[left] <= event["event_energy_hi_uj"]
    _check_order_is_of_no_matter(day, seed)
    day.world.con.close()


def _check_order_is_of_no_matter(day: Scenarios, seed: int) -> None:
    """The same rows in another order give the same energies."""
    tables = ("run_energy", "event_energy")
    before = {table: day.world.rows(f"FROM {table} ORDER BY ALL") for table in tables}
    day.world.con.execute(f"SELECT setseed({seed / 2**33})")
    for view in ("stage.runs", "stage.orchestration_events", "stage.energy_sampling"):
        day.world.con.execute(f"CREATE OR REPLACE TABLE {view} AS SELECT * FROM {view} ORDER BY random()")
    day.world.con.execute("CREATE TEMP TABLE shuffled AS SELECT * FROM day_energy_samples ORDER BY random()")
    day.world.con.execute("CREATE OR REPLACE TEMP VIEW day_energy_samples AS FROM shuffled")
    day.world.run_day_files()
    assert {table: day.world.rows(f"FROM {table} ORDER BY ALL") for table in tables} == before
