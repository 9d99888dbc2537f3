"""A landed day into the lake: what is stored, what is set aside, and that only the set of landed rows matters."""

import errno
import os
import random
import shutil
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alems_pipeline import lake, lake_files, landing, samples
from alems_pipeline.lake_files import COUNTERS
from alems_pipeline.warehouse import Warehouse
from collectors.contract import DATASETS, ENERGY_DOMAINS, SAMPLE_DATASETS
from tests.unit.landing_data import (
    DAY,
    RANGE_UJ,
    START_NS,
    Row,
    build,
    content,
    drop,
    energy_rows,
    place,
    quarantined,
    query,
    run,
    writing,
)
from tests.unit.landing_data import samples as lake_samples

RUN = run()
STEP = 10_000_000
SECOND = 1_000_000_000


def energy(home: Path, rows: Sequence[Row], of_run: Row = RUN) -> list[dict[str, Any]]:
    """What the lake stores of energy samples of one run."""
    drop(home, "runs", [of_run])
    drop(home, "energy_samples", rows)
    build(home)
    return lake_samples(home)


def column(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows]


def sampling(home: Path, *names: str) -> tuple[Any, ...]:
    [line] = query(home, f"SELECT {', '.join(names)} FROM stage.energy_sampling")
    return line


def gaps(home: Path) -> list[tuple[Any, ...]]:
    return query(home, "SELECT from_ns, to_ns, is_reset FROM stage.energy_gaps ORDER BY from_ns")


def reasons(home: Path, dataset: str = "energy_samples") -> dict[str, int]:
    return dict(query(home, f"SELECT reason, n_rows FROM ops.quarantine WHERE dataset = '{dataset}' ORDER BY reason"))


# ---- energy


def test_samples_are_numbered_and_count_from_zero(tmp_path: Path) -> None:
    stored = energy(tmp_path, energy_rows(RUN, [500, 750, 900]))
    assert column(stored, "sample_id") == [1, 2, 3]
    assert column(stored, "pkg_energy_uj") == [0, 250, 400]
    assert column(stored, "core_energy_uj") == [None, None, None]
    assert column(stored, "gap_ns") == [None, None, None]
    assert column(stored, "is_reset") == [None, None, None]
    [(run_id,)] = query(tmp_path, "SELECT run_id FROM stage.runs")
    assert set(column(stored, "run_id")) == {run_id}
    names = ("run_id", "n_samples", "n_packages", "first_ns", "last_ns", "median_interval_ns", "max_interval_ns",
             "gap_threshold_ns", "n_gaps", "gap_ns", "n_wraps", "n_resets", "n_hidden_wrap_gaps",
             "domains")  # fmt: skip
    assert sampling(tmp_path, *names) == (
        run_id, 3, 1, START_NS, START_NS + 2 * STEP, STEP, STEP, 100_000_000, 0, 0, 0, 0, 0, ["pkg"],
    )  # fmt: skip


def test_a_wrap_goes_on_counting(tmp_path: Path) -> None:
    stored = energy(tmp_path, energy_rows(RUN, [RANGE_UJ - 100, RANGE_UJ - 40, 60]))
    assert column(stored, "pkg_energy_uj") == [0, 60, 160]
    assert sampling(tmp_path, "n_wraps", "n_gaps") == (1, 0)


def test_a_reset_is_a_gap_without_energy(tmp_path: Path) -> None:
    stored = energy(tmp_path, energy_rows(RUN, [5_000, 6_000, 10, 30]))
    assert column(stored, "pkg_energy_uj") == [0, 1_000, 1_000, 1_020]
    assert column(stored, "is_reset") == [None, None, True, None]
    assert column(stored, "gap_ns") == [None, None, STEP, None]
    assert sampling(tmp_path, "n_resets", "n_gaps", "gap_ns") == (1, 1, STEP)
    assert gaps(tmp_path) == [(START_NS + STEP, START_NS + 2 * STEP, True)]


def test_an_interval_above_the_threshold_is_a_gap(tmp_path: Path) -> None:
    times = [0, 1, 2, 3, 13, 24, 25]  # an interval of exactly 100 ms is none
    rows = [{**row, "timestamp_ns": START_NS + at * STEP}
            for row, at in zip(energy_rows(RUN, range(7)), times, strict=True)]  # fmt: skip
    stored = energy(tmp_path, rows)
    assert column(stored, "gap_ns") == [None, None, None, None, None, 11 * STEP, None]
    assert sampling(tmp_path, "n_gaps", "gap_ns", "median_interval_ns") == (1, 11 * STEP, STEP)
    assert sampling(tmp_path, "max_interval_ns") == (10 * STEP,)
    assert gaps(tmp_path) == [(START_NS + 13 * STEP, START_NS + 24 * STEP, False)]


