"""Run conditions: the import of a store, a selection by five conditions, five values of every run, and both beside the
real rcdb package."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from alems_pipeline import conditions
from alems_pipeline.warehouse import Warehouse, connect_published
from tests.benchmarks.figures import Figure, ratio, seconds, times
from tests.condition_stores import declare_tables

TIMES = 7
VALUE_TYPES = ("string", "int", "float", "bool", "time")

# Type 1 is int_1, type 2 float_2 and so on; four of five runs have any one of them.
TIGHT = "int_1 > 100000 and float_2 < 900 and bool_3 and time_4 > '2020-06-01' and string_5 in ['value 1', 'value 2']"
LOOSE = "int_1 > 100000 or float_2 < 900 or bool_3 or string_5 in ['value 1', 'value 2'] or int_6 % 7 == 3"
SHARED = "int_1 > 100000 and float_2 < 900 and bool_3 and string_5 in ['value 1', 'value 2'] and int_6 % 7 == 3"
NAMES = ["int_1", "float_2", "bool_3", "time_4", "string_5"]


def figures(small: bool) -> list[Figure]:
    """What `make bench` shows."""
    measured = run(3_000, 20) if small else run(60_000, 100)
    rows = f"{measured['rows'] / 1e6:.1f} M conditions"
    return [
        seconds(f"import of {rows}, collected and published", measured["import_s"], 60, measured["import_mib"]),
        seconds("… again, nothing new", measured["again_s"], 60),
        seconds("5 conditions joined by and, file opened", measured["select_runs_s"], 0.060),
        seconds("5 conditions joined by or, file opened", measured["select_runs_loose_s"], 0.060),
        seconds("select_values of 5 names, Python rows", measured["select_values_s"], 0.150),
        seconds("two columns of v_run_conditions, file open", measured["wide_s"], 0.100),
        Figure("one run with its conditions", f"{measured['get_run_s'] * 1000:.1f} ms"),
        ratio("select_runs to the rcdb package", measured["shared_runs_s"], measured["rcdb_runs_s"], 1),
        ratio("select_values to the rcdb package", measured["shared_values_s"], measured["rcdb_values_s"], 1),
    ]


def run(runs: int, types: int) -> dict[str, float]:
    """Seconds of each call, opening the file included, the median of several; `rows` is the number of conditions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = folder / "rcdb.sqlite"
        rows = write_store(store, runs, types)
        begun = time.perf_counter()
        path = publish(store, folder / "home")
        measured = {
            "rows": float(rows),
            "import_s": time.perf_counter() - begun,
            "import_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
            "again_s": _median(lambda: publish(store, folder / "home"), n=1),
            "select_runs_s": _median(lambda: conditions.select_runs(TIGHT, warehouse=path)),
            "select_runs_loose_s": _median(lambda: conditions.select_runs(LOOSE, warehouse=path)),
            "select_values_s": _median(lambda: conditions.select_values(NAMES, warehouse=path)),
            "wide_s": _wide(path),
            "get_run_s": _median(lambda: conditions.get_run(7, warehouse=path)),
        }
        # The package has no index on its conditions and evaluates in Python: it is given a twentieth of the runs.
        small_store = folder / "small.sqlite"
        write_store(small_store, max(runs // 20, 100), types)
        return measured | _beside_rcdb(publish(small_store, folder / "small"), small_store)


def publish(store: Path, home: Path) -> Path:
    """What a user does: collect and materialize, in processes of their own. Returns the published file."""
    scripts = Path(sys.executable).parent
    environment = os.environ | {"ALEMS_WAREHOUSE": str(home)}
    for command in (["alems-collect", "rcdb", f"sqlite:///{store}"], ["alems", "materialize"]):
        subprocess.run([scripts / command[0], *command[1:]], env=environment, check=True, stdout=subprocess.DEVNULL)
    return Warehouse(home).published_path


def write_store(store: Path, runs: int, types: int) -> int:
    """A store as the rcdb package makes it, filled by SQL; returns how many conditions it has."""
    from rcdb.model import Base
    from rcdb.provider import RCDBProvider, stamp_schema_version

    provider = RCDBProvider(f"sqlite:///{store}", check_version=False)
    Base.metadata.create_all(provider.engine)
    stamp_schema_version(provider)
    provider.close()
    generated = store.with_name(f"{store.stem}_generated.duckdb")
    rows = generate(generated, runs, types)
    _fill_store(generated, store)
    generated.unlink()
    return rows


def generate(path: Path, runs: int, types: int) -> int:
    """Write a DuckDB file with conditions in the order that the import gives them; returns how many."""
    con = duckdb.connect(str(path), config={"storage_compatibility_version": "v1.5.0"})
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    declare_tables(con)
    con.execute("INSERT INTO rcdb.runs (number) SELECT * FROM range(1, ? + 1)", [runs])
    con.execute(
        """
        INSERT INTO rcdb.condition_types (id, name, value_type)
        SELECT id, $kinds[id % 5 + 1] || '_' || id, $kinds[id % 5 + 1]
        FROM range(1, $types + 1) AS t(id)
        """,
        {"kinds": list(VALUE_TYPES), "types": types},
    )
    con.execute(
        """
        INSERT INTO rcdb.conditions BY NAME
        WITH places AS (
            SELECT run_number, condition_type_id, hash(run_number, condition_type_id) % 1000000 AS number
            FROM range(1, $runs + 1) AS r(run_number), range(1, $types + 1) AS t(condition_type_id)
            WHERE hash(run_number, condition_type_id, 1) % 10 < 8
        )
        SELECT
            row_number() OVER () AS id, run_number, condition_type_id,
            CASE condition_type_id % 5 WHEN 0 THEN 'value ' || number % 50 END AS text_value,
            CASE condition_type_id % 5 WHEN 1 THEN number END AS int_value,
            CASE condition_type_id % 5 WHEN 2 THEN number / 1000.0 END AS float_value,
            CASE condition_type_id % 5 WHEN 3 THEN number % 2 = 0 END AS bool_value,
            CASE condition_type_id % 5 WHEN 4 THEN make_timestamptz(1577836800000000 + number::BIGINT * 100000000)
            END AS time_value,
            make_timestamptz(1577836800000000 + run_number * 1000000) AS created
        FROM places
        ORDER BY condition_type_id, run_number
        """,
        {"runs": runs, "types": types},
    )
    [(rows,)] = con.execute("SELECT count(*) FROM rcdb.conditions").fetchall()
    con.close()
    return int(rows)


def _beside_rcdb(path: Path, store: Path) -> dict[str, float]:
    """The same query on the same conditions, ours and the real package's."""
    from rcdb.provider import RCDBProvider

    provider = RCDBProvider(f"sqlite:///{store}")
    names = [name for name in NAMES if name != "time_4"]  # the package gives texts there
    ours = conditions.select_runs(SHARED, warehouse=path).numbers
    theirs = [run.number for run in provider.select_runs(SHARED).runs]
    if ours != theirs:
        raise AssertionError(f"{SHARED}: {len(ours)} runs here, {len(theirs)} by the rcdb package")
    try:
        return {
            "shared_runs_s": _median(lambda: conditions.select_runs(SHARED, warehouse=path)),
            "shared_values_s": _median(lambda: conditions.select_values(names, SHARED, warehouse=path)),
            "rcdb_runs_s": _median(lambda: provider.select_runs(SHARED), n=1),
            "rcdb_values_s": _median(lambda: provider.select_values(names, SHARED), n=1),
        }
    finally:
        provider.close()


def _fill_store(path: Path, store: Path) -> None:
    con, lite = duckdb.connect(str(path), read_only=True), sqlite3.connect(store)
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")

    def rows(query: str) -> Iterator[tuple[Any, ...]]:
        cursor = con.execute(query)
        while page := cursor.fetchmany(100_000):
            yield from page

    lite.executemany("INSERT INTO runs (number) VALUES (?)", rows("SELECT number FROM rcdb.runs"))
    lite.executemany(
        "INSERT INTO condition_types (id, name, value_type, created) VALUES (?, ?, ?, '2024-01-01 00:00:00')",
        rows("SELECT id, name, value_type FROM rcdb.condition_types"),
    )
    lite.executemany(
        """
        INSERT INTO conditions
            (id, run_number, condition_type_id, text_value, int_value, float_value, bool_value, time_value, created)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, '2024-01-01 00:00:00')
        """,
        rows(
            """
            SELECT id, run_number, condition_type_id, text_value,
                coalesce(int_value, 0), coalesce(float_value, 0), coalesce(bool_value, FALSE),
                strftime(time_value, '%Y-%m-%d %H:%M:%S.%f')
            FROM rcdb.conditions
            """
        ),
    )
    lite.commit()
    lite.close()
    con.close()


def _wide(path: Path) -> float:
    with connect_published(path) as con:
        return _median(lambda: con.execute("SELECT run_number, int_1, float_2 FROM rcdb.v_run_conditions").fetchnumpy())


def _median(work: Callable[[], object], n: int = TIMES) -> float:
    return median(times(work, n))
