"""Drops what an RCDB store holds: SQLite or MySQL/MariaDB by URL, schema version 1 or 2; the store is only read.

The store is read whole, a page at a time, and compared with what was dropped before by a hash of each block of rows:
only blocks that differ are dropped, so that an import that was killed goes on where it was, and a value that was
replaced in place is found. The keys of a block are kept with its hash, so that a row that is gone is found too. Rows
that make no sense are dropped as rejects, with the reason.
"""

import base64
import hashlib
import json
import marshal
import re
import socket
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collectors import contract_conditions as contract
from collectors.contract import META_PRODUCER
from collectors.dataset import TS, D, Dataset, T
from collectors.drop import MISFIT, Drop
from collectors.sources.mysql_server import SCHEMES, open_server
from collectors.sources.rcdb_values import CONDITION_COLUMNS, NotUnderstood, Row, Zone, condition_columns, sift
from collectors.sources.source_state import SourceState, load_source_state
from collectors.sources.sqlite_file import StoreUnreadable, open_unchanged
from collectors.state_file import state_folder

PRODUCER: Final = "alems-collect rcdb"
DEFAULT_SCHEMA: Final = "rcdb"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
PAGE_ROWS: Final = 50_000
BLOCK_ROWS: Final = 1_000  # keys to a block: what is dropped again where one row of it has changed
BLOCK_FILES: Final = 10  # files hold whole logs
MAX_DETAIL: Final = 4_000
SQLITE_PREFIX: Final = "sqlite:///"

NEEDED: Final = ("runs", "condition_types", "conditions")
"""Tables without which it is no RCDB store; schema version 1 lacks aliases and run_periods."""

Progress = Callable[[str, int, int], None]
"""Called with a table, the keys read of it, and about how many there are."""
Columns = dict[str, Any]
Key = tuple[int, ...]
"""What names a row in rcdb_removed."""

ROW_ID: Final[Mapping[str, int]] = {"row_id": 0}
"""Column of rcdb_removed -> which of the columns that are read of a table stands there."""
CONDITION_KEY: Final[Mapping[str, int]] = {"row_id": 0, "run_number": 1, "condition_type_id": 2}
"""Run and type too: SQLite gives the id of a row that was deleted to the next one."""
FILE_OF_RUN: Final[Mapping[str, int]] = {"run_number": 0, "row_id": 1}


class NotAnRcdbStore(StoreUnreadable):
    """A database, but not one of RCDB."""


class BadStoreName(RuntimeError):
    """A name that no schema can end in."""


class SchemaTaken(RuntimeError):
    """Another store has been imported under this name."""


class Reader(Protocol):
    """An open database."""

    def rows(self, sql: str) -> list[Row]: ...
    def tables(self) -> dict[str, list[str]]: ...


@dataclass(slots=True)
class ImportSummary:
    """What one import did."""

    schema: str
    rows: dict[str, int] = field(default_factory=dict)  # dataset -> rows dropped; 0 where nothing was new
    notes: list[str] = field(default_factory=list)


def import_store(
    url: str, landing: Path, *, name: str | None = None, zone: str = "UTC", progress: Progress | None = None
) -> ImportSummary:
    """Drop what is in the store and has not been dropped from it before, for schema rcdb, or rcdb_<name>.

    Raises StoreUnreadable, BadStoreName, SchemaTaken, UnknownZone, DropFailed.
    """
    schema = schema_of(name)
    with _open(url, landing) as (reader, shown):
        state = _state(landing, schema, shown)
        return _Import(reader, shown, landing, schema, Zone(zone), state, progress or (lambda *_: None)).run()


@contextmanager
def _open(url: str, landing: Path) -> Iterator[tuple[Reader, str]]:
    """The open store, and its address as it may be shown: without a password, a file by its whole path."""
    if url.partition("://")[0] in SCHEMES:
        with open_server(url) as server:
            yield server, server.name
        return
    path = url.removeprefix(SQLITE_PREFIX)
    if "://" in path:
        raise StoreUnreadable(f"{path.partition('://')[0]}: not read here; give sqlite:///FILE or mysql://…")
    with open_unchanged(Path(path), scratch=state_folder(landing)) as file:
        yield file, str(Path(path).resolve())