@pytest.mark.parametrize(
    ("step_ns", "planned_ns", "threshold_ns"),
    [(STEP, None, 100_000_000), (STEP, 20_000_000, 30_000_000), (SECOND, 200_000_000, 3 * SECOND)],
)
def test_the_threshold_is_three_medians_but_no_less_than_planned(
    tmp_path: Path, step_ns: int, planned_ns: int | None, threshold_ns: int
) -> None:
    of_run = run(max_sample_interval_ns=planned_ns)
    energy(tmp_path, energy_rows(of_run, [1, 2, 3, 4], step_ns=step_ns), of_run)
    assert sampling(tmp_path, "gap_threshold_ns") == (threshold_ns,)


def test_a_gap_that_may_hide_wraps_is_flagged(tmp_path: Path) -> None:
    of_run = run(seconds=2_000, max_sample_interval_ns=1_000 * SECOND)
    stored = energy(tmp_path, energy_rows(of_run, [10, 20], step_ns=263 * SECOND), of_run)
    assert column(stored, "pkg_energy_uj") == [0, 10]
    assert column(stored, "gap_ns") == [None, 263 * SECOND]
    assert sampling(tmp_path, "n_hidden_wrap_gaps", "n_gaps") == (1, 1)


def test_a_failed_read_stays_null_and_is_skipped(tmp_path: Path) -> None:
    stored = energy(tmp_path, energy_rows(RUN, [None, 100, None, 250, None]))
    assert column(stored, "pkg_energy_uj") == [None, 0, None, 150, None]
    assert column(stored, "sample_id") == [1, 2, 3, 4, 5]
    assert sampling(tmp_path, "n_samples", "first_ns", "last_ns") == (2, START_NS + STEP, START_NS + 3 * STEP)
    assert sampling(tmp_path, "max_interval_ns") == (2 * STEP,)


def test_failed_reads_of_dram_make_a_gap_too(tmp_path: Path) -> None:
    rows = [
        {**row, "dram_energy_uj": None if 0 < position < 12 else position, "dram_range_uj": RANGE_UJ}
        for position, row in enumerate(energy_rows(RUN, range(14)))
    ]
    stored = energy(tmp_path, rows)
    assert column(stored, "pkg_energy_uj") == list(range(14))
    assert column(stored, "gap_ns") == [*[None] * 12, 12 * STEP, None]
    assert sampling(tmp_path, "n_samples", "n_gaps", "gap_ns") == (3, 1, 12 * STEP)


def test_a_reset_where_another_counter_was_not_read_shows_at_the_next_sample(tmp_path: Path) -> None:
    rows = [
        {**row, "dram_energy_uj": None if position == 2 else position, "dram_range_uj": RANGE_UJ}
        for position, row in enumerate(energy_rows(RUN, [5_000, 6_000, 10, 30]))
    ]
    stored = energy(tmp_path, rows)
    assert column(stored, "is_reset") == [None, None, None, True]
    assert column(stored, "gap_ns") == [None, None, None, 2 * STEP]


def test_failed_reads_make_a_gap(tmp_path: Path) -> None:
    stored = energy(tmp_path, energy_rows(RUN, [100, *[None] * 11, 300]))
    assert column(stored, "gap_ns") == [*[None] * 12, 12 * STEP]


def test_packages_are_unwrapped_apart_and_summed(tmp_path: Path) -> None:
    near = RANGE_UJ - 10
    rows = energy_rows(RUN, [near, 20, 40]) + energy_rows(RUN, [100, 200, 350], package=1)
    stored = energy(tmp_path, rows)
    assert column(stored, "pkg_energy_uj") == [0, 30 + 100, 50 + 250]
    assert sampling(tmp_path, "n_packages", "n_samples", "n_wraps", "median_interval_ns") == (2, 3, 1, STEP)
    [books] = query(tmp_path, "SELECT n_landed, n_stored, n_merged, n_duplicate, n_quarantined FROM ops.landing_days "
                              "WHERE dataset = 'energy_samples'")  # fmt: skip
    assert books == (6, 3, 3, 0, 0)


def test_a_time_without_one_of_the_packages_is_a_missing_sample(tmp_path: Path) -> None:
    rows = energy_rows(RUN, [100, 110, 120, 130]) + energy_rows(RUN, [0, None, 7, 9], package=1)
    del rows[6]  # package 1 at the third time
    stored = energy(tmp_path, rows)
    assert column(stored, "pkg_energy_uj") == [0, None, None, 30 + 9]


def test_psys_stands_on_one_package(tmp_path: Path) -> None:
    rows = energy_rows(RUN, [100, 110]) + energy_rows(RUN, [5, 6], package=1)
    for row, psys in zip(rows, (1_000, 1_500, None, None), strict=True):
        row["psys_energy_uj"] = psys
    stored = energy(tmp_path, rows)
    assert column(stored, "pkg_energy_uj") == [0, 11]
    assert column(stored, "psys_energy_uj") == [0, 500]
    assert sampling(tmp_path, "domains") == (["pkg", "psys"],)


