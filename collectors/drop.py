"""The atomic writer of landing files.

A drop is one immutable Parquet file, landing/<dataset>/date=YYYY-MM-DD/<host>-<uuid7>.parquet, that holds rows of one
dataset of the contract. It is written under another name, synced and renamed: a reader, or a kill at any moment, never
leaves half a file under a name that ends in .parquet.
"""

import array
import datetime as dt
import errno
import os
import re
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collectors import contract
from collectors.dataset import TS, Column, Dataset, I, R, T
from collectors.uuid7 import uuid7

MAX_ROWS: Final = 500_000
MAX_SECONDS: Final = 600.0
ROW_GROUP_ROWS: Final = 122_880  # DuckDB's own row-group size: one thread reads one group
STALE_TMP_S: Final = 86_400
TMP_SUFFIX: Final = ".tmp"

Values: TypeAlias = "Sequence[Any] | pa.Array | pa.ChunkedArray"

MISFIT: Final = (pa.ArrowException, TypeError, ValueError, OverflowError)  # what Arrow raises for a wrong value

_swept: set[tuple[Path, str]] = set()  # dataset folders cleared of stale .tmp files by this process, per host


class ContractBroken(ValueError):
    """Rows that do not fit the landing contract."""


class DropFailed(OSError):
    """A drop could not be written; its rows are still buffered, so flush() may be called again."""

    lost: str | None = None
    """What to say instead where the process ends, and the rows with it."""


