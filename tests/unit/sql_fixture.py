"""What the tests of sql/ stand on: a small warehouse in memory, and the example stores built by the whole pipeline.

In memory, rows go straight into the stage tables and samples into the lake, so that a test says exactly what there is.
"""

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from alems_pipeline import computed, sql_files, stage, tracked
from alems_pipeline.build import prepare
from alems_pipeline.lake_files import lake_schema
from alems_pipeline.sql_files import SqlFile
from alems_pipeline.warehouse import Warehouse
from collectors.contract import DATASETS, SAMPLE_DATASETS
from collectors.ids import exp_key, run_key, stable_id, time_ordered_id
from tests.warehouses import land_examples, materialize

DATA = Path(__file__).resolve().parent.parent / "data"
DAY = date(2026, 1, 21)
DAY_NS = 1_769_000_000_000_000_000  # 2026-01-21T12:53:20Z
LAYERS = ("day", "core", "marts", "views")
MS = 1_000_000  # ns
SECOND = 1_000_000_000  # ns
RAPL_RANGE_UJ = 262_143_328_850
"""max_energy_range_uj of the example stores' hosts."""

RECORDED = datetime(2026, 1, 22, tzinfo=UTC)
Ints = npt.NDArray[np.int64]


ENERGY_GOALS = (
    "main.ml_features",
    "main.orchestration_analysis",
    "main.research_metrics_view",
    "main.energy_samples_with_power",
    "main.energy_split",
    "main.cpu_samples",
    "main.interrupt_samples",
    "main.thermal_samples",
    "main.gpu_samples",
    "main.orchestration_events",
    "main.task_categories",
    "main.v_tax_by_method",
    "main.v_reported_differences",
    "main.v_step_bill",
    "main.energy_efficiency",
    "main.hallucination_events",
    "main.tags",
    "main.hypotheses",
    "main.tax_pairs",
    "main.run_quality",
    "daily.sample_audit",
)
"""The last tables and views of the energy domain: with all that they read, they are the domain."""


@cache
def energy_files(layer: str) -> tuple[SqlFile, ...]:
    """The files of a layer that the energy domain consists of, in order."""
    files = {file.qualified_name: file for one in LAYERS for file in sql_files.layer_files(one)}
    needed: set[str] = set()
    pending = list(ENERGY_GOALS)
    while pending:
        name = pending.pop()
        if name in files and name not in needed:
            needed.add(name)
            pending += [sql_files.qualified(read) for read in files[name].depends]
    return tuple(file for file in sql_files.layer_files(layer) if file.qualified_name in needed)


@dataclass
class Counters:
    """Unwrapped cumulative counters of one run, as the lake holds them, and what its sampling was like."""

    times_ns: Ints
    energies_uj: Mapping[str, Ints]
    n_packages: int = 1
    resets: Sequence[int] = ()  # positions of samples before which a counter was reset
    threshold_ns: int = 100_000_000
    n_hidden_wrap_gaps: int = 0

    @property
    def gap_ns(self) -> list[int | None]:
        """The interval before each sample where it is a gap or holds a reset."""
        intervals = np.diff(self.times_ns, prepend=self.times_ns[:1])
        return [
            int(ns) if ns > self.threshold_ns or position in self.resets else None
            for position, ns in enumerate(intervals)
        ]


