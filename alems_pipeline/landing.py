"""The landing folder: which files are there, which are new, and what each of them holds by the contract.

A landing file is somebody else's: it may be truncated, foreign, newer than this program or not readable at all. Nothing
here crashes on one. `scan` lists every file, `pending` tells the new ones from those in the ledger (ops.landing_files),
`inspect` holds one against the contract, `read_batches` reads it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from alems_pipeline.insert import insert
from collectors.contract import (
    CONTRACT_VERSION,
    DATASETS,
    FIRST_DAY,
    META_CREATED_AT,
    META_DATASET,
    META_HOST,
    META_PRODUCER,
    META_PRODUCER_VERSION,
    META_VERSION,
    Dataset,
)

BATCH_ROWS: Final = 1_000_000
NOT_READABLE: Final = "not readable"  # reasons that begin so are tried again: a permission may be given any time
TEMPORARY_SUFFIX: Final = ".tmp"
DATE_FOLDER: Final = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
PLAIN_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]+")


class Unusable(Exception):
    """A landing file that cannot be used; the message says what, which rule, and the remedy."""


@dataclass(frozen=True, slots=True)
class LandingFile:
    """A file in the landing folder. `landing_date` is None where it belongs to no day; `problem` then says why."""

    landing: Path
    path: str  # relative to the landing folder
    dataset: str  # first folder of the path
    landing_date: date | None
    bytes: int
    problem: str | None = None

    @property
    def source(self) -> Path:
        return self.landing / self.path


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the ledger keeps of a landing file."""

    file: LandingFile
    reason: str | None = None  # why it is quarantined; None: accepted
    n_rows: int | None = None
    n_row_groups: int = 0
    host: str | None = None
    producer: str | None = None
    producer_version: str | None = None
    contract_version: int | None = None
    created_at: datetime | None = None
    unknown_columns: tuple[str, ...] = ()

    def refused(self, reason: str) -> "Inspected":
        """The same file, quarantined for `reason`."""
        return replace(self, reason=reason, n_rows=None)


# ---- which files are there -------------------------------------------------------------------------------------------


def scan(landing: Path, *, today: date | None = None) -> list[LandingFile]:
    """Every file in the landing folder but drops still being written (*.tmp), ordered by path.

    A file in a place that the contract does not know is listed too, with its problem, so that nothing is lost silently.
    """
    return _list(landing, [""], today)


def scan_day(landing: Path, day: date, *, today: date | None = None) -> list[LandingFile]:
    """The files of one day, of all datasets, ordered by path: as `scan`, without walking the other days."""
    folders = [f"{dataset}/date={day.isoformat()}" for dataset in DATASETS if not (landing / dataset).is_symlink()]
    present = [folder for folder in folders if (landing / folder).is_dir() and not (landing / folder).is_symlink()]
    return [file for file in _list(landing, present, today) if file.landing_date == day]


def _list(landing: Path, folders: Iterable[str], today: date | None) -> list[LandingFile]:
    last_day = (today or datetime.now(UTC).date()) + timedelta(days=1)
    if not landing.is_dir():
        return []
    found = [_placed(landing, last_day, *entry) for folder in folders for entry in _walk(landing, str(landing), folder)]
    return sorted(found, key=lambda file: file.path)


def _walk(landing: Path, root: str, folder: str) -> Iterator[tuple[str, int, str | None]]:
    """Path below `landing`, which is also `root`, bytes and problem of each file, depth first."""
    try:
        entries = list(os.scandir(f"{root}/{folder}"))  # text: a Path for each of a year's folders takes as long again
    except OSError as error:
        yield folder, 0, f"{NOT_READABLE}: {error.strerror}; let this user list the folder"
        return
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_symlink():
            size, problem = _follow_link(landing, path)
            yield path, size, problem
        elif entry.is_dir():
            yield from _walk(landing, root, path)
        elif not entry.name.endswith(TEMPORARY_SUFFIX):
            problem = None if entry.is_file() else "not a regular file; only Parquet files belong here"
            yield path, entry.stat().st_size, problem