def schema_of(name: str | None) -> str:
    """The schema of the first store, or of one with a name. Raises BadStoreName."""
    if name is None:
        return DEFAULT_SCHEMA
    if not NAME.fullmatch(name):
        raise BadStoreName(f"{name}: is no name of a store; give small letters, digits and _, a letter first")
    return f"{DEFAULT_SCHEMA}_{name}"


def _state(landing: Path, schema: str, shown: str) -> SourceState:
    """What was dropped of this store. Raises SchemaTaken where the schema is another store's."""
    source = f"{schema}.store"  # a dot, so that the files of rcdb and of rcdb_x are told apart
    state = load_source_state(landing, source, shown)
    for other in state.path.parent.glob(f"{source}-*.json"):
        if other != state.path:
            store = json.loads(other.read_text()).get("records", {}).get("store", "another store")
            raise SchemaTaken(
                f"{shown}: schema {schema} holds {store}; give this one a name by --name, "
                f"or, if it is the same store at another place, remove {other}"
            )
    state.records["store"] = shown
    return state


@dataclass(slots=True)
class _Import:
    """One import. `run()` reads top-down."""

    reader: Reader
    shown: str
    landing: Path
    schema: str
    zone: Zone
    state: SourceState
    progress: Progress
    summary: ImportSummary = field(init=False)
    tables: dict[str, list[str]] = field(init=False)
    now: datetime = field(init=False)
    types: dict[int, str] = field(default_factory=dict)  # id -> value type
    drops: dict[str, Drop] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)  # block -> hash and keys, of what is not on disk yet

    def __post_init__(self) -> None:
        self.now = datetime.now(UTC)
        self.summary = ImportSummary(self.schema)
        self.tables = self.reader.tables()
        absent = [table for table in NEEDED if table not in self.tables]
        if absent:
            raise NotAnRcdbStore(f"{self.shown}: has no table {absent[0]}, so it is no RCDB store; check the address")

    def run(self) -> ImportSummary:
        # Types first: they say which column a condition's value stands in.
        self._drop_types()
        self._drop_table("runs", ("number", "started", "finished"), contract.RCDB_RUNS, self._runs)
        self._drop_table(
            "conditions",
            CONDITION_COLUMNS,
            contract.RCDB_CONDITIONS,
            self._conditions,
            self._types_of,
            key=CONDITION_KEY,
        )
        self._drop_table("files", _FILE_COLUMNS, contract.RCDB_FILES, self._files, block_rows=BLOCK_FILES)
        self._drop_table(
            "files_have_runs",
            ("run_number", "files_id"),
            contract.RCDB_FILES_HAVE_RUNS,
            self._files_have_runs,
            key=FILE_OF_RUN,
        )
        self._drop_table("logs", _LOG_COLUMNS, contract.RCDB_LOGS, self._logs)
        self._drop_table("aliases", ("id", "name", "code", "description"), contract.RCDB_ALIASES, self._aliases)
        self._drop_table("run_periods", _PERIOD_COLUMNS, contract.RCDB_RUN_PERIODS, self._run_periods)
        self._drop_table(
            "schema_versions", ("version", "created", "comment"), contract.RCDB_SCHEMA_VERSIONS, self._versions
        )
        self._flush()
        return self.summary

    # Tables

    def _drop_types(self) -> None:
        columns = ("id", "name", "value_type", "description", "created")
        for id_, name, kind, *_ in self._select("condition_types", columns):
            self.types[id_] = kind if kind in contract.VALUE_COLUMNS else "string"
            if kind not in contract.VALUE_COLUMNS:
                self.summary.notes.append(f"condition type {name}: type {kind!r} is none of RCDB's; taken as string")
        self._drop_table("condition_types", columns, contract.RCDB_CONDITION_TYPES, self._types)

    def _types(self, rows: Sequence[Row]) -> Columns:
        ids, names, _, descriptions, created = zip(*rows, strict=True)
        return {
            "source_system": [contract.STORE_SOURCE] * len(rows),
            "type_id": ids,
            "name": names,
            "value_type": [self.types[id_] for id_ in ids],
            "description": descriptions,
            "created": self._times(created),
        }

    def _runs(self, rows: Sequence[Row]) -> Columns:
        numbers, started, finished = zip(*rows, strict=True)
        return {"number": numbers, "started": self._times(started), "finished": self._times(finished)}

    def _conditions(self, rows: Sequence[Row]) -> Columns:
        """Fast for rows that are all in order; row by row for a page in which one is not."""
        try:
            return condition_columns(rows, self.types, self.zone)
        except (NotUnderstood, *MISFIT):
            good, bad = sift(rows, self.types, self.zone)
        self._reject("conditions", bad)
        return condition_columns(good, self.types, self.zone) if good else {}

    def _types_of(self, rows: Sequence[Row]) -> object:
        """What a condition means depends on its type too: a type that has changed drops its conditions again."""
        return sorted((id_, self.types.get(id_)) for id_ in {row[2] for row in rows if row[2] is not None})

    def _files(self, rows: Sequence[Row]) -> Columns:
        ids, paths, stored, contents, descriptions, importances = zip(*rows, strict=True)
        texts = [_as_text(content) or "" for content in contents]
        sums = [content_sha256(text) for text in texts]
        known = {sum_: text for sum_, text in zip(sums, texts, strict=True) if f"content:{sum_}" not in self.pending}
        new = {sum_: text for sum_, text in known.items() if f"content:{sum_}" not in self.state.records}
        if new:
            self._write(contract.RCDB_FILE_CONTENTS, {"sha256": list(new), "content": list(new.values())})
            self.pending |= dict.fromkeys((f"content:{sum_}" for sum_ in new), "dropped")
        return {
            "file_id": ids,
            "path": [_as_text(path) or "" for path in paths],
            "sha256": [_as_text(said) or sum_ for said, sum_ in zip(stored, sums, strict=True)],
            "content_sha256": sums,
            "description": descriptions,
            "importance": [importance or 0 for importance in importances],
        }

    def _files_have_runs(self, rows: Sequence[Row]) -> Columns:
        whole = [row for row in rows if None not in row]
        return {"run_number": [run for run, _ in whole], "file_id": [file for _, file in whole]}

    def _logs(self, rows: Sequence[Row]) -> Columns:
        ids, table_ids, descriptions, runs, created, users = zip(*rows, strict=True)
        return {
            "log_id": ids,
            "table_ids": table_ids,
            "description": descriptions,
            "related_run": runs,
            "created": self._times(created),
            "user_name": users,
        }

    def _aliases(self, rows: Sequence[Row]) -> Columns:
        ids, names, codes, descriptions = zip(*rows, strict=True)
        return {"alias_id": ids, "name": names, "code": codes, "description": descriptions}

    def _versions(self, rows: Sequence[Row]) -> Columns:
        versions, created, comments = zip(*rows, strict=True)
        return {"version": versions, "created": self._times(created), "comment": comments}

    def _run_periods(self, rows: Sequence[Row]) -> Columns:
        ids, names, descriptions, mins, maxs, starts, ends = zip(*rows, strict=True)
        return {
            "period_id": ids,
            "name": names,
            "description": descriptions,
            "run_min": mins,
            "run_max": maxs,
            "start_date": pa.array(map(_day, starts), D),
            "end_date": pa.array(map(_day, ends), D),
        }

    # Reading

    def _select(self, table: str, columns: Sequence[str], where: str = "") -> list[Row]:
        """Rows in the order of the first column; a column that an older schema lacks is NULL."""
        listed = ", ".join(name if name in self.tables[table] else f"NULL AS {name}" for name in columns)
        return self.reader.rows(f"SELECT {listed} FROM {table} {where} ORDER BY {', '.join(columns[:2])}")

    def _drop_table(
        self,
        table: str,
        columns: Sequence[str],
        dataset: Dataset,
        convert: Callable[[Sequence[Row]], Columns],
        meaning: Callable[[Sequence[Row]], Any] = lambda rows: None,
        *,
        key: Mapping[str, int] = ROW_ID,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        """Drop the blocks of a table that are new or differ from what was dropped, in the order of its first column."""
        self.summary.rows.setdefault(dataset.name, 0)
        if table not in self.tables:
            return
        if not any(name.startswith(f"{table}/") for name in self.state.records):
            self._learn_from_landing(table, dataset, key, block_rows)
        gone = {name for name, said in self.state.records.items() if name.startswith(f"{table}/") and said}
        [(first, last)] = self.reader.rows(f"SELECT min({columns[0]}), max({columns[0]}) FROM {table}")
        page, following = block_rows * (PAGE_ROWS // BLOCK_ROWS), first
        while isinstance(following, int):
            start = following // page * page
            rows = self._select(table, columns, f"WHERE {columns[0]} >= {start} AND {columns[0]} < {start + page}")
            changed: list[Row] = []
            removed: set[Key] = set()
            blocks: dict[str, str] = {}
            for number, block in _blocks(rows, block_rows):
                name, hash_ = f"{table}/{number}", self._hash(block, meaning(block))
                gone.discard(name)
                known_hash, known_keys = self._known(name)
                if known_hash != hash_:
                    keys = _keys(block, key.values())
                    blocks[name] = f"{hash_} {_packed(keys)}"
                    changed += block
                    removed |= known_keys.difference(keys)
            if changed:
                self._drop_rows(table, dataset, changed, convert)
            self._drop_removed(table, removed, key)
            self.pending |= blocks
            self.progress(table, min(start + page, last) - first + 1, last - first + 1)
            # Numbers may lie far apart: those of some stores are dates.
            [(following,)] = self.reader.rows(
                f"SELECT min({columns[0]}) FROM {table} WHERE {columns[0]} >= {start + page}"
            )
        for name in sorted(gone):
            self._drop_removed(table, self._known(name)[1], key)
            self.pending[name] = ""

    def _learn_from_landing(self, table: str, dataset: Dataset, key: Mapping[str, int], block_rows: int) -> None:
        """Where nothing is noted of a table, landing says what was dropped of it, so that what is gone is found."""
        row_id = next(name for name in dataset.key if name not in ("schema_name", "source_system"))
        columns = [row_id if name == "row_id" else name for name in key]
        landed = _landed_keys(self.landing / dataset.name, columns, self.schema)
        place = list(key.values()).index(0)
        for number, keys in groupby(landed, lambda parts: parts[place] // block_rows):
            self.state.records[f"{table}/{number}"] = f" {_packed(list(keys))}"

    def _known(self, block: str) -> tuple[str, set[Key]]:
        """Hash and keys of a block as it was dropped; empty where it never was, or is no more."""
        hash_, _, keys = self.state.records.get(block, "").partition(" ")
        return hash_, set(_unpacked(keys)) if keys else set()

    def _drop_rows(
        self, table: str, dataset: Dataset, rows: Sequence[Row], convert: Callable[[Sequence[Row]], Columns]
    ) -> None:
        """Drop rows; where one makes no sense, one by one, so that it does not stop the others."""
        try:
            self._write(dataset, convert(rows))
        except MISFIT as error:
            if len(rows) == 1:
                self._reject(table, [(rows[0], f"{_first_words(error)}; mend it in the store")])
                return
            for row in rows:
                self._drop_rows(table, dataset, [row], convert)

    def _hash(self, rows: Sequence[Row], meaning: Any) -> str:
        # Version 2 writes equal values as equal bytes, whatever objects they are.
        return hashlib.sha256(marshal.dumps((list(rows), meaning, self.zone.name), 2)).hexdigest()[:16]

    def _times(self, texts: Sequence[object]) -> pa.Array:
        try:
            return self.zone.utc(pa.array(texts, T))
        except MISFIT:
            return self.zone.utc(pa.array(map(self.zone.naive, texts), T))

    # Writing

    def _write(self, dataset: Dataset, columns: Columns) -> None:
        n_rows = len(next(iter(columns.values()), ()))
        if not n_rows:
            return
        if dataset.name not in self.drops:
            self.drops[dataset.name] = Drop(
                self.landing, dataset, host=socket.gethostname(), producer=PRODUCER, date=self.now.date()
            )
        shared: Columns = {"recorded_at": pa.repeat(pa.scalar(self.now, TS), n_rows)}
        if "schema_name" in dataset.column_names:
            shared["schema_name"] = pa.repeat(pa.scalar(self.schema, T), n_rows)
        full = self.drops[dataset.name].append(shared | columns)
        self.summary.rows[dataset.name] = self.summary.rows.get(dataset.name, 0) + n_rows
        if full is not None:
            self._flush()

    def _flush(self) -> None:
        """Write what is buffered, then note it: what a kill leaves unnoted is dropped again, and counts as repeated."""
        for drop in self.drops.values():
            path = drop.flush()
            if path is not None:
                self.state.last_files = [str(path.relative_to(self.landing))]
        self.state.records |= self.pending
        self.pending = {}
        self.state.save()

    def _drop_removed(self, table: str, keys: Iterable[Key], key: Mapping[str, int]) -> None:
        rows = sorted(keys)
        if rows:
            columns = dict(zip(key, zip(*rows, strict=True), strict=True))
            self._write(contract.RCDB_REMOVED, {"table_name": [table] * len(rows), **columns})

    def _reject(self, table: str, rows: Sequence[tuple[Row, str]]) -> None:
        if not rows:
            return
        columns = {
            "table_name": [table] * len(rows),
            "row_id": [row[0] for row, _ in rows],
            "reason": [f"{table}: {reason}" for _, reason in rows],
            "detail": [json.dumps(row, default=str)[:MAX_DETAIL] for row, _ in rows],
        }
        self._write(contract.RCDB_REJECTS, columns)


_FILE_COLUMNS: Final = ("id", "path", "sha256", "content", "description", "importance")
_PERIOD_COLUMNS: Final = ("id", "name", "description", "run_min", "run_max", "start_date", "end_date")
_LOG_COLUMNS: Final = ("id", "table_ids", "description", "related_run", "created", "user_name")


def content_sha256(text: str) -> str:
    """As RCDB writes it: base64 of the SHA-256 of the text in UTF-8."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _blocks(rows: Sequence[Row], block_rows: int) -> Iterator[tuple[int, Sequence[Row]]]:
    """Rows in key order cut where their key begins another block."""
    start = 0
    while start < len(rows):
        number = rows[start][0] // block_rows
        end = bisect_left(rows, (number + 1) * block_rows, lo=start, key=itemgetter(0))
        yield number, rows[start:end]
        start = end


def _keys(rows: Sequence[Row], places: Iterable[int]) -> list[Key]:
    """What names each row; nothing for a row that makes no sense: it was never dropped."""
    columns = [[row[place] for row in rows] for place in places]
    keys = zip(*columns, strict=True)
    if all(set(map(type, column)) == {int} for column in columns):
        return list(keys)
    return [key for key in keys if all(type(part) is int for part in key)]


def _landed_keys(folder: Path, columns: Sequence[str], schema: str) -> Iterator[Key]:
    """Keys that imports dropped, in their order; a file that cannot be read is the pipeline's to report."""
    tables = []
    for path in sorted(folder.glob("date=*/*.parquet")):
        try:
            if pq.read_schema(path).metadata.get(META_PRODUCER.encode()) == PRODUCER.encode():
                of_schema = pc.field("schema_name") == schema
                tables.append(pq.read_table(path, columns=list(columns), filters=of_schema, partitioning=None))
        except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError):
            continue
    if tables:
        keys = (
            pa.concat_tables(tables).group_by(columns).aggregate([]).sort_by([(name, "ascending") for name in columns])
        )
        for batch in keys.select(columns).to_batches(max_chunksize=PAGE_ROWS):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _packed(keys: Sequence[Key]) -> str:
    """Keys as a short text: the steps from one to the next, which are nearly all small and alike."""
    steps = [[after - before for before, after in pairwise((0, *column))] for column in zip(*keys, strict=True)]
    return base64.b64encode(zlib.compress(json.dumps(steps).encode(), 1)).decode()


def _unpacked(text: str) -> Iterator[Key]:
    return zip(*map(accumulate, json.loads(zlib.decompress(base64.b64decode(text)))), strict=True)


def _as_text(value: object) -> str | None:
    return (
        value.decode(errors="backslashreplace") if isinstance(value, bytes) else None if value is None else str(value)
    )


def _first_words(error: Exception) -> str:
    """What the contract says is wrong, without the value."""
    return str(error).partition(":")[0].partition(" (")[0][:200] + " is missing or of another type"


def _day(text: object) -> date | None:
    try:
        return None if text is None else date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
