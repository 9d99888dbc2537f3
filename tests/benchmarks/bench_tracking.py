"""An MLflow store of a million metric values: importing it, importing nothing new, and all runs with all their keys.

The store's tables are made by MLflow; its rows are written into them directly, which takes seconds instead of hours.
"""

import random
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi

from alems_pipeline.warehouse import connect_published
from collectors.sources.mlflow_store import import_store
from tests.benchmarks.figures import Figure, ratio, seconds, timed, times
from tests.warehouses import materialize

START_MS = 1_772_366_400_000  # 2026-03-01T12:00Z
KEYS = 25  # parameters of a run, and as many metrics
REPEATS = 5


def figures(small: bool) -> list[Figure]:
    """Import of 1,000 runs with 1,000 values each; then 10,000 runs with 50 keys each as columns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty = folder / "empty.db"
        _new_store(empty)
        return [*_importing(empty, folder, 50 if small else 1_000), *_wide(empty, folder, 200 if small else 10_000)]


def _importing(empty: Path, folder: Path, n_runs: int) -> list[Figure]:
    store = Path(shutil.copy(empty, folder / "metrics.db"))
    _fill(store, n_runs, n_params=10, n_metrics=10, n_steps=100)
    n_rows = n_runs * 1_000
    url = f"sqlite:///{store}"
    # In turns: what else the machine does slows both.
    pairs = [
        (timed(lambda: _bare_read(store)), timed(lambda n=n: import_store(url, folder / f"landing-{n}" / "landing")))
        for n in range(REPEATS)
    ]
    bare_s, import_s = (min(each) for each in zip(*pairs, strict=True))
    again_s = min(times(lambda: import_store(url, folder / "landing-0" / "landing"), REPEATS))
    long_s, n_long = _one_long_run(empty, folder, n_rows)
    assert n_long == n_rows
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        ratio(f"{n_rows:,} metric values imported from SQLite, with their runs", import_s, bare_s, 2, peak_mib),
        Figure(f"a metric with {n_rows:,} steps imported", f"{long_s:.2f} s"),
        seconds("the same store again, with nothing new", again_s, 1.0),
    ]


def _one_long_run(empty: Path, folder: Path, n_steps: int) -> tuple[float, int]:
    store = Path(shutil.copy(empty, folder / "long.db"))
    _fill(store, 1, n_params=1, n_metrics=1, n_steps=n_steps)
    started = time.perf_counter()
    summary = import_store(f"sqlite:///{store}", folder / "long" / "landing")
    return time.perf_counter() - started, summary.rows["metrics"]


def _wide(empty: Path, folder: Path, n_runs: int) -> list[Figure]:
    store = Path(shutil.copy(empty, folder / "wide.db"))
    _fill(store, n_runs, n_params=KEYS, n_metrics=KEYS, n_steps=1)
    home = folder / "wide"
    import_store(f"sqlite:///{store}", home / "landing")
    materialize(home)
    with connect_published(home / "alems.duckdb") as con:
        read = lambda: con.sql("SELECT * FROM mlflow.v_runs_wide").to_arrow_table()  # noqa: E731
        table = read()
        assert (table.num_rows, table.num_columns) == (n_runs, 9 + 2 * KEYS)
        wide_s = min(times(read, REPEATS))
        cookbook_s = min(times(lambda: con.execute("FROM mlflow.best_runs('m1')").fetchall(), REPEATS))
    search_s = timed(lambda: _search_runs(store, n_runs))
    found = seconds(f"v_runs_wide, {n_runs:,} runs × {2 * KEYS} keys", wide_s, 0.5)
    return [
        Figure(
            found.name, found.measured, found.target, f"{search_s:.2f} s mlflow.search_runs", found.memory, found.met
        ),
        seconds(f"best run of each experiment of {n_runs:,} runs", cookbook_s, 0.5),
    ]


def _bare_read(store: Path) -> None:
    with adbc_driver_sqlite.dbapi.connect(f"file:{store}?mode=ro") as con, con.cursor() as cursor:
        cursor.execute("SELECT * FROM metrics")
        cursor.fetch_arrow_table()


def _search_runs(store: Path, n_runs: int) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{store}")
    runs = mlflow.search_runs(search_all_experiments=True, max_results=n_runs, output_format="list")
    assert len(runs) == n_runs


def _new_store(path: Path) -> None:
    from mlflow.tracking import MlflowClient

    MlflowClient(f"sqlite:///{path}").create_experiment("bench", (path.parent / "artifacts").as_uri())


def _fill(store: Path, n_runs: int, *, n_params: int, n_metrics: int, n_steps: int) -> None:
    dice = random.Random(7)
    runs = [f"{dice.getrandbits(128):032x}" for _ in range(n_runs)]
    end_ms = START_MS + n_steps

    def values() -> Iterator[tuple[Any, ...]]:
        for run in runs:
            for step in range(n_steps):
                for metric in range(n_metrics):
                    yield f"m{metric}", dice.random(), START_MS + step, run, step, 0

    with closing(sqlite3.connect(store)) as con, con:
        con.executemany(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, experiment_id, "
            f"artifact_uri) VALUES (?, 'run', 'me', 'FINISHED', {START_MS}, {end_ms}, 'active', 1, 'file:///none')",
            [(run,) for run in runs],
        )
        con.executemany(
            "INSERT INTO params VALUES (?, ?, ?)",
            ((f"p{n}", f"{dice.random():.6f}", run) for run in runs for n in range(n_params)),
        )
        con.executemany(
            "INSERT INTO tags VALUES (?, ?, ?)",
            ((f"mlflow.{key}", f"{key} of {run}", run) for run in runs for key in ("runName", "user", "source.name")),
        )
        con.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", values())
        con.execute(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
            f"SELECT key, value, timestamp, step, is_nan, run_uuid FROM metrics WHERE step = {n_steps - 1}"
        )
