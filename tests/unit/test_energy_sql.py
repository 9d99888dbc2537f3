"""sql/day: energies of runs and events, and what the other samples say of a run.

The oracle is NumPy on the counters: C(t) linear between samples, energy = C(end) − C(start).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.unit.sql_fixture import (
    MS,
    SECOND,
    Counters,
    Ints,
    Scenarios,
    StoreRun,
    at,
    example_rows,
    store_runs,
)

CEILING_UJ_PER_NS = 1  # 1000 W


# ---- the example stores ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, str], dict[str, Any]]:
    """All energies of the example warehouse, by host and the run's id in its store."""
    rows = example_rows("SELECT * FROM run_energy JOIN stage.runs USING (run_id)")
    return {(row["host"], row["source_run_id"]): row for row in rows}


EXAMPLES = [*store_runs("a"), *store_runs("b")]


@pytest.mark.parametrize("run", EXAMPLES, ids=lambda run: f"{run.host}-{run.row['run_id']}")
def test_energy_of_example_run_is_that_of_its_counters(
    run: StoreRun, measured: dict[tuple[str, str], dict[str, Any]]
) -> None:
    ours = measured[run.host, str(run.row["run_id"])]
    start, end, times = run.row["start_time_ns"], run.row["end_time_ns"], run.times_ns
    for domain, counter in run.energies_uj.items():
        assert ours[f"{domain}_energy_uj"] == at(times, counter, end) - at(times, counter, start)
    package = run.energies_uj["pkg"]
    assert ours["total_energy_uj"] == ours["pkg_energy_uj"]
    assert ours["dram_energy_uj"] is None  # its hardware has no DRAM domain; A-LEMS wrote 0
    # All samples end before the run does, and some begin after it.
    before_start, after_end = max(times[0] - start, 0), end - times[-1]
    least_at_start = package[times <= start][-1] if before_start == 0 else -before_start * CEILING_UJ_PER_NS
    most_at_start = package[times >= start][0]
    assert ours["energy_lo_uj"] == package[-1] - most_at_start
    assert ours["energy_hi_uj"] == package[-1] + after_end * CEILING_UJ_PER_NS - least_at_start
    assert ours["energy_lo_uj"] <= ours["total_energy_uj"] <= ours["energy_hi_uj"]
    assert ours["sample_coverage"] == pytest.approx(1 - (before_start + after_end) / (end - start))
    assert (ours["start_missing_ns"], ours["end_missing_ns"]) == (before_start, after_end)
    assert (ours["n_gaps"], ours["n_resets"], ours["n_samples"]) == (0, 0, len(times))


@pytest.mark.parametrize(("host", "run_id"), [("lab-laptop-a", "3"), ("lab-laptop-b", "6")])
def test_run_whose_counter_wrapped_has_the_energy_that_alems_lost(
    host: str, run_id: str, measured: dict[tuple[str, str], dict[str, Any]]
) -> None:
    [run] = [run for run in EXAMPLES if (run.host, str(run.row["run_id"])) == (host, run_id)]
    assert run.row["total_energy_uj"] == 0 and run.raw["pkg"][-1] < run.raw["pkg"][0]
    ours = measured[host, run_id]
    # The core counter did not wrap and draws about 62 % of the package's power in all runs.
    assert ours["core_energy_uj"] / ours["pkg_energy_uj"] == pytest.approx(0.62, abs=0.01)
    assert 1 < ours["pkg_energy_uj"] / 1e6 / ((run.row["duration_ns"]) / 1e9) < 15


def test_where_alems_is_right_ours_differs_by_what_it_counted_outside_the_run(
    measured: dict[tuple[str, str], dict[str, Any]],
) -> None:
    compared = 0
    for run in EXAMPLES:
        reported = run.row["total_energy_uj"]
        if reported == 0:
            continue
        ours = measured[run.host, str(run.row["run_id"])]
        assert ours["reported_total_energy_uj"] == reported
        # Its window is that of its samples: it counts what was drawn before the start.
        package = run.energies_uj["pkg"]
        outside = at(run.times_ns, package, run.row["start_time_ns"])
        assert reported - ours["total_energy_uj"] == outside
        assert 0 <= outside < 0.001 * reported
        compared += 1
    assert compared == 38


# ---- one warehouse of constructed runs -------------------------------------------------------------------------------


