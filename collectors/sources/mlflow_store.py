"""Drops the content of an MLflow backend store, SQLite or PostgreSQL: the tables of contract_tracking.

Runs and traces own most rows. Each has a sign: what its row says, how much it owns, and its tags. One whose sign is
another than at the last import is read again whole, since metrics may be dated back; the others are not read at all.
Of the other tables, which are small, the rows that are new or changed are dropped; and the key of any row that is gone.
Where it is not known what was dropped before, all is read, and that is said: what is not read again is gone.
Secrets, webhooks and token hashes stand in tables that are never read.
"""

import datetime as dt
import hashlib
import re
import socket
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collectors import contract
from collectors.contract_tracking import EXTRA, IMPORTS, RECORDED_AT, REMOVED, STORE, TABLES
from collectors.dataset import TS, Dataset, I, T
from collectors.drop import ContractBroken
from collectors.sources.day_writer import DayWriter
from collectors.sources.sql_store import Selected, SqlStore, label_of, open_store, read_ahead, texts
from collectors.sources.sqlite_file import StoreUnreadable, quoted
from collectors.state_file import load_state, save_state, state_folder, state_path

PRODUCER: Final = "mlflow-store"
DEFAULT_STORE: Final = "mlflow"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")

GROUP_ROWS: Final = 2_000_000
"""Rows of runs that are read in one go; after each group the state is kept, so that a kill loses no more than one."""
GROUP_OWNERS: Final = 20_000

MADE_HERE: Final = (STORE.name, RECORDED_AT.name, EXTRA.name)
NEVER_READ: Final = re.compile(r"secret|password|passwd|token_hash|credential|api_key|encrypted|private", re.IGNORECASE)
TEMPORARY_TABLE: Final = "_alembic_tmp_"

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a table, the rows read of it and about how many there are to read."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A table whose rows own rows of others, and how to see that one has changed."""

    table: str
    key: str
    time: str  # column with its start, epoch ms: it lands on that day
    # table that it owns, whose rows never change -> columns whose greatest values are a sign beside the rows' number
    counted: Mapping[str, tuple[str, ...]]
    compared: tuple[str, ...]  # tables that it owns, whose values may change: they are compared

    @property
    def owned(self) -> list[str]:
        return [*self.counted, *self.compared]


RUNS: Final = Owner(
    table="runs",
    key="run_uuid",
    time="start_time",
    counted={"metrics": (), "latest_metrics": ("timestamp", "step"), "params": ()},
    compared=("tags",),
)
TRACES: Final = Owner(
    table="trace_info",
    key="request_id",
    time="timestamp_ms",
    counted={"trace_request_metadata": ()},
    compared=("trace_tags",),
)
OWNERS: Final = (RUNS, TRACES)
RECORD_TABLES: Final = tuple(
    table for table in TABLES if not any(table == owner.table or table in owner.owned for owner in OWNERS)
)
NEEDED_TABLES: Final = ("experiments", "runs", "metrics", "params", "tags")


class NotAnMlflowStore(StoreUnreadable):
    """A database, but not an MLflow store that can be read now: another program's, or being migrated."""


class OtherStore(RuntimeError):
    """Under this name another store has been imported."""


@dataclass(slots=True)
class ImportSummary:
    """What one import did."""

    label: str  # URL without user and password
    store: str  # schema that it goes to
    version: str  # of the store's schema
    rows: dict[str, int]  # table -> rows dropped; a table of which nothing was new is left out
    files: list[Path]
    notes: list[str]  # what was left out, and why; one line each


def import_store(
    url: str, landing: Path, *, name: str | None = None, progress: Progress | None = None
) -> ImportSummary:
    """Drop what is in the store and has changed since it was imported last; `name` for a second store.

    Raises StoreUnreadable, OtherStore, DropFailed.
    """
    if name is not None and not NAME.fullmatch(name):
        raise StoreUnreadable(f"--name {name}: give a name of a-z, 0-9 and _ that begins with a letter, up to 41 long")
    store_name = DEFAULT_STORE if name is None else f"{DEFAULT_STORE}_{name}"
    with open_store(url, state_folder(landing)) as database:
        try:
            return _Import(database, label_of(url), store_name, landing, progress or (lambda *_: None)).run()
        except ContractBroken as error:
            raise StoreUnreadable(f"{label_of(url)}: holds what MLflow does not write: {error}") from error


