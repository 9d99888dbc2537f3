"""It holds: killed, raced, read while publishing, fed in any order, short of disk: the tables come out the same."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from alems_pipeline import build
from alems_pipeline.warehouse import Warehouse, connect_published
from collectors import contract
from collectors.drop import Drop, DropFailed
from tests.small_landing import drop_day, drop_session
from tests.warehouses import (
    alems,
    build_all_tables,
    build_landed_days,
    but_for_files,
    link_landing,
    materialize,
    succeeds,
    table_hashes,
    warehouse_with,
)

DAYS = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 4)]


@pytest.fixture(scope="module")
def undisturbed(three_day_landing: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """The tables of a build that nothing disturbed."""
    home = warehouse_with(three_day_landing, tmp_path_factory.mktemp("undisturbed"))
    materialize(home)
    return table_hashes(Warehouse(home).published_path)


# ---- killed ----------------------------------------------------------------------------------------------------------


def kill_at_random_points(landing: Path, folder: Path, times: int, seed: int) -> Path:
    """Start `alems materialize` and kill it anywhere after its imports, again and again, each time with work to do.

    When a kill comes depends on how long a run takes here and now; one that missed does not count and the next comes
    sooner.
    """
    timed = warehouse_with(landing, folder / "timed")
    began = time.monotonic()
    succeeds(alems(timed, "materialize"))
    run_s = time.monotonic() - began
    randomness = random.Random(seed)
    home = warehouse_with(landing, folder)
    warehouse = Warehouse(home)
    hits = misses = 0
    while hits < times:
        assert misses < 5 * times, f"{misses} kills missed, the last within {run_s:.1f} s"
        if warehouse.build_path.exists() and randomness.random() < 0.5:
            warehouse.build_path.unlink()  # all to do again, beside the lake and the publication that are there
        process = alems(home, "materialize", "--from", "2026-03-01")
        try:
            process.communicate(timeout=randomness.uniform(0.4 * run_s, 0.95 * run_s))
            misses += 1
            run_s *= 0.7
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            hits += 1
        if warehouse.published_path.exists():
            assert sum(rows for rows, _ in table_hashes(warehouse.published_path).values()) > 0
    succeeds(alems(home, "materialize"))
    return home


def test_killed_five_times_ends_as_if_undisturbed(
    three_day_landing: Path, tmp_path: Path, undisturbed: dict[str, tuple[int, int]]
) -> None:
    home = kill_at_random_points(three_day_landing, tmp_path, times=5, seed=11)
    assert table_hashes(Warehouse(home).published_path) == undisturbed


@pytest.mark.soak
def test_killed_fifty_times_ends_as_if_undisturbed(
    three_day_landing: Path, tmp_path: Path, undisturbed: dict[str, tuple[int, int]]
) -> None:
    for round_ in range(10):
        home = kill_at_random_points(three_day_landing, tmp_path / str(round_), times=5, seed=round_)
        assert table_hashes(Warehouse(home).published_path) == undisturbed


# ---- raced -----------------------------------------------------------------------------------------------------------


def test_two_pipelines_started_at_once_both_end_right(
    three_day_landing: Path, tmp_path: Path, undisturbed: dict[str, tuple[int, int]]
) -> None:
    home = warehouse_with(three_day_landing, tmp_path)
    first, second = alems(home, "materialize"), alems(home, "materialize")
    outputs = [succeeds(first), succeeds(second)]
    assert table_hashes(Warehouse(home).published_path) == undisturbed
    waited = [
        output for output in outputs if f"by process {first.pid}" in output or f"by process {second.pid}" in output
    ]
    assert waited, f"neither said that it waited: {outputs}"


# ---- read while publishing -------------------------------------------------------------------------------------------

READER = """
import sys, threading, duckdb
path, stop = sys.argv[1], sys.argv[2]
import os
seen = set()
print("reading", flush=True)
while not os.path.exists(stop):
    con = duckdb.connect(path, read_only=True)
    runs, sampled, published = con.execute(
        "SELECT (SELECT count(*) FROM main.runs), (SELECT count(DISTINCT run_id) FROM main.energy_samples),"
        " (SELECT count(*) FROM ops.publications)").fetchall()[0]
    assert runs == sampled == 2 * published, (runs, sampled, published)
    seen.add(published)
    con.close()
    threading.Event().wait(0.1)  # leave the two cores to the publisher: it is to be disturbed, not starved
