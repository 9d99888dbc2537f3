"""Lake files: Parquet written once under the hash of its content, and the typed empty file that each dataset has.

A file is written as `building.tmp`, synced and renamed: a crash or a full disk leaves nothing under a final name. The
same rows give the same bytes, hence the same name, whatever landed in which order.
"""

import errno
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from collectors.contract import DATASETS, ENERGY_DOMAINS, Dataset
from collectors.drop import make_folder, sync

ROW_GROUP_ROWS: Final = 100_000
UNFINISHED: Final = "building.tmp"
QUARANTINE: Final = "_quarantine"
EMPTY_FILE: Final = "date=0001-01-01/schema.parquet"
COUNTERS: Final = (*ENERGY_DOMAINS, "model")
"""The energy counters of a sample: the RAPL domains and the CPU-time model."""

_ENERGY_SCHEMA: Final = pa.schema(
    [
        ("run_id", pa.int64()),
        ("sample_id", pa.int64()),
        ("timestamp_ns", pa.int64()),
        *((f"{counter}_energy_uj", pa.int64()) for counter in COUNTERS),
        ("gap_ns", pa.int64()),
        ("is_reset", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of the lake, and what the ledger says of it."""

    path: str  # relative to the lake folder
    n_rows: int
    bytes: int
    min_run_id: int | None
    max_run_id: int | None


def lake_schema(dataset: Dataset) -> pa.Schema:
    """The lake columns of a sample dataset, sorted by run_id and timestamp_ns; sample_id counts from 1 in each run."""
    if dataset.name == "energy_samples":
        return _ENERGY_SCHEMA
    values = [(f.name, f.type) for f in dataset.schema if f.name not in ("run_key", "timestamp_ns")]
    return pa.schema([("run_id", pa.int64()), ("sample_id", pa.int64()), ("timestamp_ns", pa.int64()), *values])


def quarantine_schema(dataset: Dataset) -> pa.Schema:
    """The columns of a dataset's quarantined rows: as landed, and the reason."""
    landed = [(field.name, field.type) for field in dataset.schema if field.name != "reason"]
    return pa.schema([*landed, ("reason", pa.string())])


def day_folder(dataset: str, day: date) -> str:
    return f"{dataset}/date={day.isoformat()}"


def write_empty_files(lake: Path) -> None:
    """Make the typed empty file of each sample dataset where it is missing or has other columns than today's."""
    for dataset in DATASETS.values():
        if dataset.kind == "sample":
            _write_empty(lake / dataset.name / EMPTY_FILE, lake_schema(dataset))


def _write_empty(path: Path, schema: pa.Schema) -> None:
    try:
        if pq.read_schema(path).equals(schema):
            return
    except (OSError, pa.ArrowException):
        pass  # missing, or not whole: written anew
    make_folder(path.parent)
    part = path.with_name(UNFINISHED)
    pq.write_table(schema.empty_table(), part, store_schema=False)
    sync(part)
    part.replace(path)
    sync(path.parent)


class LakeWriter:
    """Writes one lake file in row groups of equal size. Use as a context manager; `finish` gives the file its name.

    Whatever happens before `finish`, nothing of it stays. Raises OSError with the file and the remedy.
    """

    def __init__(self, lake: Path, folder: str, schema: pa.Schema) -> None:
        self._lake = lake
        self._folder = folder
        self._schema = schema
        self._part = lake / folder / UNFINISHED
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pl.DataFrame] = []
        self._n_waiting = 0
        self._n_rows = 0
        self._min_run_id: int | None = None
        self._max_run_id: int | None = None

    def __enter__(self) -> "LakeWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None and self._writer.is_open:
            with suppress(OSError):  # a full disk fails again here, and has been told already
                self._writer.close()
        self._part.unlink(missing_ok=True)

    def write(self, rows: pl.DataFrame) -> None:
        """Append rows that have the schema's columns; they come in the order of the file."""
        self._waiting.append(rows.select(self._schema.names))
        self._n_waiting += rows.height
        if self._n_waiting >= ROW_GROUP_ROWS:
            waiting = pl.concat(self._waiting)
            whole = self._n_waiting - self._n_waiting % ROW_GROUP_ROWS
            for start in range(0, whole, ROW_GROUP_ROWS):
                self._write_group(waiting.slice(start, ROW_GROUP_ROWS))
            self._waiting = [waiting.slice(whole)]
            self._n_waiting -= whole

    def finish(self) -> LakeFile | None:
        """Give the file its final name and return it; None, and no file, where no row was written."""
        if self._n_waiting:
            self._write_group(pl.concat(self._waiting))
        if self._writer is None:
            return None
        try:
            self._writer.close()
            sync(self._part)
            with self._part.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            path = f"{self._folder}/{digest[:32]}.parquet"
            size = self._part.stat().st_size
            if not _is_there(self._lake / path, size):
                self._part.replace(self._lake / path)
                sync(self._part.parent)
        except OSError as error:
            raise not_written(error, self._part) from error
        return LakeFile(path, self._n_rows, size, self._min_run_id, self._max_run_id)

    def _write_group(self, rows: pl.DataFrame) -> None:
        # One chunk per column: page limits follow chunk limits, and the bytes must not depend on how rows arrived.
        table = rows.rechunk().to_arrow().cast(self._schema)
        try:
            if self._writer is None:
                self._writer = self._open()
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        except OSError as error:
            raise not_written(error, self._part) from error
        self._n_rows += rows.height
        if "run_id" in self._schema.names:
            runs = rows["run_id"]
            self._min_run_id = runs[0] if self._min_run_id is None else self._min_run_id
            self._max_run_id = runs[-1]

    def _open(self) -> pq.ParquetWriter:
        make_folder(self._part.parent)
        # Times and counters grow in small steps: delta encoding writes them in a third of the time of the default,
        # to half the size, and reads five times as fast.
        steps = [f.name for f in self._schema if pa.types.is_int64(f.type) and f.name != "run_id"]
        return pq.ParquetWriter(
            self._part,
            self._schema,
            compression="zstd",
            use_dictionary=[f.name for f in self._schema if f.name not in steps and not pa.types.is_boolean(f.type)],
            column_encoding=dict.fromkeys(steps, "DELTA_BINARY_PACKED"),
            store_schema=False,
        )


def _is_there(path: Path, size: int) -> bool:
    """Whether the same content was written before; it is not written anew then."""
    return path.exists() and path.stat().st_size == size


def not_written(error: OSError, path: Path) -> OSError:
    """The same error with the file and the remedy."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    remedy = "disk full; free space and run again" if full else f"{error}; make its folder writable and run again"
    return OSError(error.errno or (errno.ENOSPC if full else errno.EIO), f"{path}: not written, {remedy}")
