"""Usage for tests and benchmarks: rows as collectors drop them, and of the pipeline what makes usage of them.

`UsageTables` puts rows straight into the stage tables of a database in memory, for tests of the SQL. `UsageWarehouse`
drops them into the landing folder of a warehouse and runs the pipeline.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from alems_pipeline import build, sql_files
from alems_pipeline.sql_files import SqlFile
from alems_pipeline.warehouse import Warehouse
from collectors import contract
from collectors.contract import DATASETS
from collectors.drop import drop_rows
from collectors.ids import exp_key, run_key, stable_id
from tests.warehouses import build_landed_days

RECORDED = datetime(2026, 2, 1, tzinfo=UTC)
Row = Mapping[str, Any]


@cache
def usage_files() -> frozenset[SqlFile]:
    """The tables and views of usage, and what they are made from."""
    files = {file.qualified_name: file for layer in build.TABLE_LAYERS for file in sql_files.layer_files(layer)}
    found: set[SqlFile] = set()
    wanted = [file for file in files.values() if file.group == "usage"]
    while wanted:
        file = wanted.pop()
        found.add(file)
        read = (files.get(sql_files.qualified(name)) for name in file.depends)
        wanted += [one for one in read if one is not None and one not in found]
    return frozenset(found)


def usage_days() -> list[SqlFile]:
    """The files that make usage of a landed day."""
    return [file for file in sql_files.layer_files("day") if file.name.startswith("usage_")]


def usage_checks() -> list[SqlFile]:
    """The checks that read usage."""
    return [file for file in sql_files.layer_files("checks") if file.name.startswith("usage_")]


def at(text: str) -> datetime:
    """A time of UTC, e.g. '2026-01-21 12:30'."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Usage(ABC):
    """What lands, and what came out."""

    @abstractmethod
    def drop(self, dataset: str, rows: Sequence[Row], day: date | None = None) -> None:
        """Land rows as a collector does; what every row has need not be given."""

    @abstractmethod
    def build(self) -> None:
        """Make the tables and views of usage from what has landed."""

    @abstractmethod
    def connection(self) -> Any:
        """A context with a connection on which those are."""

    # What lands

    def windows(self, host: str, start: str, *busy_idle: tuple[float, float], **values: Any) -> None:
        """Windows of a host in a row, with busy and idle CPU seconds; of an hour, in GB, unless said otherwise."""
        window_s = values.pop("window_s", 3600)
        first = at(start).timestamp()
        rows = [
            {
                "host": host,
                "window_start": datetime.fromtimestamp(first + position * window_s, UTC),
                "window_s": window_s,
                "user_s": float(busy),
                "system_s": 0.0,
                "idle_s": float(idle),
                "country_code": "GB",
                **values,
            }
            for position, (busy, idle) in enumerate(busy_idle)
        ]
        self.drop("cpu_usage", rows)

    def intensity(self, start: str, *values: float | None, forecast: float | None = None, **columns: Any) -> None:
        """Half-hours of carbon intensity in a row: measured, with one forecast for them all."""
        first = at(start).timestamp()
        rows = [
            {
                "region": "GB",
                "window_start": datetime.fromtimestamp(first + position * 1800, UTC),
                "window_end": datetime.fromtimestamp(first + (position + 1) * 1800, UTC),
                "actual_gco2eq_kwh": value,
                "forecast_gco2eq_kwh": forecast,
                **columns,
            }
            for position, value in enumerate(values)
        ]
        self.drop("carbon_intensity", rows)

    def workspace(self, workspace_id: str, host: str | None, user: str | None, created: str, **values: Any) -> None:
        """A workspace; CLAIMED unless said otherwise."""
        row = {"workspace_id": workspace_id, "host": host, "user_id": user, "created_at": at(created)}
        self.drop("workspaces", [{"state": "CLAIMED", **row, **values}])

    def state(self, kind: str, **values: Any) -> None:
        """A statement of the directory."""
        self.drop("usage_directory", [{"kind": kind, **values}])

    # What came out

    def findings(self) -> dict[str, list[tuple[str, str, int]]]:
        """What each check of usage found: table, problem, rows."""
        with self.connection() as con:
            return {check.name: con.execute(check.text).fetchall() for check in usage_checks()}

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a query."""
        with self.connection() as con:
            cursor = con.execute(sql, parameters)
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def row(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row of a query."""
        [row] = self.rows(sql, parameters)
        return row

    def facts(self, scope: str, *columns: str) -> list[tuple[Any, ...]]:
        """Facts of a scope in order of time and key: the hour, the name of the key, and the columns asked for."""
        name = {
            "ada": "'ada'", "project": "cloud_project_name", "machine": "machine_name", "user": "user_id"
        }[scope]  # fmt: skip
        rows = self.rows(
            f"""
            SELECT hour(ts AT TIME ZONE 'UTC') AS hour, {name} AS name, {", ".join(columns)}
            FROM main.fact_usage
            LEFT JOIN main.dim_project USING (project_id)
            LEFT JOIN main.dim_machine USING (machine_id)
            WHERE scope = '{scope}'
            ORDER BY ts, name
            """
        )
        return [tuple(row.values()) for row in rows]