class Drop:
    """Rows of one dataset and one day on their way to landing; not for use by several threads at once.

    `date` is the UTC date on which the run (or, without a run, the sample) started. Rows are buffered as Arrow columns
    and written when `max_rows` are there, when the oldest is `max_seconds` old, and by flush().
    """

    def __init__(
        self,
        landing: Path,
        dataset: Dataset,
        *,
        host: str,
        producer: str,
        date: dt.date,
        max_rows: int = MAX_ROWS,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self.dataset = dataset
        self.host = host
        self.producer = producer
        self.folder = landing / dataset.name / f"date={date.isoformat()}"
        self.max_rows = max_rows
        self.max_seconds = max_seconds
        self.rows_buffered = 0
        self._tables: list[pa.Table] = []
        self._oldest = 0.0
        _remove_stale(landing / dataset.name, host)

    def append(self, columns: Mapping[str, Values]) -> Path | None:
        """Buffer columns of equal length; returns the file that this filled, if any.

        Left-out nullable columns are NULL, and so is NaN: it is no reading. Raises ContractBroken, and then buffers
        nothing; DropFailed.
        """
        return self._buffer(conform(self.dataset, columns))

    def write_table(self, table: pa.Table) -> Path | None:
        """Buffer an Arrow table; as append()."""
        return self.append({name: table.column(name) for name in table.column_names})

    def flush(self) -> Path | None:
        """Write what is buffered as one file; None when nothing is. Raises DropFailed, and then keeps the rows."""
        if self.rows_buffered == 0:
            return None
        path = self.folder / f"{safe_name(self.host)}-{uuid7()}.parquet"
        table = pa.concat_tables(self._tables)
        try:
            make_folder(self.folder)
            _write_whole(table.replace_schema_metadata(self._metadata()), path)
        except OSError as error:
            raise self._failure(path, error) from error
        self._tables = []
        self.rows_buffered = 0
        return path

    def _buffer(self, table: pa.Table) -> Path | None:
        if table.num_rows == 0:
            return None
        if self.rows_buffered == 0:
            self._oldest = time.monotonic()
        self._tables.append(table)
        self.rows_buffered += table.num_rows
        if self.rows_buffered >= self.max_rows or time.monotonic() - self._oldest >= self.max_seconds:
            return self.flush()
        return None

    def _metadata(self) -> dict[str, str]:
        return {
            contract.META_VERSION: str(contract.CONTRACT_VERSION),
            contract.META_DATASET: self.dataset.name,
            contract.META_PRODUCER: self.producer,
            contract.META_PRODUCER_VERSION: version("alems-pipeline"),
            contract.META_HOST: self.host,
            contract.META_CREATED_AT: dt.datetime.now(dt.UTC).isoformat(),
        }

    def _failure(self, path: Path, error: OSError) -> DropFailed:
        rows = f"{self.rows_buffered} row(s) of {self.dataset.name}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            problem, remedy = f"{path}: disk full", "free space there"
        else:
            problem, remedy = f"{path}: not written, {error.strerror or error}", f"make {self.folder} writable"
        failure = DropFailed(error.errno, f"{problem}; {rows} are kept in memory; {remedy} and write again")
        failure.lost = f"{problem}; {rows} are lost; {remedy} and start again"
        return failure


def drop_rows(
    landing: Path, dataset: Dataset, rows: Sequence[Mapping[str, Any]], *, host: str, producer: str, date: dt.date
) -> Path | None:
    """Write records as one file; None when there are none. Raises ContractBroken, DropFailed."""
    names = {name: None for row in rows for name in row}
    drop = Drop(landing, dataset, host=host, producer=producer, date=date, max_rows=len(rows) + 1)
    drop.append({name: [row.get(name) for row in rows] for name in names})
    return drop.flush()


def conform(dataset: Dataset, columns: Mapping[str, Values]) -> pa.Table:
    """The columns as an Arrow table of the dataset's schema, in its order. Raises ContractBroken."""
    unknown = [name for name in columns if name not in dataset.column_names]
    if unknown:
        raise ContractBroken(f"{dataset.name}.{unknown[0]}: no such column in the landing contract; leave it out")
    lengths = {name: len(values) for name, values in columns.items()}
    n_rows = next(iter(lengths.values()), 0)
    for name, length in lengths.items():
        if length != n_rows:
            raise ContractBroken(
                f"{dataset.name}.{name}: {length} values where the other columns have {n_rows}; give equal lengths"
            )
    arrays = [
        _column(dataset, column, columns[column.name]) if column.name in columns else pa.nulls(n_rows, column.type)
        for column in dataset.columns
    ]
    for column, values in zip(dataset.columns, arrays, strict=True):
        if column.required and values.null_count:
            row = "missing" if column.name not in columns else f"NULL in row {values.is_null().index(True).as_py()}"
            raise ContractBroken(f"{dataset.name}.{column.name}: {row}, but it is required ({column.doc}); give it")
    return pa.Table.from_arrays(arrays, schema=dataset.schema)


def safe_name(host: str) -> str:
    """A host name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", host).lstrip(".")[:150] or "host"


def _column(dataset: Dataset, column: Column, values: Values) -> pa.Array | pa.ChunkedArray:
    try:
        return _without_nan(_cast(column.type, values))
    except MISFIT as error:
        found = _first_misfit(column.type, values)
        raise ContractBroken(
            f"{dataset.name}.{column.name}: {found} is not {column.type} ({error}); {column.doc}"
        ) from error


def _cast(type_: pa.DataType, values: Values) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, array.array) and (values.typecode, type_) in (("q", I), ("d", R)):
        # A copy: a sampler goes on writing into its array, and cannot grow it while a buffer of it is lent out.
        return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(values.tobytes())])
    # Arrow is asked for the type first: told the type, it would cut 1.5 down to 1 and take a zoneless time for UTC.
    found = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    if not _may_cast(found.type, type_):
        raise TypeError(f"got {found.type}")
    return found.cast(type_)


def _may_cast(have: pa.DataType, want: pa.DataType) -> bool:
    """Whether a cast only changes width: Arrow would also read numbers out of text, and truth out of numbers."""
    if have == want or pa.types.is_null(have):
        return True
    if want == I:
        return bool(pa.types.is_integer(have))
    if want == R:
        return bool(pa.types.is_integer(have) or pa.types.is_floating(have))
    if want == T:
        return bool(pa.types.is_large_string(have) or pa.types.is_string_view(have))
    if want == TS:
        return bool(pa.types.is_timestamp(have) and have.tz is not None)
    return False


def _without_nan(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if not pa.types.is_floating(values.type):
        return values
    nan = pc.is_nan(values)
    return pc.if_else(nan, pa.scalar(None, values.type), values) if pc.any(nan).as_py() else values


def _first_misfit(type_: pa.DataType, values: Values) -> str:
    """The first value that cannot be cast alone, for the error message."""
    listed = values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else values
    return repr(next((value for value in listed if _misfits(type_, value)), listed))


def _misfits(type_: pa.DataType, value: Any) -> bool:
    try:
        _cast(type_, [value])
    except MISFIT:
        return True
    return False


def _write_whole(table: pa.Table, path: Path) -> None:
    part = path.with_name(path.name + TMP_SUFFIX)
    try:
        with part.open("xb") as file:
            # Of numbers a dictionary is built in vain: most are all different.
            texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
            pq.write_table(
                table,
                file,
                compression="zstd",
                row_group_size=ROW_GROUP_ROWS,
                use_dictionary=texts,
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def make_folder(folder: Path) -> None:
    """mkdir -p, each new entry synced in its parent: else a synced file in it would not survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(dataset_folder: Path, host: str) -> None:
    """Remove what a killed collector of this host left half-written, once per process.

    Only files older than a day: another process of this host may be writing a younger one.
    """
    if (dataset_folder, host) in _swept:
        return
    _swept.add((dataset_folder, host))
    ours = re.compile(re.escape(safe_name(host)) + r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet\.tmp")
    for path in dataset_folder.glob(f"date=*/*{TMP_SUFFIX}"):
        if ours.fullmatch(path.name) and time.time() - path.stat().st_mtime > STALE_TMP_S:
            path.unlink(missing_ok=True)
