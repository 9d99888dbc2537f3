"""Every view over 10,000 runs: how long an analyst waits for all its rows.

The runs are the example stores' 40, repeated as other experiments, in a copy of the tables: the views read nothing else
but the samples, whose views are timed elsewhere.
"""

import tempfile
from pathlib import Path

import duckdb

from alems_pipeline import sql_files
from alems_pipeline.warehouse import Warehouse
from tests.benchmarks.figures import Figure, seconds, times
from tests.warehouses import land_examples, materialize

TARGET_S = 0.1
REPEATS = 5
RUN_ID_STEP = 1_000
"""Between the ids of a run's copies; the stores' own ids lie farther apart."""

OF_RUNS = {
    "runs": ("run_id", "exp_id"),
    "experiments": ("exp_id", "exp_key"),
    "event_energy": ("run_id", "event_id"),
    "run_telemetry": ("run_id",),
    "orchestration_events": ("run_id", "event_id"),
    "llm_interactions": ("run_id", "interaction_id"),
    "orchestration_tax_summary": ("linear_run_id", "agentic_run_id", "exp_id", "comparison_id"),
    "run_pairing": ("run_id", "partner_run_id"),
}
"""Tables that grow with the runs, and the ids of theirs that tell the copies apart."""


def figures(small: bool) -> list[Figure]:
    """Each view that reads no samples, all of its rows, the best of five."""
    n_runs = 400 if small else 10_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        land_examples(home / "landing")
        materialize(home)
        warehouse = Warehouse(home)
        with warehouse.write() as con:
            _multiply(con, n_runs // 40)
        with duckdb.connect(warehouse.build_path, read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            views = [f for f in _views() if not _reads_samples(f)]
            best = {view.qualified_name: _best_s(con, view.qualified_name) for view in views}
    slowest = sorted(best, key=lambda name: -best[name])
    return [seconds(f"{name}, {n_runs:,} runs", best[name], TARGET_S) for name in slowest]


def _multiply(con: duckdb.DuckDBPyConnection, copies: int) -> None:
    for table, ids in OF_RUNS.items():
        moved = ", ".join(f"{name} + n * {RUN_ID_STEP} AS {name}" for name in ids)
        con.execute(
            f"CREATE TEMP TABLE more AS SELECT source.* REPLACE ({moved}) FROM main.{table} AS source "
            f"CROSS JOIN range(1, {copies}) AS copies(n)"
        )
        con.execute(f"INSERT INTO main.{table} SELECT * FROM more")
        con.execute("DROP TABLE more")


def _views() -> list[sql_files.SqlFile]:
    return [file for layer in ("marts", "views") for file in sql_files.layer_files(layer) if file.kind == "view"]


def _reads_samples(view: sql_files.SqlFile) -> bool:
    return "{lake:" in view.text or any(name.endswith("_samples") for name in view.depends)


def _best_s(con: duckdb.DuckDBPyConnection, view: str) -> float:
    return min(times(lambda: con.sql(f"SELECT * FROM {view}").to_arrow_table(), REPEATS))