def test_the_model_never_wraps(tmp_path: Path) -> None:
    rows = [{**row, "pkg_energy_uj": None, "pkg_range_uj": None, "model_energy_uj": value}
            for row, value in zip(energy_rows(RUN, [0] * 4), (7, 17, 3, 4), strict=True)]  # fmt: skip
    stored = energy(tmp_path, rows)
    assert column(stored, "model_energy_uj") == [0, 10, 10, 11]
    assert column(stored, "is_reset") == [None, None, True, None]
    assert sampling(tmp_path, "domains", "n_samples") == (["model"], 4)


def test_without_a_range_the_kernel_s_counts(tmp_path: Path) -> None:
    rows = [{**row, "pkg_range_uj": None} for row in energy_rows(RUN, [RANGE_UJ - 1, 4])]
    assert column(energy(tmp_path, rows), "pkg_energy_uj") == [0, 5]


# ---- bad rows


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run_key": 5}, "its run has not landed yet or is unknown"),
        ({"run_key": None}, "run_key is NULL"),
        ({"timestamp_ns": None}, "timestamp_ns is NULL"),
        ({"timestamp_ns": START_NS - 60_000_000_001}, "farther than 60 s outside its run"),
        ({"timestamp_ns": START_NS + 70_000_000_001}, "farther than 60 s outside its run"),
        ({"timestamp_ns": -1}, "timestamp_ns is below 0"),
        ({"package_index": -1}, "package_index is below 0"),
        ({"package_index": 256}, "package_index is above 255"),
        ({"pkg_energy_uj": -1}, "pkg_energy_uj is below 0"),
        ({"pkg_energy_uj": RANGE_UJ + 1}, "pkg_energy_uj is above its range"),
        ({"pkg_range_uj": 0}, "pkg_range_uj is outside"),
        ({"core_energy_uj": -5}, "core_energy_uj is below 0"),
    ],
)
def test_a_bad_sample_is_set_aside(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    rows = energy_rows(RUN, [0, 10, 20])
    rows[1] |= changes
    stored = energy(tmp_path, rows)
    assert column(stored, "pkg_energy_uj") == [0, 20]
    [(reason, n)] = reasons(tmp_path).items()
    assert words in reason
    assert n == 1
    [bad] = quarantined(tmp_path, "energy_samples")
    assert bad == {**dict.fromkeys(DATASETS["energy_samples"].column_names), **rows[1], "reason": reason}


def test_samples_a_minute_outside_their_run_are_kept(tmp_path: Path) -> None:
    rows = energy_rows(RUN, [0, 10])
    rows[0]["timestamp_ns"] = START_NS - 60 * SECOND
    rows[1]["timestamp_ns"] = START_NS + 70 * SECOND
    assert len(energy(tmp_path, rows)) == 2


def test_telemetry_that_is_no_number_or_negative_is_set_aside(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    base = {"run_key": RUN["run_key"]}
    rows = [
        {**base, "timestamp_ns": START_NS, "cpu_util_percent": float("nan")},
        {**base, "timestamp_ns": START_NS + 1, "ipc": float("inf")},
        {**base, "timestamp_ns": START_NS + 2, "c6_residency": -1.0},
        {**base, "timestamp_ns": START_NS + 3, "package_temp": -40.0, "cpu_util_percent": -0.0},
    ]
    drop(tmp_path, "cpu_samples", rows)
    build(tmp_path)
    [stored] = lake_samples(tmp_path, "cpu_samples")
    assert (stored["package_temp"], stored["sample_id"]) == (-40.0, 1)
    assert [reason.split(";")[0] for reason in reasons(tmp_path, "cpu_samples")] == [
        "c6_residency is below 0",
        "cpu_util_percent is no finite number",
        "ipc is no finite number",
    ]


def test_duplicates_count_once_and_contradictions_are_set_aside(tmp_path: Path) -> None:
    rows = energy_rows(RUN, [0, 10, 20])
    other_value = {**rows[1], "pkg_energy_uj": 11}
    other_range = {**rows[2], "pkg_range_uj": RANGE_UJ + 1}
    stored = energy(tmp_path, [other_value, *rows, rows[0], other_range, other_value])
    assert column(stored, "pkg_energy_uj") == [0, 10, 20]
    [(reason, n)] = reasons(tmp_path).items()
    assert reason.startswith("another row has the same key and other values")
    assert n == 2
    [books] = query(tmp_path, "SELECT n_landed, n_stored, n_merged, n_duplicate, n_quarantined FROM ops.landing_days "
                              "WHERE dataset = 'energy_samples'")  # fmt: skip
    assert books == (7, 3, 0, 2, 2)


def test_each_gpu_s_samples_are_numbered_by_time_and_index(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    rows = [
        {"run_key": RUN["run_key"], "timestamp_ns": START_NS + at, "gpu_index": gpu, "power_mw": 100 * gpu + at}
        for gpu in (1, 0)
        for at in (5, 0)
    ]
    drop(tmp_path, "gpu_samples", rows)
    build(tmp_path)
    stored = lake_samples(tmp_path, "gpu_samples")
    assert column(stored, "power_mw") == [0, 100, 5, 105]
    assert column(stored, "sample_id") == [1, 2, 3, 4]


# ---- the day against an oracle


def landed_day(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Runs and energy samples with wraps, resets, gaps, failed reads, packages, repeats and bad rows."""
    chance = random.Random(seed)
    runs, rows = [], []
    for number in range(chance.randint(1, 4)):
        of_run = run(str(number), START_NS + number * 5 * SECOND, seconds=5,
                     max_sample_interval_ns=chance.choice([None, 15_000_000]))  # fmt: skip
        if number != 3:
            runs.append(of_run)
        domains = chance.sample([*ENERGY_DOMAINS, "model"], chance.randint(1, 3))
        for package in range(chance.choice([1, 1, 2, 3])):
            rows += _package_rows(chance, of_run, package, domains)
    rows += chance.choices(rows, k=5)
    for row in chance.choices(rows, k=3):
        rows.append(
            {**row, chance.choice(["pkg_energy_uj", "timestamp_ns", "model_energy_uj"]): chance.choice([-1, 3])}
        )
    chance.shuffle(rows)
    return runs, rows


def _package_rows(chance: random.Random, of_run: Row, package: int, domains: list[str]) -> list[dict[str, Any]]:
    ranges = {domain: chance.choice([RANGE_UJ, 50_000_000, None]) for domain in domains}
    counters = {domain: chance.randrange(40_000_000) for domain in domains}
    rows = []
    at_ns = of_run["start_time_ns"] + package  # packages read at one time, or each at its own
    if chance.random() < 0.7:
        at_ns = of_run["start_time_ns"]
    for _ in range(chance.randint(1, 30)):
        row = {"run_key": of_run["run_key"], "timestamp_ns": at_ns, "package_index": package}
        for domain in domains:
            top = ranges[domain] or RANGE_UJ
            counters[domain] = 0 if chance.random() < 0.03 else (counters[domain] + chance.randrange(3_000_000)) % top
            row[f"{domain}_energy_uj"] = None if chance.random() < 0.05 else counters[domain]
            if domain != "model":
                row[f"{domain}_range_uj"] = ranges[domain]
        rows.append(row)
        at_ns += chance.choice([STEP, STEP, STEP, STEP + 5, 300_000_000])
    return rows


def expected_samples(runs: list[Row], rows: list[Row]) -> dict[int, list[dict[str, Any]]]:
    """By run key, the lake's samples as the specification has them: row by row, with none of the pipeline's code."""
    by_key = {one["run_key"]: one for one in runs}
    whole = [{name: row.get(name) for name in DATASETS["energy_samples"].column_names} for row in rows]
    good = [row for row in whole if _is_good(row, by_key)]
    good.sort(key=lambda row: [(value is None, value or 0) for value in row.values()])
    kept: dict[tuple[int, int, int], dict[str, Any]] = {}
    for row in good:
        kept.setdefault((row["run_key"], row["timestamp_ns"], row["package_index"]), row)
    return {key: _run_samples([row for (k, _, _), row in kept.items() if k == key], one) for key, one in by_key.items()}


def _is_good(row: Row, runs: Row) -> bool:
    numbers = [value for name, value in row.items() if name != "run_key" and value is not None]
    within_range = all((row[f"{d}_energy_uj"] or 0) <= (row[f"{d}_range_uj"] or RANGE_UJ * 10) for d in ENERGY_DOMAINS)
    of_run = runs.get(row["run_key"])
    if of_run is None or min(numbers) < 0 or not within_range:
        return False
    first, last = of_run["start_time_ns"] - 60 * SECOND, of_run["end_time_ns"] + 60 * SECOND
    return bool(first <= row["timestamp_ns"] <= last)


def _run_samples(rows: list[dict[str, Any]], of_run: Row) -> list[dict[str, Any]]:
    times = sorted({row["timestamp_ns"] for row in rows})
    found: dict[int, dict[str, Any]] = {
        at: dict.fromkeys(f"{c}_energy_uj" for c in COUNTERS)
        | {"timestamp_ns": at, "gap_ns": None, "is_reset": None, "hides": False}
        for at in times
    }
    for counter in COUNTERS:
        name = f"{counter}_energy_uj"
        packages = {row["package_index"] for row in rows if row[name] is not None}
        readings = {(row["timestamp_ns"], row["package_index"]): row[name] for row in rows if row[name] is not None}
        complete = [at for at in times if packages and all((at, package) in readings for package in packages)]
        for at in complete:
            found[at][name] = 0
        for package in packages:
            energy = 0
            for before, at in pairwise(complete):
                step = readings[at, package] - readings[before, package]
                ranges = [row.get(f"{counter}_range_uj") for row in rows if row["package_index"] == package]
                top = max([value for value in ranges if value is not None], default=RANGE_UJ)
                if counter != "model" and at - before > top:  # at 1000 W, 1 µJ per ns, it may have gone round
                    found[at]["hides"] = True
                is_wrap = counter != "model" and step < 0 and step + top <= at - before  # 1000 W are 1 µJ per ns
                is_leap = counter != "model" and step > at - before + 1_000_000
                if (step < 0 and not is_wrap) or is_leap:
                    found[at]["is_reset"] = True
                    step = 0
                energy += top + step if is_wrap else step
                found[at][name] += energy
    _mark_gaps(list(found.values()), rows, of_run)
    return list(found.values())


def _mark_gaps(found: list[dict[str, Any]], rows: list[dict[str, Any]], of_run: Row) -> None:
    times = [sample["timestamp_ns"] for sample in found]
    intervals = sorted(later - earlier for earlier, later in pairwise(times))
    middle = intervals[(len(intervals) - 1) // 2 : len(intervals) // 2 + 1]
    median = sum(middle) // len(middle) if middle else 0
    threshold = max(3 * median, of_run.get("max_sample_interval_ns") or 100_000_000)
    order = [f"{counter}_energy_uj" for counter in ("pkg", "model", "core", "uncore", "dram", "psys")]
    leading = next((name for name in order if any(row[name] is not None for row in rows)), "")
    needed = [leading]
    if leading == "pkg_energy_uj" and any(row["dram_energy_uj"] is not None for row in rows):
        needed.append("dram_energy_uj")
    read = [sample for sample in found if all(sample.get(name) is not None for name in needed)]
    # What a sample that was not read says of a counter, the next one that was says of its longer interval.
    marks = {name: [sample["timestamp_ns"] for sample in found if sample[name]] for name in ("is_reset", "hides")}
    for sample in found:
        sample["is_reset"] = None
    for before, sample in zip([None, *read], read, strict=False):
        first = before["timestamp_ns"] if before else 0
        within = {name: any(first < at <= sample["timestamp_ns"] for at in moments) for name, moments in marks.items()}
        sample["is_reset"] = within["is_reset"] or None
        if before is None:
            continue
        interval = sample["timestamp_ns"] - before["timestamp_ns"]
        if interval > threshold or within["is_reset"] or within["hides"]:
            sample["gap_ns"] = interval


def folded(home: Path, runs: list[Row], part_rows: int, *, spread: bool) -> dict[int, list[dict[str, Any]]]:
    """By run key, what the pipeline makes of the energy samples in landing, with parts of a given size."""
    dataset = DATASETS["energy_samples"]
    of_day = pl.DataFrame(
        [[one["run_key"], number, one["start_time_ns"], one["end_time_ns"], one["max_sample_interval_ns"]]
         for number, one in enumerate(runs)],
        schema=dict.fromkeys(samples.RUN_COLUMNS, pl.Int64), orient="row",
    )  # fmt: skip
    files = [landing.inspect(file) for file in landing.scan_day(home / "landing", DAY)]
    surveys = [samples.survey(one.file, one.n_row_groups, keep=False) for one in files]
    parts = samples.plan_parts(surveys, of_day, part_rows)
    if spread:
        surveys = samples.spread(dataset, surveys, parts, home)
        parts = samples.plan_parts(surveys, of_day, part_rows)
    found: dict[int, list[dict[str, Any]]] = {one["run_key"]: [] for one in runs}
    n_landed = 0
    noted: list[pl.DataFrame] = []
    for slices in parts:
        convert = lake._fold(surveys, slices, of_day, [], noted)
        for part in slices:
            sifted = samples.sift(dataset, surveys, part)
            n_landed += sifted.n_landed
            assert sifted.n_landed == sifted.good.height + sifted.bad.height + sifted.n_duplicate
            for row in convert(sifted.good).iter_rows(named=True):
                of_run = found[runs[row["run_id"]]["run_key"]]
                of_run.append(row)
                assert row["sample_id"] == len(of_run)
    assert n_landed == sum(one.n_rows or 0 for one in files)
    marked = [(row["run_id"], row["timestamp_ns"] - row["gap_ns"], row["timestamp_ns"], bool(row["is_reset"]))
              for rows in found.values() for row in rows if row["gap_ns"] is not None]  # fmt: skip
    assert sorted(pl.concat(noted).rows()) == sorted(marked)
    return found


def without_ids(by_run: dict[int, list[dict[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    extra = ("run_id", "sample_id", "hides")
    return {key: [{k: v for k, v in row.items() if k not in extra} for row in rows] for key, rows in by_run.items()}


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32), n_files=st.integers(1, 3))
def test_a_day_is_as_the_specification_has_it(seed: int, n_files: int) -> None:
    """Whatever the files, and whether runs are whole in memory, in slices, or spread apart first."""
    runs, rows = landed_day(seed)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        for number in range(n_files):
            drop(home, "energy_samples", rows[number::n_files], row_group_size=9)
        expected = without_ids(expected_samples(runs, rows))
        for part_rows, spread in ((1_000_000, False), (7, False), (7, True)):
            assert without_ids(folded(home, runs, part_rows, spread=spread)) == expected, (part_rows, spread)


# ---- only the set of rows matters


def example_rows() -> dict[str, list[dict[str, Any]]]:
    runs, rows = landed_day(11)
    telemetry = [
        {
            "run_key": one["run_key"],
            "timestamp_ns": one["start_time_ns"] + at * 100_000_000,
            "cpu_util_percent": at * 1.5,
        }
        for one in runs
        for at in range(20)
    ]
    events = [
        {"run_key": one["run_key"], "event_type": "tool_call", "start_time_ns": one["start_time_ns"] + at,
         "end_time_ns": one["end_time_ns"], "step_index": at, "power_watts": power}
        for one in runs
        for at, power in ((0, 1.0), (1, 2.0), (1, 3.0))
    ]  # fmt: skip
    return {"runs": runs, "energy_samples": rows, "cpu_samples": telemetry, "orchestration_events": events}


def land(home: Path, chance: random.Random, *, repeats: bool = True) -> None:
    """The example rows in some order, some split into files, with repeats."""
    for dataset, rows in example_rows().items():
        again = rows + (chance.choices(rows, k=7) if repeats else [])
        chance.shuffle(again)
        cut = chance.randrange(1, len(again))
        for part in (again[:cut], again[cut:]):
            drop(home, dataset, part, row_group_size=chance.choice([3, 1000]))


def test_order_files_and_repeats_do_not_matter(tmp_path: Path) -> None:
    expected = None
    for seed in range(4):
        home = tmp_path / str(seed)
        land(home, random.Random(seed), repeats=seed > 0)
        build(home)
        expected = expected or content(home)
        assert len(expected["quarantine"]) > 2
        assert content(home) == expected


def test_in_one_go_or_one_after_the_other(tmp_path: Path) -> None:
    at_once, bit_by_bit = tmp_path / "a", tmp_path / "b"
    land(at_once, random.Random(1))
    build(at_once)
    for number, source in enumerate(sorted((at_once / "landing").rglob("*.parquet"), reverse=True)):
        shutil.copy(source, place(bit_by_bit, source.parts[-3], name=f"late-{number}.parquet"))
        build(bit_by_bit)
    assert content(bit_by_bit) == content(at_once)


def test_the_size_of_parts_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(tmp_path, random.Random(2))
    build(tmp_path)
    expected = content(tmp_path)
    monkeypatch.setattr(samples, "PART_ROWS", 9)
    for most_reads in (3, 0):
        monkeypatch.setattr(samples, "MOST_READS", most_reads)
        build(tmp_path)
        assert content(tmp_path) == expected


def test_building_again_writes_nothing_new(tmp_path: Path) -> None:
    land(tmp_path, random.Random(3))
    build(tmp_path)
    before = {path: path.stat().st_ino for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    build(tmp_path)
    assert {path: path.stat().st_ino for path in (tmp_path / "lake").rglob("*") if path.is_file()} == before


def test_rows_landed_are_stored_merged_repeated_or_quarantined(tmp_path: Path) -> None:
    land(tmp_path, random.Random(4))
    build(tmp_path)
    assert query(tmp_path, "SELECT count(*) FROM ops.landing_days") == [(4,)]
    assert query(tmp_path, """
        SELECT dataset FROM ops.landing_days
        WHERE n_landed <> n_stored + n_merged + n_duplicate + n_quarantined""") == []  # fmt: skip
    landed = dict(query(tmp_path, "SELECT dataset, sum(n_rows) FROM ops.landing_files GROUP BY ALL"))
    assert dict(query(tmp_path, "SELECT dataset, n_landed FROM ops.landing_days")) == landed
    for dataset, n in query(tmp_path, "SELECT dataset, n_quarantined FROM ops.landing_days"):
        assert len(quarantined(tmp_path, dataset)) == n


# ---- the lake's files


def test_a_lake_file_is_sorted_and_lets_runs_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_files, "ROW_GROUP_ROWS", 10)
    runs = [run(str(number), START_NS + (9 - number) * SECOND, seconds=1) for number in range(10)]
    drop(tmp_path, "runs", runs)
    for one in runs:
        drop(tmp_path, "energy_samples", energy_rows(one, range(7)))
    build(tmp_path)
    stored = lake_samples(tmp_path)
    keys = [(row["run_id"], row["timestamp_ns"]) for row in stored]
    assert keys == sorted(keys)
    [(path, rows, low, high, sources)] = query(
        tmp_path, "SELECT path, n_rows, min_run_id, max_run_id, source_files FROM ops.lake_files"
    )
    assert (rows, low, high, len(sources)) == (70, keys[0][0], keys[-1][0], 10)
    footer = pq.ParquetFile(tmp_path / "lake" / path).metadata
    assert [footer.row_group(n).num_rows for n in range(footer.num_row_groups)] == [10] * 7
    first = footer.row_group(0).column(0).statistics
    assert (first.min, first.max) == (keys[0][0], keys[9][0])


def test_every_sample_dataset_has_a_typed_empty_file(tmp_path: Path) -> None:
    build(tmp_path)
    for dataset in SAMPLE_DATASETS:
        path = tmp_path / "lake" / dataset.name / "date=0001-01-01" / "schema.parquet"
        assert pq.read_schema(path).equals(lake_files.lake_schema(dataset))
    path.write_bytes(b"half")
    build(tmp_path)
    assert pq.read_schema(path).equals(lake_files.lake_schema(dataset))


def test_the_day_s_views_show_the_day_and_only_the_day(tmp_path: Path) -> None:
    later = DAY + timedelta(days=1)
    other = run("2", START_NS + 86_400 * SECOND)
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "energy_samples", energy_rows(RUN, [5, 8]))
    drop(tmp_path, "runs", [other], later)
    drop(tmp_path, "energy_samples", energy_rows(other, [0, 1, 1]), later)
    build(tmp_path)
    with writing(tmp_path) as con:
        lake.build_day(con, Warehouse(tmp_path), later, landing.scan_day(tmp_path / "landing", later))
        assert con.execute("SELECT pkg_energy_uj FROM day_energy_samples").fetchall() == [(0,), (1,), (1,)]
        for dataset in SAMPLE_DATASETS[1:]:
            assert con.execute(f"SELECT * FROM day_{dataset.name}").fetchall() == []
        paths = lake.published_paths(con, Warehouse(tmp_path), "energy_samples")
        assert [Path(path).parent.name for path in paths] == ["date=0001-01-01", f"date={DAY}", f"date={later}"]
        assert con.execute("SELECT count(*) FROM read_parquet(?, union_by_name = true)", [paths]).fetchall() == [(5,)]


def test_a_file_without_rows_is_accepted(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "energy_samples", [])
    build(tmp_path)
    assert query(tmp_path, "SELECT n_files, n_landed FROM ops.landing_days ORDER BY dataset") == [(1, 0), (1, 1)]
    assert query(tmp_path, "SELECT path FROM ops.lake_files") == []


def test_progress_is_told_up_to_the_last_row(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "energy_samples", energy_rows(RUN, range(5)))
    told: list[tuple[str, int, int]] = []
    with writing(tmp_path) as con:
        files = landing.scan_day(tmp_path / "landing", DAY)
        lake.build_day(con, Warehouse(tmp_path), DAY, files, lambda *step: told.append(step))
    assert told == [("energy_samples", 5, 5)]


# ---- a build that ends badly


def test_a_failed_build_leaves_nothing_and_the_next_repairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "energy_samples", energy_rows(RUN, [0, 1]))
    build(tmp_path)
    before = content(tmp_path)
    drop(tmp_path, "energy_samples", energy_rows(RUN, [0, 1, 2, 3])[2:])
    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk full; free space and run again") as full:
        patched.setattr(pq.ParquetWriter, "write_table", _disk_full)
        build(tmp_path)
    assert full.value.errno == errno.ENOSPC
    assert "energy_samples" in str(full.value)
    assert content(tmp_path) == before
    assert list((tmp_path / "lake").rglob("*.tmp")) == []
    build(tmp_path)
    assert column(lake_samples(tmp_path), "pkg_energy_uj") == [0, 1, 2, 3]


def _disk_full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "Error writing bytes to file")


def test_what_a_killed_build_left_is_overwritten(tmp_path: Path) -> None:
    for leftover in ("lake/energy_samples/date=2026-01-21/building.tmp", ".tmp/spread/0.parquet"):
        (tmp_path / leftover).parent.mkdir(parents=True)
        (tmp_path / leftover).write_bytes(b"half a file")
    stored = energy(tmp_path, energy_rows(RUN, [0, 1]))
    assert len(stored) == 2
    assert list((tmp_path / "lake").rglob("*.tmp")) == []
    assert not (tmp_path / ".tmp" / "spread").exists()


def test_a_damaged_page_sets_the_whole_file_aside(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    good = energy_rows(RUN, [0, 1, 2])
    drop(tmp_path, "energy_samples", good)
    values = random.Random(0).choices(range(RANGE_UJ), k=2_000)
    bad = drop(tmp_path, "energy_samples", energy_rows(RUN, values))
    content_of = bytearray(bad.read_bytes())
    chunk = pq.ParquetFile(bad).metadata.row_group(0).column(3)
    offset = chunk.data_page_offset + chunk.total_compressed_size // 2
    content_of[offset : offset + 400] = bytes(400)
    bad.write_bytes(content_of)
    build(tmp_path)
    assert column(lake_samples(tmp_path), "pkg_energy_uj") == [0, 1, 2]
    [(path, reason, n_rows)] = query(
        tmp_path, "SELECT path, reason, n_rows FROM ops.landing_files WHERE status = 'quarantined'"
    )
    assert path.endswith(bad.name)
    assert reason.startswith("no readable Parquet file")
    assert n_rows is None
    assert query(tmp_path, "SELECT n_files, n_landed FROM ops.landing_days WHERE dataset = 'energy_samples'") == [
        (1, 3)
    ]


# ---- garbage


def test_replaced_files_stay_a_week_after_they_were_last_listed(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "energy_samples", energy_rows(RUN, [0, 1]))
    build(tmp_path)
    [old] = _lake_parquet(tmp_path)
    os.utime(old, (0, 0))  # written long ago, and listed until now
    drop(tmp_path, "energy_samples", energy_rows(RUN, [0, 1, 2]))
    build(tmp_path)
    [new] = set(_lake_parquet(tmp_path)) - {old}
    stale = new.parent / "building.tmp"
    stale.write_bytes(b"half")
    with writing(tmp_path) as con:
        assert lake.collect_garbage(con, Warehouse(tmp_path)) == []
    for path in (old, new, stale):
        os.utime(path, (0, 0))
    with writing(tmp_path) as con:
        deleted = lake.collect_garbage(con, Warehouse(tmp_path))
    assert sorted(deleted) == sorted(path.relative_to(tmp_path / "lake").as_posix() for path in (old, stale))
    assert _lake_parquet(tmp_path) == [new]
    assert new.stat().st_mtime > 0


def test_files_that_the_published_snapshot_lists_are_kept(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "energy_samples", energy_rows(RUN, [0, 1]))
    build(tmp_path)
    Warehouse(tmp_path).publish("code")
    [old] = _lake_parquet(tmp_path)
    drop(tmp_path, "energy_samples", energy_rows(RUN, [0, 1, 2]))
    build(tmp_path)
    os.utime(old, (0, 0))
    with writing(tmp_path) as con:
        assert lake.collect_garbage(con, Warehouse(tmp_path)) == []
    assert old.exists()


def _lake_parquet(home: Path) -> list[Path]:
    return sorted((home / "lake" / "energy_samples" / f"date={DAY}").glob("*.parquet"))


# ---- the example stores


def test_the_wrapped_runs_of_the_example_stores_have_their_energy(tmp_path: Path, example_landing: Path) -> None:
    """host_a.db run 3 and host_b.db run 6, whose package counter wraps: A-LEMS says 0 J of both."""
    shutil.copytree(example_landing, tmp_path / "landing")
    build(tmp_path)
    last: dict[int, dict[str, Any]] = {row["run_id"]: row for row in lake_samples(tmp_path)}
    energies = {
        (host, source_run_id): tuple(
            last[run_id][f"{domain}_energy_uj"] for domain in ("pkg", "core", "uncore", "dram")
        )
        for host, source_run_id, run_id in query(tmp_path, "SELECT host, source_run_id, run_id FROM stage.runs")
    }
    assert len(energies) == 40
    a_last = 21_821_795 - 262_121_886_162 + RANGE_UJ  # from the store: last reading, first reading, one range
    assert energies["lab-laptop-a", "3"] == (
        a_last,
        66_237_899_052 - 66_211_075_273,
        1_001_747_192 - 1_001_314_761,
        None,
    )
    b_last = 41_163_027 - 262_101_771_233 + RANGE_UJ
    assert energies["lab-laptop-b", "6"] == (
        b_last,
        45_920_084_413 - 45_868_798_006,
        1_003_679_738 - 1_002_852_929,
        None,
    )
    assert query(tmp_path, "SELECT sum(n_wraps), sum(n_gaps), sum(n_resets) FROM stage.energy_sampling") == [(2, 0, 0)]
