"""Lineage of 10,000 runs: how long it takes to make, to check, and to walk from one run up and from one host down.

The runs are the example stores' 40, repeated in the tables that the lineage is made from, each copy with landing
files of its own, as measured runs have them.
"""

import tempfile
from pathlib import Path

import duckdb

from alems_pipeline import sql_files
from alems_pipeline.warehouse import Warehouse
from tests.benchmarks.figures import Figure, seconds, timed, times
from tests.warehouses import land_examples, materialize

REPEATS = 5
COPIES = {
    "main.runs": "run_id + n * 1000 AS run_id, exp_id + n * 1000 AS exp_id",
    "main.experiments": "exp_id + n * 1000 AS exp_id, exp_key + n * 1000 AS exp_key",
    "main.run_grid_factors": "run_id + n * 1000 AS run_id",
    "stage.runs": "run_id + n * 1000 AS run_id, run_key + n * 1000 AS run_key, exp_key + n * 1000 AS exp_key",
    "stage.landing_subjects": "path || n AS path, CASE WHEN dataset IN ('hardware_config', 'environment_config') "
    "THEN subject ELSE coalesce((try_cast(subject AS BIGINT) + n * 1000)::VARCHAR, subject) END AS subject",
    "ops.landing_files": "path || n AS path",
}
"""Tables that grow with the runs, and how a copy's row differs."""


def figures(small: bool) -> list[Figure]:
    """The best of five walks; making and checking once."""
    n_runs = 400 if small else 10_000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        land_examples(home / "landing")
        materialize(home)
        warehouse = Warehouse(home)
        with warehouse.write() as con:
            _multiply(con, n_runs // 40)
            made = [timed(lambda file=file: sql_files.run(con, file)) for file in _files("marts")]
            [check] = _files("checks")
            checked = timed(lambda: con.execute(check.text).fetchall())
        with duckdb.connect(warehouse.build_path, read_only=True) as con:
            run, host = con.execute("SELECT max(run_id)::VARCHAR, min(hw_id)::VARCHAR FROM main.runs").fetchall()[0]
            queries = {
                "lineage_up of a run": f"FROM main.lineage_up('run', '{run}')",
                "lineage_down of a run": f"FROM main.lineage_down('run', '{run}')",
                "lineage_down of a host with half the runs": f"FROM main.lineage_down('hardware', '{host}')",
                "v_run_lineage of a run": f"FROM main.v_run_lineage WHERE id = '{run}'",
            }
            best = {
                name: min(times(lambda query=query: con.sql(query).fetchall(), REPEATS))
                for name, query in queries.items()
            }
            [(n_edges,)] = con.execute("SELECT count(*) FROM main.lineage_edges").fetchall()
    size = f"{n_runs:,} runs, {n_edges:,} steps"
    targets = {"lineage_up of a run": 0.02, "lineage_down of a run": 0.02}
    return [
        seconds(f"nodes and steps made, {size}", sum(made), 2),
        seconds("lineage checked", checked, 1),
        *(seconds(name, value, targets.get(name, 0.5)) for name, value in best.items()),
    ]


def _multiply(con: duckdb.DuckDBPyConnection, copies: int) -> None:
    for table, changed in COPIES.items():
        con.execute(
            f"CREATE TEMP TABLE more AS SELECT source.* REPLACE ({changed}) FROM {table} AS source "
            f"CROSS JOIN range(1, {copies}) AS copies(n)"
        )
        con.execute(f"INSERT INTO {table} SELECT * FROM more")
        con.execute("DROP TABLE more")


def _files(layer: str) -> list[sql_files.SqlFile]:
    return [file for file in sql_files.layer_files(layer) if file.name.startswith("lineage")]