def _follow_link(landing: Path, path: str) -> tuple[int, str | None]:
    target = Path(os.path.realpath(landing / path))
    if not target.is_relative_to(os.path.realpath(landing)):
        return 0, "a link that leads out of the landing folder; copy the file into it instead"
    if not target.is_file():
        return 0, "a link to no file; links to folders are not followed, so move the files here"
    return target.stat().st_size, None


def _placed(landing: Path, last_day: date, path: str, size: int, problem: str | None) -> LandingFile:
    shown = path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")
    dataset, _, rest = shown.partition("/")
    problem = problem or _problem_of_place(path, shown, last_day)
    day = None if problem else date.fromisoformat(rest[len("date=") :][:10])
    return LandingFile(landing, shown, dataset, day, size, problem)


def _problem_of_place(path: str, shown: str, last_day: date) -> str | None:
    if shown != path or not PLAIN_NAME.fullmatch(path):
        return "its name is not plain UTF-8; rename it"
    parts = path.split("/")
    if len(parts) != 3 or not parts[2].endswith(".parquet"):
        return "not <dataset>/date=YYYY-MM-DD/<name>.parquet; move it there"
    dataset, folder, _ = parts
    if dataset not in DATASETS:
        return f"dataset {dataset!r} is not in the contract; it knows {', '.join(DATASETS)}"
    match = DATE_FOLDER.fullmatch(folder)
    try:
        day = date.fromisoformat(match[1]) if match else None
    except ValueError:
        day = None
    if day is None:
        return f"{folder!r} is no date; name the folder date=YYYY-MM-DD"
    if not FIRST_DAY <= day <= last_day:
        return f"its date {day} is outside {FIRST_DAY} … tomorrow; set the host's clock right and drop it again"
    return None


# ---- which of them are new -------------------------------------------------------------------------------------------


def pending(con: duckdb.DuckDBPyConnection, files: Sequence[LandingFile]) -> list[LandingFile]:
    """The files that the ledger does not know as they are now.

    That is: new, of another size, placed right since, or readable since.
    """
    ledger = {
        path: (size, placed, retry)
        for path, size, placed, retry in con.execute(
            "SELECT path, bytes, landing_date IS NOT NULL, coalesce(starts_with(reason, ?), FALSE) "
            "FROM ops.landing_files",
            [NOT_READABLE],
        ).fetchall()
    }
    new = []
    for file in files:
        size, placed, retry = ledger.get(file.path, (None, None, False))
        readable = retry and file.problem is None and os.access(file.source, os.R_OK)
        if size != file.bytes or placed != (file.landing_date is not None) or readable:
            new.append(file)
    return new


def days_to_build(
    con: duckdb.DuckDBPyConnection, files: Sequence[LandingFile], new: Sequence[LandingFile] | None = None
) -> list[date]:
    """The days to build again: those of pending files, and those of quarantined files that somebody has taken away.

    `new`: the pending ones of all `files`, where they are known already.

    Files that were accepted and are gone do not make a day be built: clearing out landing must not empty the lake.
    """
    new = pending(con, files) if new is None else new
    days = {file.landing_date for file in new if file.landing_date is not None}
    present = {file.path for file in files}
    quarantined = con.execute(
        "SELECT path, landing_date FROM ops.landing_files WHERE status = 'quarantined' AND landing_date IS NOT NULL"
    ).fetchall()
    days.update(day for path, day in quarantined if path not in present)
    return sorted(days)


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """Contiguous ranges (first day, last day), both included, that cover exactly `days`."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


# ---- what a file holds -----------------------------------------------------------------------------------------------


def inspect(file: LandingFile) -> Inspected:
    """The file's footer and schema against the contract; one that breaks it comes back quarantined with the reason."""
    inspected = Inspected(file, reason=file.problem)
    if file.problem is not None:
        return inspected
    dataset = DATASETS[file.dataset]
    try:
        with _open(file) as parquet:
            footer = parquet.metadata
            inspected = _with_metadata(inspected, footer.metadata or {})
            _check_version(inspected)
            if footer.num_rows != sum(footer.row_group(n).num_rows for n in range(footer.num_row_groups)):
                raise Unusable(_damaged("its footer contradicts itself"))
            _check_columns(parquet.schema_arrow, dataset)
            unknown = sorted(set(parquet.schema_arrow.names) - set(dataset.column_names))
            return replace(
                inspected,
                n_rows=footer.num_rows,
                n_row_groups=footer.num_row_groups,
                unknown_columns=tuple(unknown),
            )
    except Unusable as problem:
        return inspected.refused(str(problem))
    except _READ_ERRORS as error:
        return inspected.refused(_damaged(error))