print(len(seen), flush=True)
"""


def test_readers_never_see_an_error_or_a_mixed_state_during_twenty_publishes(tmp_path: Path) -> None:
    """Each publication brings one more day with two runs, so that any mix of two states breaks the readers' sums."""
    home, stop = tmp_path / "warehouse", tmp_path / "stop"
    days = [date(2026, 4, 1) + timedelta(days=n) for n in range(21)]
    drop_day(home / "landing", days[0])
    materialize(home)
    published = Warehouse(home).published_path
    holding = connect_published(published)  # an analyst who never closes
    command = [sys.executable, "-c", READER, str(published), str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for reader in readers:
            assert reader.stdout is not None and reader.stdout.readline() == "reading\n"
        for day in days[1:]:
            drop_day(home / "landing", day)
            materialize(home)
        assert holding.execute("SELECT count(*) FROM main.runs").fetchall() == [(2,)]
        assert holding.execute("SELECT count(DISTINCT run_id) FROM main.energy_samples").fetchall() == [(2,)]
    finally:
        stop.touch()
        outputs = [reader.communicate(timeout=30)[0] for reader in readers]
        holding.close()
    assert [reader.returncode for reader in readers] == [0, 0]
    assert all(int(output) > 1 for output in outputs), "the readers saw only one state: nothing was tested"


# ---- fed in any order ------------------------------------------------------------------------------------------------


def test_the_same_landing_twice_and_in_one_go_gives_the_same_tables(
    three_day_landing: Path, tmp_path: Path, undisturbed: dict[str, tuple[int, int]]
) -> None:
    home = warehouse_with(three_day_landing, tmp_path)
    link_landing(three_day_landing, home, prefix="again-")
    link_landing(three_day_landing, home, prefix="0-before-")
    materialize(home)
    assert but_for_files(table_hashes(Warehouse(home).published_path)) == but_for_files(undisturbed)
    with Warehouse(home).read() as con:
        [(landed, stored, duplicate)] = con.execute(
            "SELECT sum(n_landed), sum(n_stored), sum(n_duplicate) FROM ops.landing_days"
        ).fetchall()
    assert landed == 3 * stored and duplicate == 2 * stored


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]], ids=str)
def test_day_by_day_with_a_late_day_gives_the_same_tables(
    three_day_landing: Path, tmp_path: Path, undisturbed: dict[str, tuple[int, int]], order: list[int]
) -> None:
    home = tmp_path / "warehouse"
    for index in order:
        part = tmp_path / f"part-{index}"
        for source in three_day_landing.glob(f"*/date={DAYS[index]}/*.parquet"):
            target = part / source.relative_to(three_day_landing)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
        link_landing(part, home)
        materialize(home)
    assert table_hashes(Warehouse(home).published_path) == undisturbed


def test_samples_that_land_before_their_run_are_held_back_until_it_comes(
    three_day_landing: Path, tmp_path: Path, undisturbed: dict[str, tuple[int, int]]
) -> None:
    home = warehouse_with(three_day_landing, tmp_path)
    late = tmp_path / "late"
    shutil.move(home / "landing" / "runs", late)
    materialize(home)
    with Warehouse(home).read() as con:
        assert con.execute("SELECT count(*) FROM main.runs").fetchall() == [(0,)]
        [(held,)] = con.execute("SELECT sum(n_rows) FROM ops.quarantine WHERE dataset = 'energy_samples'").fetchall()
        assert held == sum(3 * [104 - 1 + 204 - 1]), held
    shutil.move(late, home / "landing" / "runs")
    materialize(home)
    assert table_hashes(Warehouse(home).published_path) == undisturbed


def test_a_day_whose_landing_files_are_gone_is_not_built_without_them(three_day_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(three_day_landing, tmp_path)
    materialize(home)
    before = table_hashes(Warehouse(home).published_path)
    [runs] = (home / "landing" / "runs" / f"date={DAYS[0]}").glob("*.parquet")
    runs.unlink()
    with Warehouse(home).write() as con, pytest.raises(build.LandingIncomplete, match="bring them back"):
        build.plan(Warehouse(home), con, DAYS[0], DAYS[0])
    materialize(home)  # the other days, and nothing else, may be built
    assert table_hashes(Warehouse(home).published_path) == before


# ---- short of disk ---------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A tmpfs of a few MiB; skips where this user may not mount."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small tmpfs needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, leave_kib: int) -> Path:
    """A file that leaves only so much room."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    with filler.open("wb") as file:
        file.write(b"\0" * max(free - leave_kib * 1024, 0))
    return filler


def no_halves(home: Path) -> bool:
    return not [path for path in home.rglob("*") if path.suffix in (".tmp", ".part")]


def test_disk_full_during_a_drop(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        drop = Drop(disk / "landing", contract.INTERRUPT_SAMPLES, host="h", producer="tests", date=DAYS[0])
        rng = random.Random(1)
        n = 50_000
        drop.append({
            "run_key": [1] * n, "timestamp_ns": [rng.getrandbits(60) for _ in range(n)],
            "interrupts_per_sec": [rng.random() for _ in range(n)]})  # fmt: skip
        filler = fill(disk, leave_kib=100)
        with pytest.raises(DropFailed, match="disk full"):
            drop.flush()
        assert not list(disk.rglob("*.parquet")) and no_halves(disk)
        filler.unlink()
        path = drop.flush()
        assert path is not None and path.exists()


def test_disk_full_during_a_lake_write_and_a_publish(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    drop_session(landing, DAYS, pairs_per_day=3)
    reference = warehouse_with(landing, tmp_path / "reference")
    materialize(reference)
    expected = table_hashes(Warehouse(reference).published_path)
    with small_disk(tmp_path / "disk", 250) as disk:
        home = warehouse_with(landing, disk)
        warehouse = Warehouse(home)
        with warehouse.write() as con:
            build.prepare(con)

        filler = fill(disk, leave_kib=16)
        with pytest.raises((OSError, duckdb.Error), match=r"(?i)space|could not write|disk"):
            build.build_days(warehouse, DAYS)
        assert no_halves(home)
        filler.unlink()

        build.build_days(warehouse, DAYS[:2])
        materialize(home)
        before = table_hashes(warehouse.published_path)
        drop_day(home / "landing", date(2026, 3, 5))
        build_landed_days(warehouse)
        build_all_tables(warehouse)
        filler = fill(disk, leave_kib=1500)
        with pytest.raises((OSError, duckdb.Error)):
            build.publish(warehouse)
        assert table_hashes(warehouse.published_path) == before == expected
        assert no_halves(home)
        filler.unlink()
        materialize(home)
        assert table_hashes(warehouse.published_path)["main.runs"][0] == expected["main.runs"][0] + 2