class UsageTables(Usage):
    """The tables of usage in memory, over stage tables that a test fills."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")
        build.prepare(self.con)
        self.con.execute("CREATE TABLE day_cpu_samples (run_id BIGINT, timestamp_ns BIGINT, cpu_util_percent DOUBLE)")
        self.days: set[date] = set()  # to be built

    def drop(self, dataset: str, rows: Sequence[Row], day: date | None = None) -> None:
        given = [{"source_system": "test", "recorded_at": RECORDED, **row} for row in rows]
        for row in given:
            row["landing_date"] = day or _landing_date(row)
            self.days.add(row["landing_date"])
        names = list(dict.fromkeys(name for row in given for name in row))
        table = pa.table({name: [row.get(name) for row in given] for name in names})
        self.con.register("given", table)
        self.con.execute(f"INSERT INTO stage.{dataset} BY NAME SELECT * FROM given")
        self.con.unregister("given")

    def build(self) -> None:
        for day in sorted(self.days):
            self.con.execute(f"SET VARIABLE day = DATE '{day}'")
            for file in usage_days():
                sql_files.run(self.con, file)
        self.days.clear()
        for layer in build.TABLE_LAYERS:
            for file in sql_files.layer_files(layer):
                if file in usage_files():
                    sql_files.run(self.con, file)

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.con

    def experiment(self, number: int, country: str | None) -> None:
        """An experiment of the live collector on host 'lab', with the country in which it says to be."""
        self.drop(
            "experiments",
            [{"source_system": "alems-collect", "host": "lab", "exp_key": number, "name": str(number),
              "country_code": country}],
        )  # fmt: skip

    def own_run(
        self,
        start: str | datetime,
        seconds: int,
        percent: float,
        *,
        cpus: int | None = 4,
        experiment: int = 1,
        step_ms: int = 1000,
        missing: int | None = None,
    ) -> None:
        """A run that the live collector measured on host 'lab': samples every `step_ms`, but for one position."""
        begin = at(start) if isinstance(start, str) else start
        run_id = stable_id("run", str(begin), str(seconds))
        day, first_ns = begin.date(), int(begin.timestamp()) * 10**9
        hardware = {"source_system": "alems-collect", "host": "lab", "hw_id": 1, "cpu_threads": cpus,
                    "hardware_hash": "class", "hostname": "lab"}  # fmt: skip
        run = {"run_id": run_id, "source_system": "alems-collect", "host": "lab", "hw_id": 1, "exp_key": experiment,
               "start_time_ns": first_ns}  # fmt: skip
        for table, row in (("runs", run), ("hardware_config", hardware)):
            names = ", ".join([*row, "landing_date"])
            marks = ", ".join("?" for _ in [*row, day])
            self.con.execute(f"INSERT INTO stage.{table} ({names}) VALUES ({marks})", [*row.values(), day])
        self.con.execute(
            "INSERT INTO day_cpu_samples SELECT ?, ? + step * ?, ? FROM range(?) AS steps (step) "
            "WHERE step IS DISTINCT FROM ?",
            [run_id, first_ns, step_ms * 10**6, percent, seconds * 1000 // step_ms + 1, missing],
        )
        self.days.add(day)


class UsageWarehouse(Usage):
    """A warehouse folder, its landing filled by a test, with what the pipeline makes of it."""

    def __init__(self, home: Path) -> None:
        self.warehouse = Warehouse(home)

    def drop(self, dataset: str, rows: Sequence[Row], day: date | None = None) -> None:
        by_day: dict[date, list[Row]] = {}
        for row in rows:
            given = {"source_system": "test", "recorded_at": RECORDED, **row}
            by_day.setdefault(day or _landing_date(given), []).append(given)
        for one, given_rows in by_day.items():
            drop_rows(
                self.warehouse.landing, DATASETS[dataset], given_rows, host="collector", producer="tests", date=one
            )

    def build(self) -> None:
        build_landed_days(self.warehouse)
        with self.warehouse.write() as con:
            build_usage(con, self.warehouse)

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.warehouse.write() as con:
            yield con

    def own_run(
        self, name: str, start: str, *, seconds: int, percent: float, gap: tuple[int, int] = (0, 0), delay_ms: int = 0
    ) -> None:
        """A run that the live collector measured on host 'lab', of 4 CPUs; after `gap[0]` seconds none for `gap[1]`."""
        begin = at(start)
        start_ns = int(begin.timestamp()) * 10**9 + delay_ms * 10**6
        key = run_key("alems-collect", "lab", name, start_ns)
        source = {"source_system": "alems-collect", "host": "lab"}
        hw_id = stable_id("class", "lab")
        run = {
            "run_key": key,
            "source_run_id": name,
            "exp_key": exp_key("alems-collect", "lab", "e", None),
            "hw_id": hw_id,
            "workflow_type": "linear",
            "status": "completed",
            "start_time_ns": start_ns,
            "end_time_ns": start_ns + (seconds + gap[1]) * 10**9,
        }
        hardware = {"hw_id": hw_id, "hardware_hash": "class", "hostname": "lab", "cpu_threads": 4}
        self.drop("runs", [source | run], begin.date())
        self.drop("hardware_config", [source | hardware], begin.date())
        samples = []
        for step in range(seconds * 10 + 1):
            late_s = gap[1] if gap[1] and step > gap[0] * 10 else 0
            ns = start_ns + step * 100_000_000 + late_s * 10**9
            samples.append({"run_key": key, "timestamp_ns": ns, "cpu_util_percent": percent})
        drop_rows(
            self.warehouse.landing, contract.CPU_SAMPLES, samples, host="lab", producer="tests", date=begin.date()
        )


def build_usage(con: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    """What the warehouse job does for usage, but for its checks."""
    for layer in build.TABLE_LAYERS:
        build.build_tables(con, warehouse, [file for file in sql_files.layer_files(layer) if file in usage_files()])


def _landing_date(row: Row) -> date:
    """Windows and workspaces land under their day, statements under that of their recording."""
    moment: datetime = next(row[name] for name in ("window_start", "created_at", "recorded_at") if name in row)
    return moment.date()