def read_batches(file: LandingFile, row_groups: Sequence[int]) -> Iterator[tuple[int, pa.Table]]:
    """The rows of some row groups, each with its group's number, at most BATCH_ROWS at a time.

    Tables have the contract's columns and types: columns outside it are left out, missing nullable ones are NULL.
    Raises Unusable.
    """
    dataset = DATASETS[file.dataset]
    try:
        with _open(file) as parquet:
            present = set(parquet.schema_arrow.names)
            wanted = [name for name in dataset.column_names if name in present]
            for row_group in row_groups:
                n_rows = 0
                for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[row_group], columns=wanted):
                    batch.validate(full=True)
                    n_rows += batch.num_rows
                    yield row_group, _as_contract(batch, dataset)
                promised = parquet.metadata.row_group(row_group).num_rows
                if n_rows != promised:
                    raise Unusable(_damaged(f"row group {row_group} has {n_rows} of {promised} rows"))
    except _READ_ERRORS as error:
        raise Unusable(_damaged(error)) from error


# What pyarrow raises on bytes that are no Parquet, or Parquet damaged anywhere.
_READ_ERRORS: Final = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError)


def _open(file: LandingFile) -> pq.ParquetFile:
    try:
        source = pa.OSFile(str(file.source))
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise Unusable(f"{NOT_READABLE}: {cause}; let this user read the file, it is then tried again") from error
    if source.size() == 0:
        raise Unusable("empty: 0 bytes; a drop is written whole or not at all, so copy it again")
    return pq.ParquetFile(source, page_checksum_verification=True)


def _damaged(error: BaseException | str) -> str:
    cause = " ".join(str(error).split())[:200]
    return f"no readable Parquet file ({cause}); it is truncated, damaged or of another format: drop it again"


def _with_metadata(inspected: Inspected, metadata: dict[bytes, bytes]) -> Inspected:
    if META_VERSION.encode() not in metadata:
        raise Unusable(f"no {META_VERSION} in its metadata: not dropped by a collector; write it by collectors.drop")

    def text(key: str) -> str | None:
        value = metadata.get(key.encode())
        return None if value is None else value.decode(errors="backslashreplace")

    version = text(META_VERSION) or ""
    if not re.fullmatch(r"[0-9]{1,9}", version):
        raise Unusable(f"contract version {version!r} is no number; write it by collectors.drop")
    dataset = text(META_DATASET)
    if dataset is not None and dataset != inspected.file.dataset:
        raise Unusable(f"says that it is {dataset!r} and lies in {inspected.file.dataset!r}; move it there")
    return replace(
        inspected,
        contract_version=int(version),
        producer=text(META_PRODUCER),
        producer_version=text(META_PRODUCER_VERSION),
        host=text(META_HOST),
        created_at=_time(text(META_CREATED_AT)),
    )


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None  # only shown, so a bad one is no reason to refuse the rows


def _check_version(inspected: Inspected) -> None:
    version = inspected.contract_version
    if version is not None and version > CONTRACT_VERSION:
        raise Unusable(f"contract version {version} is newer than {CONTRACT_VERSION}, known here; update the pipeline")


def _check_columns(schema: pa.Schema, dataset: Dataset) -> None:
    lower = [name.lower() for name in schema.names]
    twice = sorted({name for name in lower if lower.count(name) > 1})
    if twice:
        raise Unusable(f"column {twice[0]!r} stands twice (case aside); name each once")
    present = set(schema.names)
    missing = [column.name for column in dataset.columns if column.required and column.name not in present]
    if missing:
        raise Unusable(
            f"column {missing[0]!r} is missing and required by the contract of {dataset.name}; drop it again"
        )
    for column in dataset.columns:
        if column.name in present and not lossless(schema.field(column.name).type, column.type):
            given = schema.field(column.name).type
            raise Unusable(f"column {column.name!r} is {given}, the contract says {column.type}; drop it as that type")


