"""The warehouse: its folder, its two DuckDB files, and the only code that opens them.

`write()` is the one way to the build file: an exclusive file lock, one transaction, closed whatever happens. `read()`
opens the published snapshot read-only. `publish()` replaces the snapshot by a copy of the build file: all or nothing.
"""

import fcntl
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from collectors.drop import sync

MEMORY_LIMIT = "1GiB"
SHARED_MEMORY_LIMIT = "640MiB"
"""While Python computes a table's rows, which takes memory beside DuckDB's: the two together stay below 2 GiB."""
STORAGE_VERSION = "v1.5.0"  # so that DuckDB 1.5 clients open the published file

_holders: dict[Path, int] = {}  # lock file -> thread of this process that holds it


def default_home() -> Path:
    """The warehouse folder: ALEMS_WAREHOUSE from the environment, else ./warehouse, as for `alems-collect`."""
    return Path(os.environ.get("ALEMS_WAREHOUSE") or "warehouse")


class WarehouseBusy(RuntimeError):
    """Somebody else holds the write lock and the caller would not wait."""


class NestedWrite(RuntimeError):
    """write() was called inside write(): waiting for the lock would be waiting for oneself."""


class PublishRefused(RuntimeError):
    """A blocking check stands open, so the build file is not fit to be published."""


class NotPublished(FileNotFoundError):
    """There is no published file yet."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What publish() did."""

    path: Path
    published_at: datetime
    bytes: int