def steady(start_ns: int, end_ns: int, watts: float, step_ns: int = 10 * MS) -> tuple[Ints, Ints]:
    """Samples every step, and the counter of a constant power."""
    times = np.arange(start_ns, end_ns + 1, step_ns, dtype=np.int64)
    return times, np.round((times - times[0]) * watts / 1000).astype(np.int64)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenarios]:
    """All scenarios, built together: each test reads its own."""
    day = Scenarios(tmp_path_factory.mktemp("day"))
    for make in (_edges, _losses, _domains, _gpus, _events, _telemetry):
        make(day)
    day.world.build_day()
    yield day
    day.world.con.close()


def _edges(day: Scenarios) -> None:
    for name, first_ms, last_ms in (
        ("between", -5, 10_005),  # both edges between samples
        ("just outside", 40, 9_950),
        ("start uncovered", 100, 10_020),
        ("end uncovered", -20, 9_900),
    ):
        run_id, start = day.run(name)
        times, package = steady(start + first_ms * MS, start + last_ms * MS, watts=10)
        day.world.add_counters(run_id, Counters(times, {"pkg": package}))
    run_id, start = day.run("slow")  # a sample every second, as a gentle source would
    times, package = steady(start - 500 * MS, start + 10_500 * MS, watts=10, step_ns=SECOND)
    day.world.add_counters(run_id, Counters(times, {"pkg": package}, threshold_ns=3 * SECOND))
    run_id, start = day.run("estimated, just outside")
    times, model = steady(start + 40 * MS, start + 10_020 * MS, watts=2_400)  # of 200 CPUs
    day.world.add_counters(run_id, Counters(times, {"model": model}))
    day.run("without samples")
    run_id, start = day.run("no length", duration_ns=0)
    times, package = steady(start - SECOND, start + SECOND, watts=10)
    day.world.add_counters(run_id, Counters(times, {"pkg": package}))


def test_edges_between_samples_are_interpolated(day: Scenarios) -> None:
    ours = day.energy("between")
    assert ours["total_energy_uj"] == 100_000_000  # 10 W for 10 s
    assert (ours["energy_lo_uj"], ours["energy_hi_uj"]) == (99_900_000, 100_100_000)
    assert (ours["sample_coverage"], ours["energy_source"]) == (1.0, "rapl")


def test_edge_just_outside_takes_the_nearest_sample(day: Scenarios) -> None:
    ours = day.energy("just outside")
    assert ours["total_energy_uj"] == 99_100_000  # what was seen, from 40 ms to 9950 ms
    assert ours["energy_lo_uj"] == 99_100_000
    assert ours["energy_hi_uj"] == 99_100_000 + 90 * MS * CEILING_UJ_PER_NS
    assert ours["sample_coverage"] == pytest.approx(0.991)
    assert (ours["start_missing_ns"], ours["end_missing_ns"]) == (40 * MS, 50 * MS)


def test_model_has_no_ceiling_that_would_bound_what_was_not_seen(day: Scenarios) -> None:
    ours = day.energy("estimated, just outside")
    assert ours["total_energy_uj"] == 2_400 * 9_960_000
    assert (ours["energy_lo_uj"], ours["energy_hi_uj"]) == (2_400 * 9_960_000, None)  # not 1 kW for the first 40 ms


@pytest.mark.parametrize("name", ["start uncovered", "end uncovered"])
def test_edge_as_far_out_as_a_gap_leaves_no_energy(day: Scenarios, name: str) -> None:
    ours = day.energy(name)
    assert ours["total_energy_uj"] is ours["pkg_energy_uj"] is ours["energy_lo_uj"] is ours["energy_hi_uj"] is None
    assert ours["sample_coverage"] == pytest.approx(0.99)


def test_slowly_sampled_run_keeps_to_its_own_threshold(day: Scenarios) -> None:
    ours = day.energy("slow")
    assert ours["total_energy_uj"] == 100_000_000
    assert (ours["energy_lo_uj"], ours["energy_hi_uj"]) == (90_000_000, 110_000_000)


def test_run_without_samples_is_a_row_of_nulls(day: Scenarios) -> None:
    ours = day.energy("without samples")
    assert {name for name, value in ours.items() if value is not None} == {"run_id", "run_date"}


def test_run_of_no_length_has_no_energy_and_no_coverage(day: Scenarios) -> None:
    ours = day.energy("no length")
    assert (ours["total_energy_uj"], ours["sample_coverage"]) == (0, None)