@dataclass(slots=True)
class _State:
    """What has been read of one store, so that only what has changed since is read again."""

    store: str  # schema that it goes to
    label: str  # its URL without user and password; empty where that is not known
    # table of what owns rows (runs, trace_info) -> its id -> sign of it and all that it owns
    owners: dict[str, dict[str, str]] = field(default_factory=dict)
    # any other table -> key -> hash of the row
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    last_files: list[str] = field(default_factory=list)  # files of the last import that dropped any
    whole_since: str | None = None  # all is being read anew since then: to be said when it is done
    newest_import: str = ""  # UUID of the newest file of IMPORTS that is taken into account here


class _Import:
    """One import of one store. `run()` reads top-down; what it learns on the way stands in attributes."""

    def __init__(self, database: SqlStore, label: str, store: str, landing: Path, progress: Progress) -> None:
        self.database = database
        self.landing = landing
        self.progress = progress
        self.notes: list[str] = []
        with database.snapshot():
            self.columns = _tables(database, label)
            self.version = _version(database, label, self.columns)
        self.label, self.store = label, store
        self.state_path = state_path(landing, store)
        self.now = dt.datetime.now(dt.UTC)
        self.old = self._state_that_holds() or _State(store, label="", whole_since=self.now.isoformat())
        self.state = replace(self.old, label=label, owners=dict(self.old.owners), records=dict(self.old.records))
        self.state.newest_import = max(map(_uuid_of, self._import_files()), default="")
        self.writer = DayWriter(landing, socket.gethostname(), PRODUCER)

    def run(self) -> ImportSummary:
        for table in TABLES:
            if table not in self.columns:
                self.notes.append(f"{table}: the store has no such table")
        self._refuse_another_store()
        with self.database.snapshot():
            for table in RECORD_TABLES:
                self._drop_records(table)
        self._keep()
        for owner in OWNERS:
            self._drop_owners(owner)
        with self.database.snapshot():
            if _version(self.database, self.label, _tables(self.database, self.label)) != self.version:
                raise NotAnMlflowStore(f"{self.label}: was migrated while it was being read; run this again")
        self._end()
        datasets = {**TABLES, "removed": REMOVED}
        rows = {table: n for table, dataset in datasets.items() if (n := self.writer.rows[dataset.name])}
        return ImportSummary(self.label, self.store, self.version, rows, self.writer.files, self.notes)

    def _state_that_holds(self) -> _State | None:
        """What was kept, unless the store has been imported since then: from a backup it would not know what landed."""
        state = load_state(self.state_path, self.landing, lambda content: _State(**content))
        if state is None:
            return None
        newer = [path for path in self._import_files() if _uuid_of(path) > state.newest_import]
        return None if any(self.store in _stores_of(path) for path in newer) else state

    def _import_files(self) -> list[Path]:
        return list(self.landing.glob(f"{IMPORTS.name}/date=*/*.parquet"))

    def _end(self) -> None:
        """Say that this import is done, and that all was read anew where it was; unless nothing was found."""
        whole_since = self.state.whole_since
        if not self.writer.files and whole_since is None:
            return
        since = None if whole_since is None else dt.datetime.fromisoformat(whole_since)
        self._write(IMPORTS, self.now.date(), pa.table({"whole_since": pa.array([since], TS)}))
        self.writer.flush()
        self.state.whole_since = None
        self.state.newest_import = _uuid_of(self.writer.files[-1])
        self._keep()

    def _refuse_another_store(self) -> None:
        """Two stores under one name would be mixed up: their experiments have the same numbers.

        A store that shares no run with what was imported may still be the same one, emptied since. Its experiment 0,
        which MLflow makes first, says so; where no time of that is known, its URL.
        """
        known = set(self.old.owners.get("runs", ())) or {row["run_uuid"] for row in self._landed(RUNS.table)}
        if not known:
            return
        with self.database.snapshot():
            present = {row["run_uuid"] for row in self.database.rows({"run_uuid": ("run_uuid", T)}, "FROM runs")}
            created = self._created()
        if not present.isdisjoint(known):
            return
        is_same_url = self.old.label == self.label
        first = [row for row in self._landed("experiments") if row["experiment_id"] == 0 and row["recorded_at"]]
        before = max(first, key=lambda row: row["recorded_at"], default={}).get("creation_time")
        is_same_store = is_same_url if created is None or before is None else created == before
        if not is_same_store:
            other = "another store" if is_same_url or not self.old.label else self.old.label
            raise OtherStore(
                f"{self.label}: under the name {self.store}, {other} was imported, and the two share no run; "
                "give this store a --name of its own"
            )

    def _created(self) -> int | None:
        """When the store's experiment 0 was made, epoch ms."""
        selected = {"time": (self._sql("experiments", "creation_time"), I)}
        rows = self.database.rows(selected, "FROM experiments WHERE experiment_id = 0")
        return next((row["time"] for row in rows), None)

    def _landed(self, table: str) -> list[dict[str, Any]]:
        """Key, time of reading and, where it has one, time of creation of each row of this store that has landed."""
        dataset = TABLES[table]
        names = [name for name in (*dataset.key, RECORDED_AT.name, "creation_time") if name in dataset.column_names]
        paths = self.landing.glob(f"{dataset.name}/date=*/*.parquet")
        return [row for path in paths for row in _rows_of(path, names) if row[STORE.name] == self.store]

    # Tables whose rows are compared one by one

    def _drop_records(self, table: str) -> None:
        if table not in self.columns:
            return
        dataset = TABLES[table]
        keys = dataset.key[1:]
        selected = self._selected(table)
        rows = {
            row_key([row.get(key) for key in keys]): row
            for row in self.database.rows(selected, f"FROM {quoted(table)}")
        }
        hashes = {key: row_hash(row) for key, row in rows.items()}
        old = self.old.records.get(table, {})
        changed = [row for key, row in rows.items() if old.get(key) != hashes[key]]
        removed = [key for key in old if key not in hashes]
        if changed or removed:
            self.state.records[table] = dict.fromkeys(hashes, "") | old
            self._note()
            if changed:
                self._write(dataset, self.now.date(), pa.Table.from_pylist(changed, schema=_schema(selected)))
            self._drop_removed(table, removed)
            self.writer.flush()
        self.state.records[table] = hashes

    def _drop_removed(self, table: str, keys: Sequence[str]) -> None:
        if keys:
            columns = {"table_name": [table] * len(keys), "row_key": list(keys)}
            self._write(REMOVED, self.now.date(), pa.table(columns))

    # Runs and traces, with what they own

    def _drop_owners(self, owner: Owner) -> None:
        if owner.table not in self.columns:
            return
        with self.database.snapshot():
            found = self._signs(owner)
        old = self.old.owners.get(owner.table, {})
        self._drop_removed(owner.table, [row_key([id_]) for id_ in old if id_ not in found])
        self.writer.flush()
        self.state.owners[owner.table] = {id_: sign for id_, sign in old.items() if id_ in found}
        changed = {id_: weight for id_, (sign, weight) in found.items() if old.get(id_) != sign}
        n_all, n_changed, n_done = (sum(weight for _, weight in found.values()), sum(changed.values()), 0)
        for group in _groups(changed):
            n_group = sum(changed[id_] for id_ in group)
            self.state.owners[owner.table] |= dict.fromkeys(group, "")
            self._note()
            with self.database.snapshot():
                self.now = dt.datetime.now(dt.UTC)
                # Where most of a table is wanted, reading all of it is faster than looking up each run.
                self._drop_group(owner, group, whole=2 * n_group >= n_all)
            for id_ in group:
                self.state.owners[owner.table][id_] = found[id_][0]
            self._keep()
            n_done += n_group
            self.progress(owner.table, n_done, n_changed)
        self._keep()

    def _signs(self, owner: Owner) -> dict[str, tuple[str, int]]:
        """What tells each owner's state, and how many rows it owns."""
        rows = self.database.rows(self._selected(owner.table), f"FROM {quoted(owner.table)}")
        parts: dict[str, list[Any]] = {row[owner.key]: [row_hash(row)] for row in rows}
        weights = dict.fromkeys(parts, 1)
        for table, columns in owner.counted.items():
            if table in self.columns:
                if table == "metrics" and "latest_metrics" not in self.columns:
                    columns = ("timestamp",)
                greatest = [f"max({quoted(name)})" for name in columns if name in self.columns[table]]
                sql = " || '/' || ".join(greatest) or "''"
                selected = {"id": (owner.key, T), "n": ("count(*)", I), "sign": (sql, T)}
                for row in self.database.rows(selected, f"FROM {quoted(table)} GROUP BY {owner.key}"):
                    if row["id"] in parts:
                        parts[row["id"]].append((table, row["n"], row["sign"]))
                        weights[row["id"]] += row["n"]
        for table in owner.compared:
            if table in self.columns:
                sums = dict.fromkeys(parts, 0)
                selected = {"id": (owner.key, T), "key": (quoted("key"), T), "value": (self._sql(table, "value"), T)}
                for batch in self.database.batches(selected, f"FROM {quoted(table)}"):
                    for id_, key, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        if id_ in sums:
                            sums[id_] += zlib.crc32(f"{key}\0{value}".encode())
                for id_, total in sums.items():
                    parts[id_].append((table, total))
        return {id_: (short_hash(repr(part)), weights[id_]) for id_, part in parts.items()}

    def _drop_group(self, owner: Owner, ids: Sequence[str], *, whole: bool) -> None:
        """What the owners own first, then they themselves: a record stands for all that it owns."""
        where = "" if whole else f" WHERE {owner.key} IN ({texts(ids)})"
        times = self.database.rows(
            {"id": (owner.key, T), "time": (self._sql(owner.table, owner.time), I)},
            f"FROM {quoted(owner.table)}{where}",
        )
        wanted = set(ids)
        days = _Days({row["id"]: self._day(row["time"]) for row in times if row["id"] in wanted})
        for table in owner.owned:
            if table in self.columns:
                self._drop_by_day(table, owner.key, days, where)
        self.writer.flush()
        self._drop_by_day(owner.table, owner.key, days, where)

    def _drop_by_day(self, table: str, key: str, days: "_Days", where: str) -> None:
        for batch in read_ahead(self.database.batches(self._selected(table), f"FROM {quoted(table)}{where}")):
            for day, rows in days.split(batch, key):
                self._write(TABLES[table], day, rows)

    def _write(self, dataset: Dataset, day: dt.date, rows: pa.Table) -> None:
        n = rows.num_rows
        columns = {name: _finite(rows.column(name)) for name in rows.column_names}
        made = {"store": pa.repeat(pa.scalar(self.store), n), "recorded_at": pa.repeat(pa.scalar(self.now, TS), n)}
        self.writer.write(dataset, day, made | columns)

    def _selected(self, table: str) -> Selected:
        """The columns of a table that the contract knows, and the others as JSON."""
        dataset = TABLES[table]
        present = self.columns[table]
        selected = {
            column.name: (quoted(column.name), column.type)
            for column in dataset.columns
            if column.name in present and column.name not in MADE_HERE
        }
        others = [name for name in present if name not in dataset.column_names and not NEVER_READ.search(name)]
        return selected | ({EXTRA.name: (self.database.json_object(others), T)} if others else {})

    def _sql(self, table: str, column: str) -> str:
        """A column that the store may lack."""
        return quoted(column) if column in self.columns[table] else "NULL"

    def _day(self, time_ms: int | None) -> dt.date:
        """The UTC day of a time; one that cannot be lands on the first day that there is."""
        last = self.now.date() + dt.timedelta(days=1)
        try:
            day = dt.datetime.fromtimestamp((time_ms or 0) // 1000, dt.UTC).date()
        except (ValueError, OverflowError, OSError):
            return contract.FIRST_DAY
        return day if contract.FIRST_DAY <= day <= last else contract.FIRST_DAY

    def _keep(self) -> None:
        """Write what is buffered, then note that it is dropped."""
        self.writer.flush()
        if self.writer.files:
            self.state.last_files = [str(file.relative_to(self.landing)) for file in self.writer.files]
        self._note()

    def _note(self) -> None:
        """Keep the state. A key is noted before its row lands: were it not, and the import killed and the row gone
        from the store by the next one, nobody would know that there is something to be taken back."""
        try:
            save_state(self.state_path, asdict(self.state))
        except OSError as error:
            self.notes.append(f"what was dropped could not be noted ({error}): the next import drops it again")


class _Days:
    """The day on which each owner lands."""

    def __init__(self, day_of: Mapping[str, dt.date]) -> None:
        self._ids = pa.array(list(day_of), pa.string())
        self._days = sorted(set(day_of.values()))
        position = {day: n for n, day in enumerate(self._days)}
        self._position_of = pa.array([position[day] for day in day_of.values()], pa.int32())

    def split(self, batch: pa.RecordBatch, key: str) -> Iterator[tuple[dt.date, pa.Table]]:
        """The rows of known owners, by day."""
        rows = pa.Table.from_batches([batch])
        found = pc.index_in(batch.column(key), value_set=self._ids)
        if found.null_count:
            rows, found = rows.filter(found.is_valid()), found.drop_null()
        if rows.num_rows == 0:
            return
        positions = self._position_of.take(found)
        bounds = pc.min_max(positions).as_py()
        if bounds["min"] == bounds["max"]:
            yield self._days[bounds["min"]], rows
            return
        order = pc.sort_indices(positions)
        rows, positions = rows.take(order), positions.take(order)
        start = 0
        for count in pc.value_counts(positions).to_pylist():  # in the order in which they come, so by day
            yield self._days[count["values"]], rows.slice(start, count["counts"])
            start += count["counts"]


def _uuid_of(path: Path) -> str:
    """The end of a landing file's name, which says when it was made."""
    return path.stem[-36:]


def _stores_of(path: Path) -> set[str]:
    """The stores that a landing file is about."""
    return {row[STORE.name] for row in _rows_of(path, [STORE.name])}


def _rows_of(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Columns of a landing file; nothing where it is damaged: the pipeline quarantines it."""
    try:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read(names).to_pylist()
    except (OSError, pa.ArrowException):
        return []
    return rows if rows and set(names) <= rows[0].keys() else []


def row_key(values: Sequence[Any]) -> str:
    """A key of several columns as one text, the same in SQL."""
    return "\x1f".join("" if value is None else str(value) for value in values)


def row_hash(row: Mapping[str, Any]) -> str:
    """A hash of a row's values."""
    return short_hash(repr(sorted(row.items())))


def short_hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="backslashreplace"), digest_size=8).hexdigest()


