"""Cloud usage at 10 million facts: loading them with their checks, replacing a day, asking the cookbook's queries.

A year of hours of as many hosts as that takes, each a machine, a project and a user of its own: the fewest windows, and
so the most keys, that make that many facts. Every window goes through attribution, power model and carbon intensity.
"""

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import duckdb

from alems_pipeline import build, sql_files
from alems_pipeline.lake_files import write_empty_files
from alems_pipeline.warehouse import Warehouse
from tests.benchmarks.figures import Figure, ratio, seconds, timed
from tests.usage_warehouse import build_usage, usage_checks, usage_days, usage_files

ROWS: Final = 10_000_000
SMALL_ROWS: Final = 100_000
HOURS: Final = 8_760
FIRST: Final = date(2025, 1, 1)
CHANGED: Final = date(2025, 6, 15)
REPEATS: Final = 7

PARAMETERS: Final = {
    "from_utc": "2025-06-01", "to_utc": "2025-07-01", "q_start": "2025-04-01", "q_end": "2025-07-01", "n": 10,
    "machine": "machine1", "group_name": "group1", "project": "project1", "user_id": "user1", "region": "GB",
    "day": "2025-06-15", "year": 2025, "from_day": "2025-06-01", "to_day": "2025-07-01", "pue": 1.4,
    "embodied_g_per_cpu_hour": 0.9,
}  # fmt: skip
COOKBOOK: Final = sorted((sql_files.SQL_ROOT / "cookbook").glob("usage_*.sql"))


def figures(small: bool) -> list[Figure]:
    """The benchmark's rows of the table."""
    found = run(SMALL_ROWS if small else ROWS)
    rows = int(found["rows"])
    return [
        ratio(
            f"{rows:,} usage facts loaded, with checks", found["load_s"], found["bare_insert_s"], 4, found["peak_mib"]
        ),
        seconds("one day of them replaced", found["replace_s"], 1),
        Figure("  of that: the day's windows anew", f"{found['replace_day_s'] * 1000:.0f} ms"),
        Figure("nothing changed", f"{found['unchanged_s'] * 1000:.0f} ms"),
        *(
            seconds(f"cookbook: {name}", value, 0.05)
            for name, value in sorted(found.items(), key=lambda item: -item[1])
            if name.startswith("usage_")
        ),
    ]


def run(rows: int) -> dict[str, float]:
    """Seconds of each step for about that many facts, by name; cookbook queries by the names of their files."""
    hosts = max(1, round(rows / HOURS / 3))
    with tempfile.TemporaryDirectory(prefix="bench-usage-") as folder:
        warehouse = Warehouse(folder)
        stage_year(warehouse, hosts)
        found = {"windows_s": timed(lambda: build_windows(warehouse, year()))}
        found["load_s"] = timed(lambda: load(warehouse))
        found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        found |= bare_insert(warehouse)
        found["unchanged_s"] = timed(lambda: load(warehouse, checks=False))
        change_day(warehouse)
        found["replace_day_s"] = timed(lambda: build_windows(warehouse, [CHANGED]))
        found["replace_s"] = found["replace_day_s"] + timed(lambda: load(warehouse, checks=False))
        with warehouse.write() as con:
            for layer in build.TABLE_LAYERS:  # the rest, which a query or two also reads
                build.build_tables(con, warehouse, [f for f in sql_files.layer_files(layer) if f not in usage_files()])
        build.publish(warehouse)
        return found | cookbook(warehouse.published_path)