def _losses(day: Scenarios) -> None:
    run_id, start = day.run("gaps")
    times, package = steady(start, start + 10_000 * MS, watts=10)
    # Missing: 2.5 s within, and the second around the end of the event below.
    seen = ~((times > start + 2_000 * MS) & (times < start + 4_500 * MS))
    seen &= ~((times > start + 7_000 * MS) & (times < start + 8_000 * MS))
    day.world.add_counters(run_id, Counters(times[seen], {"pkg": package[seen]}))
    day.world.add_event(run_id, start + 5_000 * MS, start + 7_250 * MS)

    run_id, start = day.run("reset")
    times, package = steady(start, start + 10_000 * MS, watts=10)
    package = np.where(times > start + 5_000 * MS, package - 100_000, package)  # 10 ms of energy are lost
    day.world.add_counters(run_id, Counters(times, {"pkg": package}, resets=[501]))
    day.world.add_event(run_id, start + 1_000 * MS, start + 3_000 * MS)
    day.world.add_event(run_id, start + 4_000 * MS, start + 6_000 * MS)

    run_id, start = day.run("hidden wraps")
    times, package = steady(start, start + 10_000 * MS, watts=10)
    seen = ~((times > start + 1_000 * MS) & (times < start + 2_000 * MS))
    counters = Counters(times[seen], {"pkg": package[seen]}, n_hidden_wrap_gaps=1)
    day.world.add_counters(run_id, counters)

    run_id, start = day.run("failed read")
    times, package = steady(start, start + 10_000 * MS, watts=10)
    readings = [None if position in (0, 1000) else int(value) for position, value in enumerate(package)]
    day.world.add_counters(run_id, Counters(times, {"pkg": package}))
    day.world.lake["energy_samples"][-1] = day.world.lake["energy_samples"][-1].set_column(
        3, "pkg_energy_uj", [readings]
    )


def test_gap_is_known_energy_at_unknown_times(day: Scenarios) -> None:
    ours = day.energy("gaps")
    assert ours["total_energy_uj"] == 100_000_000
    assert (ours["n_gaps"], ours["gap_ns"]) == (2, 3_500 * MS)
    assert ours["sample_coverage"] == pytest.approx(0.65)
    [event] = day.events("gaps")
    assert event["event_energy_uj"] == 22_500_000  # its end in the gap is interpolated …
    assert (event["event_energy_lo_uj"], event["event_energy_hi_uj"]) == (20_000_000, 30_000_000)  # … with wide bounds


def test_reset_leaves_a_lower_bound_only(day: Scenarios) -> None:
    ours = day.energy("reset")
    assert (ours["total_energy_uj"], ours["energy_lo_uj"], ours["energy_hi_uj"]) == (99_900_000, 99_900_000, None)
    assert (ours["n_resets"], ours["n_gaps"]) == (1, 1)
    before, across = day.events("reset")
    assert (before["event_energy_uj"], before["event_energy_hi_uj"]) == (20_000_000, 20_000_000)
    assert (across["event_energy_uj"], across["event_energy_hi_uj"]) == (19_900_000, None)


def test_gap_that_may_hide_a_wrap_leaves_a_lower_bound_only(day: Scenarios) -> None:
    ours = day.energy("hidden wraps")
    assert (ours["energy_lo_uj"], ours["energy_hi_uj"], ours["n_hidden_wrap_gaps"]) == (100_000_000, None, 1)


def test_failed_read_is_a_missing_sample(day: Scenarios) -> None:
    ours = day.energy("failed read")
    assert ours["total_energy_uj"] == 99_800_000  # the first and the last 10 ms were not seen
    assert (ours["start_missing_ns"], ours["end_missing_ns"]) == (10 * MS, 10 * MS)