class Warehouse:
    """A warehouse folder. Cheap to make; opens nothing until asked."""

    def __init__(self, home: Path | str) -> None:
        self.home = Path(home).resolve()

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def build_path(self) -> Path:
        return self.home / "build.duckdb"

    @property
    def published_path(self) -> Path:
        return self.home / "alems.duckdb"

    @property
    def lock_path(self) -> Path:
        return self.home / "build.duckdb.lock"

    @property
    def run_lock_path(self) -> Path:
        return self.home / "run.lock"

    @property
    def temp(self) -> Path:
        return self.home / ".tmp"

    @contextmanager
    def write(
        self, *, wait: bool = True, on_wait: Callable[[str], None] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the build file inside one transaction, which commits on success and rolls back on any error.

        Waits for another writer unless `wait` is false; `on_wait` is told once who holds the lock.
        Raises WarehouseBusy, NestedWrite.
        """
        with self.exclusive(wait=wait, on_wait=on_wait):
            con = self._open_build()
            try:
                con.execute("BEGIN TRANSACTION")
                try:
                    yield con
                    # COMMIT of a transaction that a swallowed error has aborted says nothing and keeps nothing.
                    con.execute("SELECT 1")
                except BaseException:
                    with suppress(duckdb.Error):  # closing rolls back too; the first error is the one to be seen
                        con.execute("ROLLBACK")
                    raise
                con.execute("COMMIT")
            finally:
                con.close()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection to the published file. Raises NotPublished."""
        con = connect_published(self.published_path)
        try:
            yield con
        finally:
            con.close()

    def last_publication(self) -> tuple[datetime, str] | None:
        """When the published file was made and by which code, as it says itself; None where there is none.

        The build file's books may be ahead: a publication whose copy failed stands there already.
        """
        if not self.published_path.exists():
            return None
        with self.read() as con:
            rows = con.execute(
                "SELECT published_at, code_hash FROM ops.publications ORDER BY 1 DESC LIMIT 1"
            ).fetchall()
        return rows[0] if rows else None

    def publish(self, code_hash: str) -> Publication:
        """Replace the published file by a copy of the build file.

        Readers of the old file keep it until they close; a reader never sees half a file. `code_hash` says which
        code made it, for the books. Raises PublishRefused where a blocking check stands open.
        """
        with self.exclusive():
            published_at = datetime.now(UTC)
            con = self._open_build()
            try:
                failures = con.execute(
                    "SELECT check_name, problem FROM ops.check_results WHERE blocking AND n_failed > 0 ORDER BY ALL"
                ).fetchall()
                if failures:
                    listed = "; ".join(f"{name}: {problem}" for name, problem in failures)
                    raise PublishRefused(
                        f"{self.build_path}: not published, {len(failures)} blocking check(s) failed: {listed}. "
                        "`alems status` lists them; mend the input or the rule, then run `alems materialize`."
                    )
                con.execute("INSERT INTO ops.publications VALUES (?, ?)", [published_at, code_hash])
                con.execute("CHECKPOINT")
            finally:
                con.close()
            wal = self.build_path.with_name(self.build_path.name + ".wal")
            if wal.exists():
                raise PublishRefused(f"{wal}: the build file was closed and still has a write-ahead log; run again")
            replace_whole(self.build_path, self.published_path)
            return Publication(self.published_path, published_at, self.published_path.stat().st_size)

    @contextmanager
    def run_lock(self, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Held for the length of a pipeline run, so that the steps of two runs never mix; waits for the other run.

        Taking it again in the same process is free: the command that plans a run holds it while the run takes it too.
        """
        if self.run_lock_path in _holders:
            yield
            return
        with _file_lock(self.run_lock_path, f"{self.home}: a pipeline run is under way", wait=True, on_wait=on_wait):
            yield

    def is_idle(self) -> bool:
        """Whether no pipeline run is under way."""
        try:
            with _file_lock(self.run_lock_path, str(self.home), wait=False, on_wait=None):
                return True
        except WarehouseBusy:
            return False

    @contextmanager
    def exclusive(self, *, wait: bool = True, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """The write lock without a connection. Raises WarehouseBusy, NestedWrite."""
        if _holders.get(self.lock_path) == threading.get_ident():
            raise NestedWrite(f"{self.build_path}: write() inside write(); pass the open connection on instead")
        with _file_lock(self.lock_path, f"{self.build_path}: being written", wait=wait, on_wait=on_wait):
            yield

    def _open_build(self) -> duckdb.DuckDBPyConnection:
        self.temp.mkdir(parents=True, exist_ok=True)
        con = duckdb.connect(
            str(self.build_path),
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": os.cpu_count() or 1,
                "temp_directory": str(self.temp),
                "storage_compatibility_version": STORAGE_VERSION,
                "preserve_insertion_order": False,
            },
        )
        con.execute("SET TimeZone = 'UTC'")
        return con


@contextmanager
def shared_memory(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Leave memory to Python while it computes: DuckDB writes out what it holds beyond SHARED_MEMORY_LIMIT."""
    # Of a cursor, since a failed statement would abort the connection's transaction: what DuckDB cannot let go of, it
    # keeps.
    with con.cursor() as other:
        with suppress(duckdb.OutOfMemoryException):
            other.execute(f"SET memory_limit = '{SHARED_MEMORY_LIMIT}'")
        try:
            yield
        finally:
            other.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")


@contextmanager
def _file_lock(path: Path, state: str, *, wait: bool, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    """An exclusive flock that names its holder; the kernel frees it when its holder dies. Raises WarehouseBusy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        told = False
        for attempt in itertools.count():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
                # A holder writes its name just after it has taken the lock: give it a moment.
                if holder or attempt >= 20:
                    message = f"{state} by process {holder or 'unknown'}"
                    if not wait:
                        raise WarehouseBusy(f"{message}; try again when it has ended") from None
                    if not told and on_wait is not None:
                        on_wait(f"{message}; waiting")
                    told = True
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        _holders[path] = threading.get_ident()
        try:
            yield
        finally:
            del _holders[path]
            os.ftruncate(descriptor, 0)  # the name of a past holder would mislead the next one who waits
    finally:
        os.close(descriptor)


def connect_published(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a published file, its session in UTC. Raises NotPublished."""
    if not path.exists():
        raise NotPublished(f"{path}: nothing has been published yet; run `alems materialize`")
    # Set after connecting: with a config of its own it could not share a process with an analyst's plain connection.
    con = duckdb.connect(str(path), read_only=True)
    con.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
    return con


def replace_whole(source: Path, target: Path) -> None:
    """Copy `source` over `target`, read-only: any reader sees the old file or the new one, never a part."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        shutil.copyfile(source, part)
        part.chmod(0o444)
        sync(part)
        # Somebody who opened the old file read-write may have left a log that would break every reader of the new one.
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync(target.parent)
