"""The pipeline as a whole: nothing new, everything again, and a new day in a warehouse that holds a year already."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from alems_pipeline import build
from alems_pipeline.warehouse import Warehouse
from tests.benchmarks.figures import Figure, ratio, seconds
from tests.small_landing import drop_day
from tests.warehouses import build_all_tables, land_examples, materialize


def figures(small: bool) -> list[Figure]:
    """The rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_commands(Path(folder)), *_new_day(Path(folder), 20 if small else 365)]


def _commands(folder: Path) -> list[Figure]:
    """`alems materialize` as a process, on the example stores."""
    home = folder / "examples"
    land_examples(home / "landing")
    everything = _process_s(home)
    nothing = min((_process_s(home) for _ in range(3)), key=lambda times: times[1])
    return [
        seconds("`alems materialize`, everything, example data: process time", everything[0], 10),
        seconds("`alems materialize`, nothing new: wall time", nothing[1], 2),
    ]


def _process_s(home: Path) -> tuple[float, float]:
    """CPU seconds and wall seconds of one `alems materialize`."""
    command = [Path(sys.executable).with_name("alems"), "materialize"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, "ALEMS_WAREHOUSE": str(home)}, check=True, capture_output=True)
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s


def _new_day(folder: Path, n_days: int) -> list[Figure]:
    """A new day with runs into a warehouse of a year, against the same day into an empty one."""
    last = date(2025, 1, 1) + timedelta(days=n_days)
    year = folder / "year"
    for number in range(n_days):
        drop_day(year / "landing", date(2025, 1, 1) + timedelta(days=number))
    materialize(year)
    ours, bare = [], []
    for number in range(5):
        copy = folder / f"copy-{number}"
        shutil.copytree(year, copy, copy_function=os.link)
        for name in ("build.duckdb", "alems.duckdb"):  # written to: not by hard link
            (copy / name).unlink()
            shutil.copyfile(year / name, copy / name)
        ours.append(_materialize_day_s(copy, last))
        bare.append(_materialize_day_s(folder / f"empty-{number}", last))
    return [
        ratio(f"a new day into a warehouse of {n_days} days, as into an empty one: the day", min(o[0] for o in ours),
              min(b[0] for b in bare), 1.2),
        ratio(f"a new day into a warehouse of {n_days} days, as into an empty one: tables and publication too",
              min(sum(o) for o in ours), min(sum(b) for b in bare), 1.2),
    ]  # fmt: skip


def _materialize_day_s(home: Path, day: date) -> tuple[float, float]:
    """Seconds to build one new day, and seconds to build all tables and publish."""
    drop_day(home / "landing", day)
    warehouse = Warehouse(home)
    began = time.perf_counter()
    with warehouse.write() as con:
        plan = build.plan(warehouse, con)
    assert plan.days == [day]
    build.build_days(warehouse, plan.days)
    built = time.perf_counter()
    build_all_tables(warehouse)
    build.publish(warehouse)
    return built - began, time.perf_counter() - built