def _domains(day: Scenarios) -> None:
    run_id, start = day.run("two packages with dram")
    times, package = steady(start + 10 * MS, start + 10_000 * MS, watts=100)
    energies = {"pkg": package, "core": package // 2, "dram": package // 10, "psys": package * 2}
    day.world.add_counters(run_id, Counters(times, energies, n_packages=2))

    run_id, start = day.run("model")
    times, model = steady(start, start + 10_000 * MS, watts=24)
    day.world.add_counters(run_id, Counters(times, {"model": model}))


def test_total_is_package_and_dram_and_no_part_of_them(day: Scenarios) -> None:
    ours = day.energy("two packages with dram")
    assert (ours["pkg_energy_uj"], ours["dram_energy_uj"]) == (999_000_000, 99_900_000)
    assert ours["total_energy_uj"] == 1_098_900_000
    # Four zones may each draw 1000 W in the 10 ms before the first sample.
    assert ours["energy_hi_uj"] == 1_098_900_000 + 4 * 10 * MS * CEILING_UJ_PER_NS
    assert ours["psys_energy_uj"] == 1_998_000_000


def test_model_is_the_total_where_nothing_is_measured(day: Scenarios) -> None:
    ours = day.energy("model")
    assert (ours["total_energy_uj"], ours["energy_source"]) == (240_000_000, "model:cpu_time")
    assert ours["pkg_energy_uj"] is ours["core_energy_uj"] is ours["dram_energy_uj"] is None


def _gpus(day: Scenarios) -> None:
    def gpu(
        run_id: int,
        start: int,
        watts: tuple[float, ...],
        *,
        counter: bool = True,
        mute: int | None = None,
        reset_at: int = -1,
        unread_ms: tuple[int, int] = (0, 0),
    ) -> None:
        """One GPU for each power, read every 100 ms; the last is not read from `unread_ms` until then."""
        times = np.arange(start - 50 * MS, start + 10_050 * MS + 1, 100 * MS, dtype=np.int64)
        for index, power in enumerate(watts):
            energy = [7_000 + round((int(t) - int(times[0])) * power / 1e6) for t in times]
            energy = [mj - energy[reset_at] if 0 <= reset_at <= n else mj for n, mj in enumerate(energy)]
            is_last = index == len(watts) - 1
            offsets = [(int(t) - start) / MS for t in times]
            seen = [n for n, ms in enumerate(offsets) if not (is_last and unread_ms[0] < ms < unread_ms[1])]
            day.world.add_samples(
                "gpu_samples",
                run_id,
                {
                    "timestamp_ns": times[seen],
                    "gpu_index": [index] * len(seen),
                    "energy_mj": [energy[n] for n in seen] if counter and index != mute else [None] * len(seen),
                    "power_mw": [round(power * 1000) if index != mute else None] * len(seen),
                },
            )

    run_id, start = day.run("rapl and gpus")
    times, package = steady(start, start + 10_000 * MS, watts=10)
    day.world.add_counters(run_id, Counters(times, {"pkg": package}))
    gpu(run_id, start, (300, 200))
    day.world.add_event(run_id, start + 1_000 * MS, start + 2_000 * MS)

    run_id, start = day.run("gpu only")
    gpu(run_id, start, (250,))

    run_id, start = day.run("gpu reset")
    gpu(run_id, start, (250,), reset_at=50)
    day.world.add_event(run_id, start + 1_000 * MS, start + 3_000 * MS)
    day.world.add_event(run_id, start + 4_000 * MS, start + 6_000 * MS)

    run_id, start = day.run("gpu gap")
    gpu(run_id, start, (250,), unread_ms=(2_000, 4_500))

    run_id, start = day.run("gap of one of two gpus")
    seen = ~((times > times[0] + 4_000 * MS) & (times < times[0] + 6_000 * MS))
    day.world.add_counters(run_id, Counters(times[seen] - times[0] + start, {"pkg": package[seen]}))
    gpu(run_id, start, (250, 100), unread_ms=(2_000, 4_500))

    run_id, start = day.run("gpu that comes late")
    day.world.add_counters(run_id, Counters(times - times[0] + start, {"pkg": package}))
    gpu(run_id, start, (250, 100), unread_ms=(-100, 500))

    run_id, start = day.run("gpu beside the model")
    seen = ~((times > times[0] + 4_000 * MS) & (times < times[0] + 6_000 * MS))
    day.world.add_counters(run_id, Counters(times[seen] - times[0] + start, {"model": package[seen]}))
    gpu(run_id, start, (250,))

    run_id, start = day.run("gpu power only")
    gpu(run_id, start, (250,), counter=False)

    for name, powers, mute in (("one of two gpus mute", (300, 100), 1), ("the only gpu mute", (300,), 0)):
        run_id, start = day.run(name)
        day.world.add_counters(run_id, Counters(times - times[0] + start, {"pkg": package}))
        gpu(run_id, start, powers, mute=mute)

    run_id, start = day.run("mute gpu without a cpu")
    gpu(run_id, start, (300,), mute=0)

    run_id, start = day.run("rapl and gpu power")
    day.world.add_counters(run_id, Counters(times - times[0] + start, {"pkg": package}))
    gpu(run_id, start, (250,), counter=False)
    day.world.add_event(run_id, start + 1_000 * MS, start + 2_000 * MS)

    run_id, start = day.run("short event beside a gpu")
    day.world.add_counters(run_id, Counters(times - times[0] + start, {"pkg": package}))
    gpu(run_id, start, (300,))
    day.world.add_event(run_id, start + 1_000 * MS, start + 1_040 * MS)

    run_id, start = day.run("gpu power with a gap")
    gpu(run_id, start, (250,), counter=False, unread_ms=(2_000, 4_500))


def test_gpus_are_added_to_the_total(day: Scenarios) -> None:
    ours = day.energy("rapl and gpus")
    assert ours["gpu_energy_uj"] == 5_000_000_000  # 500 W for 10 s
    assert (ours["total_energy_uj"], ours["energy_source"]) == (5_100_000_000, "rapl+nvml")
    # The GPUs' counters are read 50 ms before and after each edge: 100 ms of 500 W either way.
    assert (ours["energy_lo_uj"], ours["energy_hi_uj"]) == (5_050_000_000, 5_150_000_000)
    [event] = day.events("rapl and gpus")
    assert event["event_energy_uj"] == 510_000_000


def test_gpu_alone_is_the_total_where_the_cpu_is_not_measured(day: Scenarios) -> None:
    ours = day.energy("gpu only")
    assert (ours["total_energy_uj"], ours["energy_source"]) == (2_500_000_000, "nvml")
    assert (ours["sample_coverage"], ours["pkg_energy_uj"]) == (1.0, None)


def test_gpu_counter_that_restarts_leaves_a_lower_bound_only(day: Scenarios) -> None:
    ours = day.energy("gpu reset")
    assert ours["gpu_energy_uj"] == 2_475_000_000  # the 100 ms before the reset are lost
    assert ours["energy_hi_uj"] is None
    assert (ours["n_resets"], ours["n_gaps"], ours["gap_ns"]) == (1, 1, 100 * MS)
    assert ours["sample_coverage"] == pytest.approx(0.99)
    before, across = day.events("gpu reset")
    assert (before["event_energy_uj"], before["event_energy_hi_uj"]) == (500_000_000, 525_000_000)
    assert (across["event_energy_uj"], across["event_energy_hi_uj"]) == (475_000_000, None)


def test_gap_of_a_gpu_lowers_the_coverage(day: Scenarios) -> None:
    ours = day.energy("gpu gap")
    assert (ours["total_energy_uj"], ours["n_resets"]) == (2_500_000_000, 0)  # its counter went on
    assert (ours["n_gaps"], ours["gap_ns"]) == (1, 2_600 * MS)  # read at 1950 ms and at 4550 ms
    assert ours["sample_coverage"] == pytest.approx(0.74)
    assert ours["median_interval_ns"] == 100 * MS


def test_time_in_which_anything_of_the_total_was_not_read_counts_once(day: Scenarios) -> None:
    ours = day.energy("gap of one of two gpus")
    # The GPU from 1950 ms to 4550 ms, the package from 4000 ms to 6000 ms.
    assert (ours["n_gaps"], ours["gap_ns"]) == (2, 4_050 * MS)
    assert ours["sample_coverage"] == pytest.approx(0.595)


def test_coverage_begins_with_the_last_counter_of_the_total(day: Scenarios) -> None:
    ours = day.energy("gpu that comes late")
    assert (ours["start_missing_ns"], ours["n_gaps"]) == (550 * MS, 0)
    assert ours["sample_coverage"] == pytest.approx(0.945)


def test_gap_of_what_the_total_is_not_of_does_not_count(day: Scenarios) -> None:
    ours = day.energy("gpu beside the model")
    assert (ours["energy_source"], ours["n_gaps"], ours["sample_coverage"]) == ("nvml", 0, 1.0)


def test_power_over_a_gap_is_not_made_up(day: Scenarios) -> None:
    ours = day.energy("gpu power with a gap")
    assert (ours["total_energy_uj"], ours["energy_hi_uj"]) == (1_850_000_000, None)  # 250 W but for 2.6 s
    assert (ours["n_gaps"], ours["gap_ns"], ours["sample_coverage"]) == (1, 2_600 * MS, pytest.approx(0.74))


def test_gpu_that_never_gave_its_energy_is_not_taken_for_0(day: Scenarios) -> None:
    ours = day.energy("one of two gpus mute")
    assert (ours["total_energy_uj"], ours["energy_lo_uj"], ours["energy_hi_uj"]) == (None, None, None)
    assert (ours["gpu_energy_uj"], ours["pkg_energy_uj"], ours["energy_source"]) == (None, 100_000_000, "rapl+nvml")
    assert (ours["n_gpus_unread"], ours["sample_coverage"], ours["start_missing_ns"]) == (1, 0, None)
    ours = day.energy("the only gpu mute")
    assert (ours["total_energy_uj"], ours["energy_source"]) == (100_000_000, "rapl"), "it does not claim a GPU"
    assert (ours["n_gpus_unread"], ours["gpu_energy_uj"]) == (1, None)
    ours = day.energy("mute gpu without a cpu")
    assert (ours["total_energy_uj"], ours["energy_source"], ours["n_gpus_unread"]) == (None, None, 1)
    assert day.energy("rapl and gpus")["n_gpus_unread"] == 0


def test_gpu_that_has_no_bound_leaves_that_of_the_cpu(day: Scenarios) -> None:
    ours = day.energy("rapl and gpu power")
    assert (ours["total_energy_uj"], ours["energy_lo_uj"], ours["energy_hi_uj"]) == (2_600_000_000, 100_000_000, None)
    [event] = day.events("rapl and gpu power")
    assert (event["event_energy_lo_uj"], event["event_energy_hi_uj"]) == (10_000_000, None)
    # From 1000 ms to 1040 ms the GPU is not read: its counter tells that it took at least 0.
    [event] = day.events("short event beside a gpu")
    assert (event["event_energy_uj"], event["event_energy_lo_uj"]) == (12_400_000, 400_000)


def test_gpu_power_is_integrated_where_there_is_no_counter(day: Scenarios) -> None:
    ours = day.energy("gpu power only")
    assert (ours["gpu_energy_uj"], ours["energy_lo_uj"], ours["energy_hi_uj"]) == (2_500_000_000, 0, None)


def _events(day: Scenarios) -> None:
    run_id, start = day.run("events")
    times, package = steady(start - 20 * MS, start + 10_020 * MS, watts=10)
    day.world.add_counters(run_id, Counters(times, {"pkg": package}))
    for step, (begin, end, phase) in enumerate(
        (
            (0, 3_000, "planning"),
            (500, 1_500, "planning"),  # inside the first
            (1_000, 1_200, "planning"),  # inside the second
            (3_000, 3_000, "execution"),  # no length
            (3_000, 9_000, "execution"),
        )
    ):
        day.world.add_event(run_id, start + begin * MS, start + end * MS, phase=phase, step_index=step)

    run_id, start = day.run("events without a phase")
    for begin, end, phase, step in (
        (0, 9_000, "planning", 0),
        (1_000, 5_000, None, 1),  # in planning
        (2_000, 4_000, "execution", 2),
        (2_500, 3_000, None, 3),  # in execution, the innermost phase around it
        (9_500, 9_900, None, 4),  # in none
    ):
        day.world.add_event(run_id, start + begin * MS, start + end * MS, phase=phase, step_index=step)

    run_id, start = day.run("events astray")
    times, package = steady(start, start + 10_000 * MS, watts=10)
    day.world.add_counters(run_id, Counters(times, {"pkg": package}))
    day.world.add_event(run_id, start - 5_000 * MS, start + 1_000 * MS)  # begins before the run and its samples
    day.world.add_event(run_id, start + 9_000 * MS, start + 10_050 * MS)  # ends just after


def test_time_belongs_to_the_innermost_event(day: Scenarios) -> None:
    events = day.events("events")
    lengths = [(e["step_index"], e["own_ns"] // MS, e["own_energy_uj"], e["event_energy_uj"]) for e in events]
    assert lengths == [
        (0, 2_000, 20_000_000, 30_000_000),
        (1, 800, 8_000_000, 10_000_000),
        (2, 200, 2_000_000, 2_000_000),
        (4, 6_000, 60_000_000, 60_000_000),
        (3, 0, 0, 0),
    ]


def test_event_without_a_phase_is_of_the_phase_around_it(day: Scenarios) -> None:
    phases = {event["step_index"]: event["phase"] for event in day.events("events without a phase")}
    assert phases == {0: "planning", 1: "planning", 2: "execution", 3: "execution", 4: None}


def test_event_outside_the_samples_has_no_energy(day: Scenarios) -> None:
    astray, late = day.events("events astray")
    assert astray["event_energy_uj"] is astray["event_energy_lo_uj"] is astray["event_energy_hi_uj"] is None
    assert (astray["own_ns"], astray["own_energy_uj"]) == (1_000 * MS, 10_000_000)  # its time within the run
    assert late["event_energy_uj"] == 10_000_000
    assert late["event_energy_hi_uj"] == 10_000_000 + 50 * MS * CEILING_UJ_PER_NS


def _telemetry(day: Scenarios) -> None:
    run_id, start = day.run("telemetry")
    times = [start + ms * MS for ms in (-100, 0, 5_000, 10_000, 10_100)]
    day.world.add_samples(
        "cpu_samples",
        run_id,
        {
            "timestamp_ns": times,
            "cpu_busy_mhz": [9.0, 1000.0, 2000.0, None, 9.0],
            "cpu_util_percent": [9.0, 20.0, 40.0, 60.0, 9.0],
            "package_temp": [90.0, None, 50.0, 45.0, 90.0],
        },
    )
    day.world.add_samples(
        "interrupt_samples", run_id, {"timestamp_ns": times, "interrupts_per_sec": [9.0, 100.0, 200.0, 600.0, 9.0]}
    )
    thermal = [start + ms * MS for ms in (-100, 0, 5_000, 10_000, 11_001)]
    day.world.add_samples("thermal_samples", run_id, {"timestamp_ns": thermal, "throttle_event": [1, 0, 0, 0, 1]})
    day.world.add_event(run_id, start, start + 6_000 * MS)

    run_id, start = day.run("throttled at the end")
    thermal = [start + ms * MS for ms in (9_200, 10_200)]
    day.world.add_samples("thermal_samples", run_id, {"timestamp_ns": thermal, "throttle_event": [0, 1]})


def test_sample_after_the_end_tells_of_throttling_in_the_last_second(day: Scenarios) -> None:
    assert day.telemetry("throttled at the end")["is_throttled"] is True


def test_telemetry_is_of_the_samples_within_the_run(day: Scenarios) -> None:
    ours = day.telemetry("telemetry")
    assert (ours["cpu_busy_mhz"], ours["cpu_util_percent"], ours["cpu_avg_mhz"]) == (1500.0, 40.0, None)
    assert [ours[f"{which}_temp_c"] for which in ("start", "max", "min", "mean")] == [50.0, 50.0, 45.0, 47.5]
    assert (ours["interrupt_rate"], ours["is_throttled"], ours["n_cpu_samples"]) == (300.0, False, 3)
    event = day.world.row(
        "FROM event_telemetry WHERE event_id = (SELECT event_id FROM event_energy WHERE run_id = ?)",
        day.ids["telemetry"],
    )
    assert (event["cpu_util_percent"], event["interrupt_rate"]) == (30.0, 150.0)


def test_what_is_not_sampled_is_null(day: Scenarios) -> None:
    ours = day.telemetry("without samples")
    known = {name: value for name, value in ours.items() if value is not None}
    counts = {"n_cpu_samples": 0, "n_interrupt_samples": 0, "n_thermal_samples": 0}
    assert known == {"run_id": day.ids["without samples"], "run_date": day.world.day, **counts}


def test_building_a_day_again_changes_nothing(day: Scenarios) -> None:
    tables = ("run_energy", "event_energy", "run_telemetry", "event_telemetry", "daily.sample_audit", "daily.run_gaps")
    before = {table: day.world.rows(f"FROM {table} ORDER BY ALL") for table in tables}
    day.world.con.execute("UPDATE run_energy SET run_date = DATE '2026-01-20' WHERE run_id = ?", [day.ids["gaps"]])
    day.world.build_day()
    day.world.con.execute("DELETE FROM run_energy WHERE run_date = DATE '2026-01-20'")  # another day's row was kept
    assert {table: day.world.rows(f"FROM {table} ORDER BY ALL") for table in tables} == before