def _groups(weights: Mapping[str, int]) -> Iterator[list[str]]:
    """The owners in groups that own no more than GROUP_ROWS together, unless one alone does."""
    group: list[str] = []
    total = 0
    for id_, weight in weights.items():
        if group and (total + weight > GROUP_ROWS or len(group) >= GROUP_OWNERS):
            yield group
            group, total = [], 0
        group.append(id_)
        total += weight
    if group:
        yield group


def _finite(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Infinity as MLflow writes it: the greatest double."""
    if pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py():
        values = pc.max_element_wise(pc.min_element_wise(values, sys.float_info.max), -sys.float_info.max)
    return values


def _schema(selected: Selected) -> pa.Schema:
    return pa.schema([(name, type_) for name, (_, type_) in selected.items()])


def _tables(database: SqlStore, label: str) -> dict[str, list[str]]:
    """The tables and their columns. Raises NotAnMlflowStore."""
    tables = database.tables()
    if unfinished := [name for name in tables if name.startswith(TEMPORARY_TABLE)]:
        raise NotAnMlflowStore(
            f"{label}: is being migrated, or a migration failed: it has a table {unfinished[0]}; "
            "let `mlflow db upgrade` end, then run this again"
        )
    if absent := [table for table in NEEDED_TABLES if table not in tables]:
        raise NotAnMlflowStore(
            f"{label}: is no MLflow store: it has no table {absent[0]}; give its backend store's URL"
        )
    for table, dataset in TABLES.items():
        needed = [c.name for c in dataset.columns if c.required and c.name not in MADE_HERE]
        if missing := [name for name in needed if name not in tables.get(table, needed)]:
            raise NotAnMlflowStore(
                f"{label}: its table {table} has no column {missing[0]}: a version of MLflow's schema that is not "
                "known here, or one that is being migrated; bring it up to date by `mlflow db upgrade`"
            )
    return tables


def _version(database: SqlStore, label: str, tables: Mapping[str, Sequence[str]]) -> str:
    """The revision of the store's schema. Raises NotAnMlflowStore."""
    if "alembic_version" not in tables:
        raise NotAnMlflowStore(f"{label}: has no table alembic_version; bring it up to date by `mlflow db upgrade`")
    rows = database.rows({"version_num": ("version_num", T)}, "FROM alembic_version")
    if len(rows) != 1:
        raise NotAnMlflowStore(
            f"{label}: is being migrated: its table alembic_version has {len(rows)} rows; run this again later"
        )
    return str(rows[0]["version_num"])