def year() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range(HOURS // 24)]


def stage_year(warehouse: Warehouse, hosts: int) -> None:
    """Stage what a year of collections would have left there."""
    with warehouse.write() as con:
        build.prepare(con)
        write_empty_files(warehouse.lake)
        con.execute(
            """
            INSERT INTO stage.cpu_usage BY NAME
            SELECT
                'prometheus' AS source_system,
                'host' || host AS host,
                TIMESTAMPTZ '2026-01-01' AS recorded_at,
                9100 AS port,
                'host' || host || ':9100' AS raw_label,
                'project' || host AS cloud_project_name,
                'machine' || host AS machine_name,
                TIMESTAMPTZ '2025-01-01' + to_hours(hour::INTEGER) AS window_start,
                3600 AS window_s,
                3600.0 * 8 * (0.1 + 0.8 * (hash(host, hour) % 1000) / 1000) AS user_s,
                100.0 AS system_s,
                3600.0 * 8 - user_s - 100 AS idle_s,
                8 AS n_cpus,
                DATE '2025-01-01' + (hour // 24)::INTEGER AS landing_date
            FROM range($hours) AS hours (hour), range($hosts) AS hosts (host)
            """,
            {"hours": HOURS, "hosts": hosts},
        )
        con.execute(
            """
            INSERT INTO stage.workspaces BY NAME
            SELECT
                'workspaces' AS source_system,
                TIMESTAMPTZ '2026-01-01' AS recorded_at,
                'workspace' || host AS workspace_id,
                'CLAIMED' AS state,
                'user' || host AS user_id,
                'host' || host AS host,
                TIMESTAMPTZ '2024-12-01' AS created_at,
                DATE '2024-12-01' AS landing_date
            FROM range($hosts) AS hosts (host)
            """,
            {"hosts": hosts},
        )
        con.execute(
            """
            INSERT INTO stage.usage_directory BY NAME
            SELECT
                'workspaces' AS source_system,
                TIMESTAMPTZ '2026-01-01' AS recorded_at,
                'user' AS kind,
                'user' || host AS user_id,
                'group' || host % 20 AS group_name,
                DATE '2026-01-01' AS landing_date
            FROM range($hosts) AS hosts (host)
            UNION ALL BY NAME
            SELECT
                'workspaces' AS source_system,
                TIMESTAMPTZ '2026-01-01' AS recorded_at,
                'user_project' AS kind,
                'user' || host AS user_id,
                'project' || (host + step) % $hosts AS cloud_project_name,
                DATE '2026-01-01' AS landing_date
            FROM range($hosts) AS hosts (host), range(2) AS steps (step)
            """,
            {"hosts": hosts},
        )
        con.execute(
            """
            INSERT INTO stage.carbon_intensity BY NAME
            SELECT
                'uk-carbon-intensity' AS source_system,
                TIMESTAMPTZ '2026-01-01' AS recorded_at,
                'GB' AS region,
                TIMESTAMPTZ '2025-01-01' + to_minutes(30 * half::INTEGER) AS window_start,
                window_start + INTERVAL 30 MINUTE AS window_end,
                100.0 + half % 200 AS actual_gco2eq_kwh,
                110.0 + half % 190 AS forecast_gco2eq_kwh,
                DATE '2025-01-01' + (half // 48)::INTEGER AS landing_date
            FROM range(2 * $hours) AS halves (half)
            """,
            {"hours": HOURS},
        )


def build_windows(warehouse: Warehouse, days: list[date]) -> None:
    """What `sql/day` makes of the staged windows of these days."""
    for day in days:
        with warehouse.write() as con:
            con.execute(
                "CREATE TEMP TABLE day_cpu_samples (run_id BIGINT, timestamp_ns BIGINT, cpu_util_percent DOUBLE)"
            )
            con.execute(f"SET VARIABLE day = DATE '{day}'")
            for file in usage_days():
                sql_files.run(con, file)


def load(warehouse: Warehouse, *, checks: bool = True) -> None:
    """What the warehouse job does for the tables and views of usage, with the checks that read them."""
    with warehouse.write() as con:
        build_usage(con, warehouse)
    if checks:
        with warehouse.write() as con:
            results = build.run_checks(con, usage_checks())
            failed = [result.summary for result in results if result.blocking and not result.passed]
            assert not failed, failed


def bare_insert(warehouse: Warehouse) -> dict[str, float]:
    """The same rows, ready made, into an empty table without constraints in another file."""
    path = warehouse.home / "bare.duckdb"
    with bare_connection(path) as con:
        con.execute(f"ATTACH '{warehouse.build_path}' AS made (READ_ONLY)")
        [(rows,)] = con.execute("SELECT count(*) FROM made.main.fact_usage").fetchall()
        con.execute("CREATE TABLE bare AS SELECT * FROM made.main.fact_usage LIMIT 0")
        start = perf_counter()
        con.execute("INSERT INTO bare SELECT * FROM made.main.fact_usage")
        found = {"rows": float(rows), "bare_insert_s": perf_counter() - start}
    path.unlink()
    return found


@contextmanager
def bare_connection(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(path), config={"memory_limit": "1GiB", "preserve_insertion_order": False})
    con.execute("SET TimeZone = 'UTC'")
    try:
        yield con
    finally:
        con.close()


def change_day(warehouse: Warehouse) -> None:
    """A correction of one day lands."""
    with warehouse.write() as con:
        con.execute("UPDATE stage.cpu_usage SET user_s = user_s + 1 WHERE landing_date = ?", [CHANGED])


def cookbook(published: Path) -> dict[str, float]:
    """The median time of each query on the published file, opened as an analyst opens it."""
    found = {}
    with duckdb.connect(str(published), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        for path in COOKBOOK:
            query = path.read_text()
            parameters = {name: value for name, value in PARAMETERS.items() if f"${name}" in query}
            asked = partial(con.execute, query, parameters)
            found[path.stem] = median(timed(lambda: asked().fetchall()) for _ in range(REPEATS))  # noqa: B023
    return found