def lossless(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of type `given` can be had as `wanted` without loss."""
    if given == wanted or pa.types.is_null(given):
        return True
    if pa.types.is_dictionary(given):
        return lossless(given.value_type, wanted)
    if pa.types.is_int64(wanted):
        return bool(pa.types.is_integer(given) and not pa.types.is_uint64(given))
    if pa.types.is_float64(wanted):
        small = pa.types.is_integer(given) and given.bit_width <= 32
        return bool(small or pa.types.is_float32(given) or pa.types.is_float16(given))
    if pa.types.is_string(wanted):
        return bool(pa.types.is_large_string(given) or pa.types.is_string_view(given))
    if pa.types.is_timestamp(wanted):
        # Any zone is the same instants; a time without a zone is not.
        return bool(pa.types.is_timestamp(given) and given.tz is not None and given.unit in ("s", "ms", "us"))
    return False


def _as_contract(batch: pa.RecordBatch, dataset: Dataset) -> pa.Table:
    names = set(batch.schema.names)
    # Nullable whatever the contract says: a NULL in a required column is a row's fault, found and explained later.
    schema = pa.schema([(column.name, column.type) for column in dataset.columns])
    columns = []
    for field in schema:
        values = batch.column(field.name) if field.name in names else pa.nulls(batch.num_rows, field.type)
        columns.append(values if values.type == field.type else values.cast(field.type))
    return pa.table(columns, schema=schema)


# ---- the ledger ------------------------------------------------------------------------------------------------------


def register_unplaced(con: duckdb.DuckDBPyConnection, files: Sequence[LandingFile]) -> None:
    """Write files that belong to no day into the ledger, with their problem."""
    _register(con, [Inspected(file, reason=file.problem) for file in files if file.landing_date is None])


def forget_removed(con: duckdb.DuckDBPyConnection, files: Sequence[LandingFile]) -> None:
    """Take files that belong to no day out of the ledger where they are no longer among all `files` of landing."""
    present = {file.path for file in files}
    known = con.execute("SELECT path FROM ops.landing_files WHERE landing_date IS NULL").fetchall()
    gone = [[path] for (path,) in known if path not in present]
    if gone:
        con.executemany("DELETE FROM ops.landing_files WHERE path = ?", gone)


def register_day(con: duckdb.DuckDBPyConnection, day: date, inspected: Sequence[Inspected]) -> None:
    """Write a day's files into the ledger, in place of what it said of that day."""
    con.execute("DELETE FROM ops.landing_files WHERE landing_date = ?", [day])
    _register(con, inspected)


def _register(con: duckdb.DuckDBPyConnection, inspected: Sequence[Inspected]) -> None:
    if not inspected:
        return
    rows = [
        {
            "path": one.file.path,
            "dataset": one.file.dataset,
            "landing_date": one.file.landing_date,
            "host": one.host,
            "producer": one.producer,
            "producer_version": one.producer_version,
            "contract_version": one.contract_version,
            "created_at": one.created_at,
            "bytes": one.file.bytes,
            "n_rows": one.n_rows,
            "status": "accepted" if one.reason is None else "quarantined",
            "reason": one.reason,
            "unknown_columns": list(one.unknown_columns),
        }
        for one in inspected
    ]
    insert(con, "ops.landing_files", pa.Table.from_pylist(rows, schema=_LEDGER_SCHEMA), replacing=True)


_LEDGER_SCHEMA: Final = pa.schema(
    [
        ("path", pa.string()),
        ("dataset", pa.string()),
        ("landing_date", pa.date32()),
        ("host", pa.string()),
        ("producer", pa.string()),
        ("producer_version", pa.string()),
        ("contract_version", pa.int32()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("bytes", pa.int64()),
        ("n_rows", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("unknown_columns", pa.list_(pa.string())),
    ]
)
