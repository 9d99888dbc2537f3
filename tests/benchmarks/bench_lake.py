"""A landed day into the lake, against a bare DuckDB sort-and-copy; and a new day into a full warehouse.

`run(rows)` measures each shape of landing in processes of their own, which tell their time and peak memory.
`python -m tests.benchmarks.bench_lake 10000000` prints the measurements for a size of one's own.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from alems_pipeline import lake, landing
from alems_pipeline.warehouse import Warehouse
from collectors.contract import ENERGY_SAMPLES
from tests.benchmarks.figures import Figure, ratio
from tests.unit import landing_data

SAMPLES_PER_RUN: Final = 40_000
SHAPES: Final = {
    "ordered": "a file per run, in order",
    "shuffled": "every file holds rows of all runs",
    "one_run": "one run of all rows",
    "two_packages": "two CPU packages",
    "twice": "every file twice",
}
TARGET: Final = 2.5
REPEATS: Final = 3


def figures(small: bool) -> list[Figure]:
    """What `make bench` shows."""
    rows = 200_000 if small else 10_000_000
    measured = run(rows)
    days = 10 if small else 365
    new_day = run_new_day(SAMPLES_PER_RUN // 10 if small else SAMPLES_PER_RUN, days)
    return [
        ratio(f"landing → lake, {SHAPES[shape]}", one["seconds"], one["bare_seconds"], TARGET, one["peak_mib"])
        for shape, one in measured.items()
    ] + [
        ratio(f"a new day into {days} days, against an empty warehouse", new_day["full"], new_day["empty"], 1.2),
    ]


def run(rows: int, shapes: tuple[str, ...] = tuple(SHAPES)) -> dict[str, dict[str, float]]:
    """By shape: seconds, bare_seconds, ratio, peak_mib, bare_peak_mib; the best of a few, taken in turns."""
    found = {}
    for shape in shapes:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            make_landing(home, rows, shape)
            times: dict[str, list[dict[str, float]]] = {"bare": [], "build": []}
            for _ in range(REPEATS):
                for way, measured in times.items():
                    measured.append(_in_a_process(way, home))
            bare, ours = (min(measured, key=lambda one: one["seconds"]) for measured in times.values())
            found[shape] = {
                **ours,
                "bare_seconds": bare["seconds"],
                "bare_peak_mib": bare["peak_mib"],
                "ratio": ours["seconds"] / bare["seconds"],
            }
    return found


def run_new_day(rows: int, n_days: int) -> dict[str, float]:
    """Median seconds to build a day in a warehouse of so many days ("full"), and in an empty one ("empty")."""
    medians = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, days in (("empty", 0), ("full", n_days)):
            home = Path(folder) / name
            for number in range(days):
                make_landing(home, 200, "ordered", landing_data.DAY - timedelta(days=number + 1))
                landing_data.build(home, landing_data.DAY - timedelta(days=number + 1))
            make_landing(home, rows, "ordered")
            times = [_build(home) for _ in range(2 * REPEATS + 1)]
            medians[name] = sorted(times)[REPEATS]
    return medians


def make_landing(home: Path, rows: int, shape: str, day: date = landing_data.DAY) -> None:
    """A day of runs whose three counters wrap, 10 ms between samples, as a collector drops them."""
    rng = np.random.default_rng(1)
    packages = 2 if shape == "two_packages" else 1
    per_run = rows if shape == "one_run" else min(SAMPLES_PER_RUN, rows)
    start_ns = landing_data.START_NS + (day - landing_data.DAY).days * 86_400_000_000_000
    runs, tables = [], []
    for number in range(max(1, rows // per_run)):
        # Runs overlap, as those of many hosts do: a day has too little time for as many in a row.
        of_run = landing_data.run(str(number), start_ns + number * 100_000_000, seconds=per_run / packages / 100)
        runs.append(of_run)
        tables.append(_samples(rng, of_run, per_run, packages))
    landing_data.drop(home, "runs", runs, day)
    if shape == "shuffled":
        whole = pa.concat_tables(tables).combine_chunks()
        order = rng.permutation(whole.num_rows)
        parts = np.array_split(order, max(1, rows // 500_000))
        tables = [whole.take(pa.array(part)) for part in parts]
    for table in tables * (2 if shape == "twice" else 1):
        landing_data.drop_table(home, "energy_samples", table, day, row_group_size=122_880)


def _samples(rng: np.random.Generator, of_run: dict[str, Any], rows: int, packages: int) -> pa.Table:
    steps = rows // packages
    times = of_run["start_time_ns"] + np.repeat(
        np.arange(steps) * 10_000_000 + rng.integers(0, 200_000, steps), packages
    )
    columns: dict[str, Any] = {
        "run_key": np.full(steps * packages, of_run["run_key"]),
        "timestamp_ns": times,
        "package_index": np.tile(np.arange(packages), steps),
    }
    for divisor, domain in ((1, "pkg"), (4, "core"), (7, "uncore")):
        readings = [
            int(rng.integers(0, landing_data.RANGE_UJ)) + np.cumsum(rng.integers(50_000, 400_000, steps) // divisor)
            for _ in range(packages)
        ]
        columns[f"{domain}_energy_uj"] = np.column_stack(readings).ravel() % landing_data.RANGE_UJ
        columns[f"{domain}_range_uj"] = np.full(steps * packages, landing_data.RANGE_UJ)
    n = steps * packages
    schema = pa.schema([(field.name, field.type) for field in ENERGY_SAMPLES.schema])
    return pa.table(
        {f.name: pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema}
    )


def _in_a_process(way: str, home: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_lake", way, str(home)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _bare(home: Path) -> float:
    files = [str(path) for path in sorted((home / "landing" / "energy_samples").rglob("*.parquet"))]
    with duckdb.connect() as con:
        began = time.perf_counter()
        con.execute(
            f"COPY (SELECT * FROM read_parquet({files}, hive_partitioning = false) ORDER BY run_key, timestamp_ns) "
            f"TO '{home / 'bare.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
        )
        return time.perf_counter() - began


def _build(home: Path) -> float:
    """Seconds to make the day anew; its lake files are removed first, so that they are written."""
    for path in (home / "lake").rglob("*.parquet"):
        path.unlink()
    with landing_data.writing(home) as con:
        began = time.perf_counter()
        files = landing.scan_day(home / "landing", landing_data.DAY)
        books = lake.build_day(con, Warehouse(home), landing_data.DAY, files)
        assert not books["energy_samples"].reasons
        return time.perf_counter() - began


def _peak_mib() -> float:
    """This process's peak resident memory; getrusage would tell the parent's where that is greater."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


WAYS: Final = {"bare": _bare, "build": _build}


def main(arguments: list[str]) -> None:
    if arguments[0] in WAYS:
        spent = WAYS[arguments[0]](Path(arguments[1]))
        print(json.dumps({"seconds": spent, "peak_mib": _peak_mib()}))
        return
    for shape, measured in run(int(arguments[0]), tuple(arguments[1:]) or tuple(SHAPES)).items():
        print(shape, {name: round(value, 2) for name, value in measured.items()}, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
