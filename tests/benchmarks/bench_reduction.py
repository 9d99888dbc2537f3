"""The reduction of energy samples to runs and events, against the bare aggregate of the same Parquet files.

`measure(rows)` makes a day of the lake and runs each way in a process of its own, which tells its time and peak memory.
`python -m tests.benchmarks.bench_reduction 50000000` prints the measurements for a size of one's own.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Final, TypedDict

import duckdb
import scipy.stats  # noqa: F401 — as DuckDB and Polars: loaded before the clock starts, though the build does it on demand

from alems_pipeline import build, sql_files
from alems_pipeline.lake_files import lake_schema, write_empty_files
from alems_pipeline.warehouse import Warehouse
from collectors.contract import SAMPLE_DATASETS
from tests.benchmarks.figures import Figure, ratio, seconds

SAMPLES_PER_RUN: Final = 6_250
RUN_SPACING_NS: Final = 70_000_000_000
FIRST_NS: Final = 1_769_000_000_000_000_000
FIRST_RUN_ID: Final = 500_000_000_000_000
DAY: Final = date(2026, 1, 21)
EVENTS_PER_RUN: Final = 10
RUNS_PER_EXPERIMENT: Final = 20
REPEATS: Final = 3

# As the warehouse opens its build file, so that the figures are those of the pipeline.
CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "1GiB",
    "threads": 2,
    "preserve_insertion_order": False,
}


class Measurement(TypedDict):
    """What one process measured of itself."""

    seconds: float
    peak_mib: float


def figures(small: bool) -> list[Figure]:
    """The rows of the benchmark table."""
    rows = 200_000 if small else 50_000_000
    measured = measure(rows)
    bare_s = measured["bare"]["seconds"]

    def against_bare(what: str, way: str, target: float) -> Figure:
        return ratio(what, measured[way]["seconds"], bare_s, target, measured[way]["peak_mib"])

    audit = measured["audit"]
    return [
        against_bare(f"reduce {rows / 1e6:g} M samples to runs, with bounds", "runs", 1.2),
        against_bare("… with gaps and coverage", "gaps", 2.0),
        against_bare(f"… and {EVENTS_PER_RUN} events a run", "events", 2.0),
        Figure(
            "count samples for the checks",
            f"{audit['seconds'] / bare_s:.2f} × ({audit['seconds']:.3f} s)",
            bare=f"{bare_s:.3f} s",
            memory=f"{audit['peak_mib']:.0f} MiB",
        ),
        against_bare(f"from samples to every energy table and view, {rows // SAMPLES_PER_RUN:,} runs", "graph", 2.5),
        seconds("one run's samples out of 365 days", measure_one_run(100 if small else 20_000), 0.05),
    ]


def measure(rows: int) -> dict[str, Measurement]:
    """Each way's best of a few runs, taken in turns."""
    with tempfile.TemporaryDirectory() as folder:
        make_day(Path(folder), rows)
        best: dict[str, Measurement] = {}
        for _ in range(REPEATS):
            for way in WAYS:
                measured = _in_a_process(way, Path(folder))
                if way not in best or measured["seconds"] < best[way]["seconds"]:
                    best[way] = measured
        return best


def measure_one_run(rows_per_day: int) -> float:
    """Median seconds to get one run's samples through the view over 365 daily files, each time on a new connection."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [make_lake_file(Path(folder), day, rows_per_day) for day in range(365)]
        database = Path(folder) / "warehouse.duckdb"
        [view] = [file for file in sql_files.layer_files("views") if file.name == "energy_samples"]
        with duckdb.connect(str(database)) as con:
            sql_files.run(con, view, lambda dataset: [str(path) for path in paths])
        times = []
        for day in range(20, 340, 40):
            with duckdb.connect(str(database), read_only=True) as con:
                run_id = FIRST_RUN_ID + day * 1_000_000
                began = time.perf_counter()
                rows = con.execute(
                    "SELECT timestamp_ns, pkg_energy_uj FROM energy_samples WHERE run_id = ? ORDER BY timestamp_ns",
                    [run_id],
                ).fetchall()
                times.append(time.perf_counter() - began)
                assert len(rows) == min(rows_per_day, SAMPLES_PER_RUN)
        return statistics.median(times)


# The day


def make_lake_file(folder: Path, day: int, rows: int) -> Path:
    """A day's lake file: runs of SAMPLES_PER_RUN samples every 10 ms or so, half a second missing in each."""
    path = folder / "lake" / "energy_samples" / f"date={DAY + timedelta(days=day)}" / "samples.parquet"
    path.parent.mkdir(parents=True)
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute(
            f"""
            COPY (
                SELECT
                    {FIRST_RUN_ID} + {day} * 1000000 + i // {SAMPLES_PER_RUN} AS run_id,
                    i % {SAMPLES_PER_RUN} + 1 AS sample_id,
                    {FIRST_NS} + {day} * 86400000000000 + (i // {SAMPLES_PER_RUN}) * {RUN_SPACING_NS}
                        + (k + CASE WHEN k >= 3000 THEN 50 ELSE 0 END) * 10000000
                        + (hash(i) % 400000)::BIGINT AS timestamp_ns,
                    (k * 100000 + hash(i, 1) % 90000)::BIGINT AS pkg_energy_uj,
                    (k * 50000 + hash(i, 2) % 40000)::BIGINT AS core_energy_uj,
                    (k * 1000 + hash(i, 3) % 900)::BIGINT AS uncore_energy_uj,
                    (k * 9000 + hash(i, 4) % 900)::BIGINT AS dram_energy_uj,
                    NULL::BIGINT AS psys_energy_uj,
                    NULL::BIGINT AS model_energy_uj,
                    CASE WHEN k = 3000 THEN 510000000 END::BIGINT AS gap_ns,
                    NULL::BOOLEAN AS is_reset
                FROM (SELECT i, i % {SAMPLES_PER_RUN} AS k FROM range({rows}) AS numbers (i))
            ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
            """
        )
    return path