@dataclass
class World:
    """A warehouse of one day."""

    folder: Path
    con: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)
    day: date = DAY
    landed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lake: dict[str, list[pa.Table]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.con.execute("SET TimeZone = 'UTC'")
        prepare(self.con)
        tracked.ensure_views(self.con)

    # What lands

    def add(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows for a stage table; columns not named are NULL."""
        self.landed.setdefault(table, []).extend({"landing_date": self.day, **row} for row in rows)

    def add_experiment(self, source_exp_id: str = "1", host: str = "lab", **values: Any) -> int:
        """An experiment; returns its landing key."""
        created_at = values.pop("created_at", datetime(2026, 1, 21, 12, tzinfo=UTC))
        row = {
            "exp_key": exp_key("alems-store", host, source_exp_id, created_at),
            "source_system": "alems-store",
            "host": host,
            "recorded_at": RECORDED,
            "source_exp_id": source_exp_id,
            "name": f"experiment {source_exp_id}",
            "country_code": "US",
            "created_at": created_at,
            **values,
        }
        self.add("experiments", [row])
        return int(row["exp_key"])

    def add_hardware(self, host: str = "lab", **values: Any) -> int:
        """A host's hardware; returns its id."""
        hw_id = stable_id("class", host)
        row = {
            "hw_id": hw_id,
            "source_system": "alems-store",
            "host": host,
            "recorded_at": RECORDED,
            "hardware_hash": "class",
            "hostname": host,
            **values,
        }
        self.add("hardware_config", [row])
        return int(row["hw_id"])

    def add_baseline(self, baseline_id: str = "idle", host: str = "lab", **values: Any) -> None:
        """An idle baseline; 1 W of package power unless said otherwise."""
        row = {
            "baseline_id": baseline_id,
            "source_system": "alems-store",
            "host": host,
            "recorded_at": RECORDED,
            "timestamp": DAY_NS / 1e9 - 60,
            "package_power_watts": 1.0,
            **values,
        }
        self.add("idle_baselines", [row])

    def add_run(
        self,
        source_run_id: str,
        experiment: int,
        *,
        start_ns: int = DAY_NS,
        duration_ns: int = 10_000_000_000,
        host: str = "lab",
        source_system: str = "alems-store",
        **values: Any,
    ) -> int:
        """A run; returns its id."""
        key = run_key(source_system, host, source_run_id, start_ns)
        run_id = time_ordered_id(key, start_ns // 1_000_000_000)
        row = {
            "run_id": run_id,
            "run_key": key,
            "source_system": source_system,
            "host": host,
            "recorded_at": RECORDED,
            "source_run_id": source_run_id,
            "exp_key": experiment,
            "workflow_type": "linear",
            "status": "completed",
            "start_time_ns": start_ns,
            "end_time_ns": start_ns + duration_ns,
            **values,
        }
        self.add("runs", [row])
        return run_id

    def add_event(self, run_id: int, start_ns: int, end_ns: int, **values: Any) -> None:
        """An event of a run; a tool call unless said otherwise."""
        row = {
            "run_id": run_id,
            "run_key": run_id,
            "event_type": "tool_call",
            "start_time_ns": start_ns,
            "end_time_ns": end_ns,
            **values,
        }
        self.add("orchestration_events", [row])

    def add_counters(self, run_id: int, counters: Counters) -> None:
        """A run's energy samples, their line in stage.energy_sampling, and their gaps."""
        times, gaps = counters.times_ns, counters.gap_ns
        is_reset = [position in counters.resets for position in range(len(times))]
        self.add_samples(
            "energy_samples",
            run_id,
            {
                "timestamp_ns": times,
                **{f"{domain}_energy_uj": values for domain, values in counters.energies_uj.items()},
                "gap_ns": gaps,
                "is_reset": [reset or None for reset in is_reset],
            },
        )
        self.add(
            "energy_gaps",
            [
                {"run_id": run_id, "from_ns": int(at) - ns, "to_ns": int(at), "is_reset": reset}
                for at, ns, reset in zip(times, gaps, is_reset, strict=True)
                if ns is not None
            ],
        )
        intervals = [int(ns) for ns, gap in zip(np.diff(times), gaps[1:], strict=True) if gap is None]
        over = [ns for position, ns in enumerate(gaps) if ns is not None and ns > counters.threshold_ns]
        self.add(
            "energy_sampling",
            [
                {
                    "run_id": run_id,
                    "n_samples": len(times),
                    "n_packages": counters.n_packages,
                    "first_ns": int(times[0]),
                    "last_ns": int(times[-1]),
                    "median_interval_ns": int(np.median(np.diff(times))) if len(times) > 1 else None,
                    "max_interval_ns": max(intervals, default=None),
                    "gap_threshold_ns": counters.threshold_ns,
                    "n_gaps": len(over),
                    "gap_ns": sum(over),
                    "n_wraps": 0,
                    "n_resets": len(counters.resets),
                    "n_hidden_wrap_gaps": counters.n_hidden_wrap_gaps,
                    "domains": list(counters.energies_uj),
                }
            ],
        )

    def add_samples(self, dataset: str, run_id: int, columns: Mapping[str, Any]) -> None:
        """Samples of a run into the lake, numbered by time; columns not named are NULL."""
        n = len(columns["timestamp_ns"])
        values = {"run_id": [run_id] * n, "sample_id": list(range(1, n + 1)), **columns}
        schema = lake_schema(DATASETS[dataset])
        table = pa.table(
            {f.name: pa.array(values[f.name], f.type) if f.name in values else pa.nulls(n, f.type) for f in schema}
        )
        self.lake.setdefault(dataset, []).append(table)

    # What is made of it

    def build(self) -> None:
        """Run what energies need of sql/, as the pipeline does."""
        self.build_day()
        self.build_tables()

    def build_day(self) -> None:
        self._fill_stage()
        for dataset in SAMPLE_DATASETS:
            path = self._write_lake(dataset.name)
            self.con.execute(
                f"CREATE OR REPLACE TEMP VIEW day_{dataset.name} AS "
                f"SELECT {', '.join(lake_schema(dataset).names)} FROM read_parquet('{path}')"
            )
            self._book_lake_file(dataset.name)
        self.con.execute(f"SET VARIABLE day = DATE '{self.day}'")
        self.run_day_files()

    def run_day_files(self) -> None:
        """Run sql/day on what the stage tables and the views of the day's samples hold."""
        for file in energy_files("day"):
            sql_files.run(self.con, file)

    def build_tables(self) -> None:
        self._fill_stage()
        for layer in LAYERS[1:]:
            for file in energy_files(layer):
                sql_files.run(self.con, file, lambda dataset: [str(p) for p in self._lake_paths(dataset)])
                computed.fill(self.con, file)

    def _fill_stage(self) -> None:
        for table in stage.TABLES:
            rows = self.landed.pop(table.name, [])
            schema = pa.schema([(column.name, column.type) for column in table.columns])
            unknown = {name for row in rows for name in row} - set(schema.names)
            assert not unknown, f"stage.{table.name} has no {unknown}"
            self.con.register("landed_rows", pa.Table.from_pylist(rows, schema))
            self.con.execute(f"INSERT INTO stage.{table.name} BY NAME SELECT * FROM landed_rows")
            self.con.unregister("landed_rows")

    def _write_lake(self, dataset: str) -> Path:
        schema = lake_schema(DATASETS[dataset])
        table = pa.concat_tables(self.lake.get(dataset) or [schema.empty_table()])
        table = table.sort_by([("run_id", "ascending"), ("sample_id", "ascending")])
        for folder, content in (("0001-01-01", schema.empty_table()), (self.day.isoformat(), table)):
            path = self.folder / "lake" / dataset / f"date={folder}" / "samples.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(content, path, row_group_size=1000)
        return path

    def _book_lake_file(self, dataset: str) -> None:
        n_rows = sum(table.num_rows for table in self.lake.get(dataset, []))
        self.con.execute("DELETE FROM ops.lake_files WHERE dataset = ?", [dataset])
        self.con.execute(
            "INSERT INTO ops.lake_files BY NAME SELECT ? AS dataset, ? AS landing_date, 'samples.parquet' AS path, "
            "? AS n_rows, 0 AS bytes, []::VARCHAR[] AS source_files",
            [dataset, self.day, n_rows],
        )

    def _lake_paths(self, dataset: str) -> list[Path]:
        return sorted((self.folder / "lake" / dataset).glob("*/*.parquet"))

    # What came out

    def row(self, sql: str, *parameters: Any) -> dict[str, Any]:
        """The only row of a query."""
        [row] = self.rows(sql, *parameters)
        return row

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query, by column name."""
        cursor = self.con.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def value(self, sql: str, *parameters: Any) -> Any:
        """The only value of a query."""
        [value] = self.row(sql, *parameters).values()
        return value

    def findings(self, check: str) -> list[tuple[str, str, int]]:
        """What a check found."""
        [file] = [file for file in sql_files.layer_files("checks") if file.name == check]
        return [(str(t), str(p), int(n)) for t, p, n in self.con.execute(file.text).fetchall()]


class Scenarios:
    """Runs of a day, each by a name; what was made of them by `energy(name)` and `events(name)`."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.experiment = self.world.add_experiment()
        self.ids: dict[str, int] = {}
        self.starts: dict[str, int] = {}

    def run(self, name: str, duration_ns: int = 10 * SECOND, start_offset_ns: int = 0) -> tuple[int, int]:
        """A new run; returns its id and start. Runs lie 100 s apart."""
        start = DAY_NS + len(self.ids) * 100 * SECOND + start_offset_ns
        self.ids[name] = self.world.add_run(name, self.experiment, start_ns=start, duration_ns=duration_ns)
        self.starts[name] = start
        return self.ids[name], start

    def energy(self, name: str) -> dict[str, Any]:
        return self.world.row("FROM run_energy WHERE run_id = ?", self.ids[name])

    def events(self, name: str) -> list[dict[str, Any]]:
        return self.world.rows(
            "FROM event_energy WHERE run_id = ? ORDER BY start_time_ns, end_time_ns DESC", self.ids[name]
        )

    def telemetry(self, name: str) -> dict[str, Any]:
        return self.world.row("FROM run_telemetry WHERE run_id = ?", self.ids[name])


def unwrapped(raw: Ints, range_uj: int = RAPL_RANGE_UJ) -> Ints:
    """A cumulative counter from 0, with one range added at each fall."""
    falls = np.cumsum(np.diff(raw, prepend=raw[:1]) < 0)
    return np.asarray(raw + falls * range_uj - raw[0], dtype=np.int64)


def at(times_ns: Ints, energies_uj: Ints, moment_ns: int) -> int:
    """The counter at a moment: linear between samples, the nearest sample's outside them; in µJ."""
    # np.interp on times since the first sample, which a double holds exactly.
    value = float(np.interp(moment_ns - int(times_ns[0]), (times_ns - times_ns[0]).astype(float), energies_uj))
    return int(np.floor(value + 0.5))


# The example stores


@dataclass(frozen=True)
class StoreRun:
    """A run of an example store, and its counters as stored."""

    host: str
    row: Mapping[str, Any]
    times_ns: Ints
    raw: Mapping[str, Ints]

    @property
    def energies_uj(self) -> dict[str, Ints]:
        return {domain: unwrapped(values) for domain, values in self.raw.items()}


def store_rows(name: str, sql: str) -> list[dict[str, Any]]:
    """Rows of an example store: 'a' or 'b'."""
    con = sqlite3.connect(f"file:{DATA / f'host_{name}.db'}?mode=ro", uri=True)
    con.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in con.execute(sql)]
    finally:
        con.close()


def store_runs(name: str) -> list[StoreRun]:
    """All runs of an example store with their counters of package, core and uncore (its DRAM is not measured)."""
    runs = []
    [host] = (row["hostname"] for row in store_rows(name, "SELECT hostname FROM hardware_config"))
    for row in store_rows(name, "SELECT * FROM runs ORDER BY run_id"):
        samples = store_rows(
            name,
            "SELECT timestamp_ns, pkg_energy_uj AS pkg, core_energy_uj AS core, uncore_energy_uj AS uncore "
            f"FROM energy_samples WHERE run_id = {row['run_id']} ORDER BY timestamp_ns",
        )
        columns = {key: np.array([s[key] for s in samples], dtype=np.int64) for key in samples[0]}
        times = columns.pop("timestamp_ns")
        runs.append(StoreRun(host, row, times, columns))
    return runs


@cache
def example_warehouse() -> Path:
    """The two example stores imported, built and published by the pipeline itself; made once, not to be written to."""
    home = tempfile.mkdtemp(prefix="alems-example-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    land_examples(Path(home) / "landing")
    materialize(Path(home))
    return Path(home)


def example_rows(sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """Rows of a query on the published example warehouse, by column name."""
    with Warehouse(example_warehouse()).read() as con:
        cursor = con.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def columns_of(table: str) -> list[str]:
    """The columns of a table or view of the example warehouse, in order."""
    return [row["column_name"] for row in example_rows(f"DESCRIBE {table}")]


def alems_columns(table: str) -> list[str]:
    """The columns of a table or view of an A-LEMS store, in order."""
    with closing(sqlite3.connect(DATA / "host_a.db")) as con:
        return [row[1] for row in con.execute(f"PRAGMA table_info({table})")]
