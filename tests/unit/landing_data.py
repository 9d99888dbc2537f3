"""Landing files for tests: rows in, a Parquet file out, valid by the contract unless a test says otherwise."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from alems_pipeline import lake, landing
from alems_pipeline.build import prepare
from alems_pipeline.warehouse import Warehouse
from collectors.contract import (
    CONTRACT_VERSION,
    DATASETS,
    ENERGY_DOMAINS,
    META_CREATED_AT,
    META_DATASET,
    META_HOST,
    META_PRODUCER,
    META_PRODUCER_VERSION,
    META_VERSION,
)
from collectors.ids import run_key

DAY = date(2026, 1, 21)
START_NS = 1_769_000_000_000_000_000  # 2026-01-21T12:53:20Z
RANGE_UJ = 262_143_328_850
NOW = datetime(2026, 1, 21, 13, tzinfo=UTC)
SYSTEM = "alems-collect"
HOST = "lab"
_numbers = itertools.count(1)

Row = Mapping[str, Any]


def metadata(of_dataset: str, **changes: str) -> dict[str, str]:
    """The key-value metadata of a drop; `changes` by the last word of the key."""
    values = {
        META_VERSION: str(CONTRACT_VERSION),
        META_DATASET: of_dataset,
        META_PRODUCER: SYSTEM,
        META_PRODUCER_VERSION: "0.1.0",
        META_HOST: HOST,
        META_CREATED_AT: NOW.isoformat(),
    }
    return {key: changes.get(key.rpartition(".")[2], value) for key, value in values.items()}


def table_of(dataset: str, rows: Sequence[Row]) -> pa.Table:
    """Rows as a table of the contract's columns, all nullable; a column that no row names is NULL."""
    schema = pa.schema([(field.name, field.type) for field in DATASETS[dataset].schema])
    return pa.table({f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in schema}, schema=schema)


def place(home: Path, dataset: str, day: date = DAY, name: str | None = None) -> Path:
    """Where a drop goes, its folder made."""
    path = home / "landing" / dataset / f"date={day.isoformat()}" / (name or f"{HOST}-{next(_numbers):06d}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def drop_table(home: Path, dataset: str, table: pa.Table, day: date = DAY, **options: Any) -> Path:
    """Write a table as it is, with the metadata of a drop."""
    path = place(home, dataset, day)
    pq.write_table(table.replace_schema_metadata(metadata(dataset)), path, compression="zstd", **options)
    return path


def drop(home: Path, dataset: str, rows: Sequence[Row], day: date = DAY, **options: Any) -> Path:
    """Write rows as a drop."""
    return drop_table(home, dataset, table_of(dataset, rows), day, **options)


def run(source_run_id: str = "1", start_ns: int = START_NS, seconds: float = 10, **values: Any) -> dict[str, Any]:
    """A valid run."""
    return {
        "run_key": run_key(SYSTEM, HOST, source_run_id, start_ns),
        "source_system": SYSTEM,
        "host": HOST,
        "recorded_at": NOW,
        "source_run_id": source_run_id,
        "exp_key": 1,
        "workflow_type": "linear",
        "status": "completed",
        "start_time_ns": start_ns,
        "end_time_ns": start_ns + int(seconds * 1e9),
        **values,
    }


def energy_rows(
    of_run: Row, values: Sequence[int | None], *, step_ns: int = 10_000_000, package: int = 0, domain: str = "pkg"
) -> list[dict[str, Any]]:
    """Samples of one counter of a run, one every `step_ns` from its start."""
    assert domain in ENERGY_DOMAINS
    return [
        {
            "run_key": of_run["run_key"],
            "timestamp_ns": of_run["start_time_ns"] + position * step_ns,
            "package_index": package,
            f"{domain}_energy_uj": value,
            f"{domain}_range_uj": RANGE_UJ,
        }
        for position, value in enumerate(values)
    ]


@contextmanager
def writing(home: Path):  # type: ignore[no-untyped-def]
    """A warehouse's write connection with all that every warehouse has."""
    with Warehouse(home).write() as con:
        prepare(con)
        yield con


def build(home: Path, day: date = DAY) -> dict[str, lake.Books]:
    """Build a day in a transaction of its own."""
    with writing(home) as con:
        return lake.build_day(con, Warehouse(home), day, landing.scan_day(home / "landing", day))


def query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the build file, after the building."""
    with duckdb.connect(str(home / "build.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(sql).fetchall()


def samples(home: Path, dataset: str = "energy_samples") -> list[dict[str, Any]]:
    """All samples in the lake of a dataset, in file order."""
    paths = query(home, f"SELECT path FROM ops.lake_files WHERE dataset = '{dataset}' ORDER BY landing_date")
    tables = [pq.ParquetFile(home / "lake" / path).read() for (path,) in paths]
    return [row for table in tables for row in table.to_pylist()]


def quarantined(home: Path, dataset: str) -> list[dict[str, Any]]:
    """All quarantined rows of a dataset, as written."""
    paths = query(home, f"SELECT DISTINCT path FROM ops.quarantine WHERE dataset = '{dataset}' ORDER BY path")
    tables = [pq.ParquetFile(home / "lake" / path).read() for (path,) in paths]
    return [row for table in tables for row in table.to_pylist()]


def content(home: Path) -> dict[str, Any]:
    """All that the warehouse says of what landed, but how it landed: stage tables, lake and quarantine files by name.

    A lake file's name is the hash of its content.
    """
    tables = [name for (name,) in query(home, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'stage'")]
    tables.remove("landing_subjects")  # it says how
    held: dict[str, Any] = {name: query(home, f"SELECT * FROM stage.{name} ORDER BY ALL") for name in sorted(tables)}
    held["lake"] = query(home, "SELECT dataset, landing_date, path, n_rows, bytes FROM ops.lake_files ORDER BY ALL")
    held["quarantine"] = query(home, "SELECT * FROM ops.quarantine ORDER BY ALL")
    held["collisions"] = query(home, "SELECT * FROM ops.id_collisions ORDER BY ALL")
    return held
