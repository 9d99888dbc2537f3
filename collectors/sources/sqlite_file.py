"""Reading another program's SQLite file without changing a byte of it, or of what lies beside it.

Rows are read in pages, each one statement of its own: in a store without a write-ahead log a long-running read would
keep the program that writes it from committing.
"""

import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BUSY_TIMEOUT_S: Final = 10.0
MAGIC: Final = b"SQLite format 3\x00"
WRITE_VERSION_OFFSET: Final = 18  # header byte: 2 where the file is in write-ahead-log mode


class StoreUnreadable(RuntimeError):
    """The file is no SQLite database, is damaged, or cannot be opened now."""


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """An open SQLite file."""

    path: Path
    _con: sqlite3.Connection
    _readable: "ReadableUri"

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StoreUnreadable."""
        try:
            try:
                found = self._con.execute(sql, parameters).fetchall()
            except sqlite3.OperationalError as error:
                if "decode" not in str(error):
                    raise
                # A byte that is no UTF-8 must not hide the other rows. (Asked for from the start, this costs a call for
                # each text.)
                self._con.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
                found = self._con.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnreadable(_explain(self.path, error)) from error
        self._readable.check_unchanged()
        return found

    def tables(self) -> dict[str, list[str]]:
        """The columns of each table, SQLite's own tables left out."""
        names = self.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
        )
        return {name: [row[1] for row in self.rows(f"PRAGMA table_info({quoted(name)})")] for (name,) in names}

    def last_rowid(self, table: str) -> int:
        return int(self.rows(f"SELECT coalesce(max(rowid), 0) FROM {quoted(table)}")[0][0])

    def pages(
        self, table: str, columns: Sequence[str], *, size: int, after: int = 0, upto: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The table's rows with `after` < rowid <= `upto` in that order, `size` at a time; rowid comes first."""
        listed = ", ".join(["rowid", *map(quoted, columns)])
        sql = f"SELECT {listed} FROM {quoted(table)} WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?"
        while page := self.rows(sql, (after, upto, size)):
            yield page
            after = page[-1][0]


@dataclass(frozen=True, slots=True)
class ReadableUri:
    """A URI by which any SQLite library reads a file without changing it."""

    uri: str
    _path: Path
    _assumed: tuple[int, int] | None = None

    def check_unchanged(self) -> None:
        """Raises StoreUnreadable where the file was opened in the belief that nobody writes it, and somebody did."""
        if self._assumed is not None and self._assumed != _fingerprint(self._path.resolve()):
            raise StoreUnreadable(f"{self._path}: was written while it was being read; run this again")


@contextmanager
def unchanged_uri(path: Path, scratch: Path) -> Iterator[ReadableUri]:
    """How to open a SQLite file read-only; one that a crash has left to be repaired is copied to `scratch`, for that.

    Raises StoreUnreadable.
    """
    real = path.resolve()
    _check_header(path, real)
    mode, assumed = "mode=ro", None
    if _in_wal_mode(real):
        if _beside(real, "-shm").exists():
            mode = "mode=ro&readonly_shm=1"  # mode=ro alone would write to the -shm file
        elif _has_content(_beside(real, "-wal")):
            mode = ""  # mode=ro alone would make a -shm file
        else:
            # Nobody has it open and nothing is in a log; mode=ro alone would make both files.
            mode, assumed = "mode=ro&immutable=1", _fingerprint(real)
    uri = f"{real.as_uri()}?{mode}"
    if mode and _opens(path, uri):
        yield ReadableUri(uri, path, assumed)
    else:
        with _repaired_copy(path, real, scratch) as uri:
            yield ReadableUri(uri, path)


@contextmanager
def open_unchanged(path: Path, scratch: Path) -> Iterator[SqliteFile]:
    """Open a SQLite file as `unchanged_uri` says. Raises StoreUnreadable."""
    with unchanged_uri(path, scratch) as readable:
        try:
            connection = _connect(readable.uri)
        except sqlite3.Error as error:
            raise StoreUnreadable(_explain(path, error)) from error
        with closing(connection):
            yield SqliteFile(path, connection, readable)


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the file, which connect() does not
    except BaseException:
        connection.close()
        raise
    return connection


def _opens(path: Path, uri: str) -> bool:
    """Whether a file can be opened so: not where it has to be repaired first. Raises StoreUnreadable."""
    try:
        _connect(uri).close()
    except sqlite3.Error as error:
        if not _error_name(error).startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise StoreUnreadable(_explain(path, error)) from error
        return False
    return True


@contextmanager
def _repaired_copy(path: Path, real: Path, scratch: Path) -> Iterator[str]:
    """URI of a copy of a store that its last writer left with a journal to be rolled back or a log without its index.

    Nobody has such a store open (SQLite would not report it so), hence the files fit together.
    """
    with ExitStack() as stack:
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="store-", dir=scratch))
            copy = Path(folder) / real.name
            for source in (real, _beside(real, "-wal"), _beside(real, "-journal")):
                if source.exists():
                    shutil.copyfile(source, copy.with_name(source.name))
            _connect(copy.as_uri()).close()
        except OSError as error:
            raise StoreUnreadable(
                f"{path}: must be repaired in a copy in {scratch}, which failed ({error}); make room there"
            ) from error
        except sqlite3.Error as error:
            raise StoreUnreadable(_explain(path, error)) from error
        yield copy.as_uri()


def _check_header(path: Path, real: Path) -> None:
    try:
        with real.open("rb") as file:
            magic = file.read(len(MAGIC))
    except FileNotFoundError:
        raise StoreUnreadable(f"{path}: no such file; give the path of the store") from None
    except IsADirectoryError:
        raise StoreUnreadable(f"{path}: is a folder; give the path of the SQLite file in it") from None
    except OSError as error:
        raise StoreUnreadable(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if not magic:
        raise StoreUnreadable(f"{path}: is empty; check that the store was copied whole")
    if magic != MAGIC:
        raise StoreUnreadable(f"{path}: is not an SQLite database (or is encrypted); give the path of the store")


def _in_wal_mode(real: Path) -> bool:
    with real.open("rb") as file:
        file.seek(WRITE_VERSION_OFFSET)
        return file.read(1) == b"\x02"


def _beside(real: Path, suffix: str) -> Path:
    return real.with_name(real.name + suffix)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _fingerprint(real: Path) -> tuple[int, int]:
    stat = real.stat()
    return stat.st_size, stat.st_mtime_ns


def _explain(path: Path, error: sqlite3.Error) -> str:
    name = _error_name(error)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{path}: is locked by another program; try again when that has finished writing"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{path}: is damaged ({error}); check it with `sqlite3 {path.name} 'PRAGMA integrity_check'`"
    return f"{path}: cannot be read ({error}); check that the file is whole and readable"


def _error_name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))  # absent where Python itself refused