def make_day(folder: Path, rows: int) -> None:
    """A day of the lake, and a database with what stands in the stage tables beside it."""
    path = make_lake_file(folder, 0, rows)
    write_empty_files(folder / "lake")
    with duckdb.connect(str(folder / "made.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        build.prepare(con)
        con.execute(
            f"""
            INSERT INTO ops.lake_files BY NAME
            SELECT 'energy_samples' AS dataset, DATE '{DAY}' AS landing_date, {rows} AS n_rows, 0 AS bytes,
                '{path.relative_to(folder / "lake")}' AS path, []::VARCHAR[] AS source_files;

            CREATE TEMP TABLE run_times AS
            SELECT run_id, count(*) AS n_samples, min(timestamp_ns) AS first_ns, max(timestamp_ns) AS last_ns
            FROM read_parquet('{path}')
            GROUP BY run_id;

            INSERT INTO ops.day_builds VALUES (DATE '{DAY}', '{build.DAY_CODE}', now());

            INSERT INTO stage.runs BY NAME
            SELECT run_id, run_id AS run_key, 'bench' AS source_system, 'lab' AS host, now() AS recorded_at,
                run_id::VARCHAR AS source_run_id, 1 AS hw_id, 'idle' AS baseline_id, 'completed' AS status,
                n // {RUNS_PER_EXPERIMENT} AS exp_key, n % {RUNS_PER_EXPERIMENT} // 2 AS run_number,
                CASE n % 2 WHEN 0 THEN 'linear' ELSE 'agentic' END AS workflow_type,
                first_ns + 5000000 AS start_time_ns, last_ns - 5000000 AS end_time_ns, DATE '{DAY}' AS landing_date
            FROM (SELECT *, row_number() OVER (ORDER BY run_id) - 1 AS n FROM run_times);

            INSERT INTO stage.experiments BY NAME
            SELECT exp_key, 'bench' AS source_system, 'lab' AS host, now() AS recorded_at,
                exp_key::VARCHAR AS source_exp_id, 'bench' AS name, 'US' AS country_code, 'model' AS model_name,
                'task' || exp_key % 12 AS task_name, 'provider' || exp_key % 3 AS provider, DATE '{DAY}' AS landing_date
            FROM (SELECT DISTINCT exp_key FROM stage.runs);

            INSERT INTO stage.hardware_config BY NAME
            SELECT 1 AS hw_id, 'bench' AS source_system, 'lab' AS host, now() AS recorded_at, 'x' AS hardware_hash,
                'lab' AS hostname, DATE '{DAY}' AS landing_date;

            INSERT INTO stage.idle_baselines BY NAME
            SELECT 'idle' AS baseline_id, 'bench' AS source_system, 'lab' AS host, now() AS recorded_at, 1 AS hw_id,
                0.0 AS timestamp, 1.0 AS package_power_watts, 0.5 AS core_power_watts, 0.1 AS uncore_power_watts,
                0.1 AS dram_power_watts, 0.1 AS package_std, 30 AS sample_count, DATE '{DAY}' AS landing_date;

            INSERT INTO stage.llm_interactions BY NAME
            SELECT run_id, run_key, k::VARCHAR AS source_interaction_id, 100 AS prompt_tokens, 10 AS completion_tokens,
                900.0 AS api_latency_ms, 100.0 AS local_compute_ms, 800.0 AS non_local_ms, landing_date
            FROM stage.runs, range(3) AS numbers (k);

            INSERT INTO stage.energy_sampling BY NAME
            SELECT run_id, DATE '{DAY}' AS landing_date, n_samples, 1 AS n_packages, first_ns, last_ns,
                10000000 AS median_interval_ns, 10400000 AS max_interval_ns, 100000000 AS gap_threshold_ns,
                1 AS n_gaps, 510000000 AS gap_ns,
                0 AS n_wraps, 0 AS n_resets, 0 AS n_hidden_wrap_gaps, ['pkg', 'core', 'uncore', 'dram'] AS domains
            FROM run_times;

            INSERT INTO stage.energy_gaps BY NAME
            SELECT run_id, DATE '{DAY}' AS landing_date, timestamp_ns - gap_ns AS from_ns, timestamp_ns AS to_ns,
                false AS is_reset
            FROM read_parquet('{path}')
            WHERE gap_ns IS NOT NULL;

            CREATE TABLE bench_events AS
            SELECT run_id, run_id AS run_key, k AS step_index, 'execution' AS phase, 'tool_call' AS event_type,
                start_time_ns + k * ((end_time_ns - start_time_ns) // {EVENTS_PER_RUN}) AS start_time_ns,
                start_time_ns + (k + 1) * ((end_time_ns - start_time_ns) // {EVENTS_PER_RUN}) AS end_time_ns,
                landing_date
            FROM stage.runs, range({EVENTS_PER_RUN}) AS numbers (k);
            """
        )


# The ways, each in a process of its own


def _in_a_process(way: str, folder: Path) -> Measurement:
    output = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_reduction", way, str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    measured: Measurement = json.loads(output)
    return measured


def _bare(con: duckdb.DuckDBPyConnection) -> None:
    differences = ", ".join(
        f"arg_max({d}_energy_uj, timestamp_ns) - arg_min({d}_energy_uj, timestamp_ns) AS {d}_energy_uj"
        for d in ("pkg", "core", "uncore", "dram")
    )
    con.execute(f"CREATE TEMP TABLE o AS SELECT run_id, {differences} FROM day_energy_samples GROUP BY run_id")


def _runs(con: duckdb.DuckDBPyConnection) -> None:
    _day_files(con, "run_edges", "edge_gpu_counters", "edge_counters", "run_energy")


def _gaps(con: duckdb.DuckDBPyConnection) -> None:
    _day_files(con, "run_edges", "run_gaps", "edge_gpu_counters", "edge_counters", "run_energy")


def _events(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO stage.orchestration_events BY NAME SELECT * FROM bench_events")
    _day_files(con, "run_edges", "run_gaps", "edge_gpu_counters", "edge_counters", "run_energy", "event_energy")


def _audit(con: duckdb.DuckDBPyConnection) -> None:
    _day_files(con, "sample_audit")


def _graph(con: duckdb.DuckDBPyConnection) -> None:
    """All figures of a day of samples, and all energy tables and views from them; in one transaction, as it is built.

    What the checks count of the samples is the way "audit".
    """
    con.execute("BEGIN")
    con.execute("INSERT INTO stage.orchestration_events BY NAME SELECT * FROM bench_events")
    energy = energy_domain()
    _day_files(con, *(file.name for file in energy if file.layer == "day"))
    [(path,)] = con.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchall()
    for layer in build.TABLE_LAYERS:
        build.build_tables(con, Warehouse(Path(path).parent), [file for file in energy if file.layer == layer])
    con.execute("COMMIT")


def energy_domain() -> list[sql_files.SqlFile]:
    """The files that make the tables and views of energy, and those that these read; each after what it reads."""
    files = [file for layer in ("day", *build.TABLE_LAYERS) for file in sql_files.layer_files(layer)]
    needed: set[str] = set()
    for file in reversed(files):
        if (file.schema == "main" and file.group is None and file.layer != "day") or file.qualified_name in needed:
            needed |= {file.qualified_name, *(sql_files.qualified(name) for name in file.depends)}
    return [file for file in files if file.qualified_name in needed]


def _day_files(con: duckdb.DuckDBPyConnection, *names: str) -> None:
    for file in sql_files.layer_files("day"):
        if file.name in names:
            sql_files.run(con, file)


WAYS: Final[dict[str, Callable[[duckdb.DuckDBPyConnection], None]]] = {
    "bare": _bare,
    "runs": _runs,
    "gaps": _gaps,
    "events": _events,
    "audit": _audit,
    "graph": _graph,
}


def _measure_one(way: str, folder: Path) -> Measurement:
    database = shutil.copy(folder / "made.duckdb", folder / "build.duckdb")
    with duckdb.connect(database, config={**CONFIG, "temp_directory": str(folder / "spill")}) as con:
        con.execute("SET TimeZone = 'UTC'")
        for dataset in SAMPLE_DATASETS:
            columns = ", ".join(f"NULL::{_sql_type(str(f.type))} AS {f.name}" for f in lake_schema(dataset))
            con.execute(f"CREATE TEMP VIEW day_{dataset.name} AS SELECT {columns} LIMIT 0")
        path = next((folder / "lake").rglob("samples.parquet"))
        con.execute(f"CREATE OR REPLACE TEMP VIEW day_energy_samples AS SELECT * FROM read_parquet('{path}')")
        con.execute(f"SET VARIABLE day = DATE '{DAY}'")
        began = time.perf_counter()
        WAYS[way](con)
        elapsed = time.perf_counter() - began
    return {"seconds": elapsed, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _sql_type(arrow_type: str) -> str:
    return {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN"}[arrow_type]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(_measure_one(sys.argv[1], Path(sys.argv[2]))))
    else:
        measurements = measure(int(sys.argv[1]))
        for name, values in measurements.items():
            share = values["seconds"] / measurements["bare"]["seconds"]
            print(f"{name:8} {values['seconds']:8.3f} s {share:6.2f} × {values['peak_mib']:7.0f} MiB")
