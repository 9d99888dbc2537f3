"""Reading another program's SQL database, SQLite or PostgreSQL, by ADBC into Arrow: read-only, streaming.

Every value is cast to the type that the contract asks for: SQLite keeps whatever it is given, and its driver guesses
the types from the first rows. A password is taken from the URL or from libpq's environment; it is in no message.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias
from urllib.parse import unquote

import pyarrow as pa

from collectors.dataset import B, I, R, T
from collectors.sources.sqlite_file import StoreUnreadable, quoted, unchanged_uri

BATCH_ROWS: Final = 65_536
BATCHES_AHEAD: Final = 6
WAIT_S: Final = 10
"""How long to wait for a lock that another program holds."""

Selected: TypeAlias = Mapping[str, tuple[str, pa.DataType]]
"""Column of the result -> its SQL and the type that it is cast to."""


class SqlStore:
    """An open database. `label` names it without user and password. Not for use by several threads at once."""

    TYPES: ClassVar[Mapping[pa.DataType, str]]
    """What a column of a type is cast to."""

    TABLES: str
    """Query of the names of all tables and their columns, in order."""

    def __init__(self, label: str, connection: Any, secrets: Sequence[str] = ()) -> None:
        self.label = label
        self._con = connection
        self._secrets = secrets

    def json_object(self, names: Sequence[str]) -> str:
        """SQL of a JSON object of columns."""
        raise NotImplementedError

    def tables(self) -> dict[str, list[str]]:
        """The columns of each table. Raises StoreUnreadable."""
        tables: dict[str, list[str]] = {}
        for row in self.rows({"table_name": ("table_name", T), "column_name": ("column_name", T)}, self.TABLES):
            tables.setdefault(row["table_name"], []).append(row["column_name"])
        return tables

    def batches(self, selected: Selected, rest: str) -> Iterator[pa.RecordBatch]:
        """The rows of `SELECT selected rest`, a batch at a time. Raises StoreUnreadable."""
        schema = pa.schema([(name, type_) for name, (_, type_) in selected.items()])
        listed = ", ".join(
            f"CAST({sql} AS {self.TYPES[type_]}) AS {quoted(name)}" for name, (sql, type_) in selected.items()
        )
        for batch in self._stream(f"SELECT {listed} {rest}", schema.types):
            columns = [column.cast(type_) for column, type_ in zip(batch.columns, schema.types, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def rows(self, selected: Selected, rest: str) -> list[dict[str, Any]]:
        """The same as Python values."""
        return [row for batch in self.batches(selected, rest) for row in batch.to_pylist()]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment. Raises StoreUnreadable."""
        with explaining(self.label, self._secrets):
            self._con.commit()
        yield
        with explaining(self.label, self._secrets):
            self._con.commit()

    def _stream(self, sql: str, types: Sequence[pa.DataType]) -> Iterator[pa.RecordBatch]:
        with explaining(self.label, self._secrets), self._con.cursor() as cursor:
            self._prepare(cursor)
            cursor.execute(sql)
            yield from cursor.fetch_record_batch()

    def _prepare(self, cursor: Any) -> None:
        """Set the driver's options."""


class SqliteStore(SqlStore):
    """SQLite."""

    TYPES: ClassVar = {T: "TEXT", I: "INTEGER", R: "REAL", B: "INTEGER"}
    TABLES = (
        "FROM (SELECT tables.name AS table_name, columns.name AS column_name, columns.cid FROM sqlite_master AS tables "
        "JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table') ORDER BY table_name, cid"
    )
    TYPE_ROW: ClassVar = {T: "''", I: "0", R: "0.0", B: "0"}

    def json_object(self, names: Sequence[str]) -> str:
        # JSON holds no BLOB: such a value is left out.
        pairs = (f"{texts([n])}, CASE WHEN typeof({quoted(n)}) <> 'blob' THEN {quoted(n)} END" for n in names)
        return f"json_object({', '.join(pairs)})"

    def _stream(self, sql: str, types: Sequence[pa.DataType]) -> Iterator[pa.RecordBatch]:
        # A row put first says the types: of a column that begins with NULLs the driver would guess a wrong one.
        type_row = ", ".join(self.TYPE_ROW[type_] for type_ in types)
        batches = super()._stream(f"SELECT {type_row} UNION ALL SELECT * FROM ({sql})", types)
        yield next(batches).slice(1)
        yield from batches

    def _prepare(self, cursor: Any) -> None:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})


class PostgresStore(SqlStore):
    """PostgreSQL."""

    TYPES: ClassVar = {T: "text", I: "bigint", R: "double precision", B: "boolean"}
    TABLES = (
        "FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
    )

    def json_object(self, names: Sequence[str]) -> str:
        return f"jsonb_build_object({', '.join(f'{texts([name])}, {quoted(name)}' for name in names)})"


def read_ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches; the next ones are read by a thread of their own while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming = deque(reader.submit(next, batches, None) for _ in range(BATCHES_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(reader.submit(next, batches, None))
            yield batch


def texts(values: Sequence[str]) -> str:
    """SQL of a list of texts, as it stands in IN (…)."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


@contextmanager
def open_store(url: str, scratch: Path) -> Iterator[SqlStore]:
    """Open the database that a URL names, as MLflow and SQLAlchemy write it; or the path of an SQLite file.

    `scratch`: where a SQLite file that a crash has left is repaired, in a copy. Raises StoreUnreadable.
    """
    if "://" not in url and re.search(r"\bpassword\s*=", url):
        raise StoreUnreadable("what was given is no URL, and holds a password; write postgresql://user@host/database")
    engine, rest = _split(url)
    if engine == "sqlite":
        with _open_sqlite(Path(rest), scratch) as store:
            yield store
    elif engine == "postgresql":
        with _open_postgres(url, rest) as store:
            yield store
    elif engine in ("http", "https"):
        raise StoreUnreadable(
            f"{label_of(url)}: is a tracking server; give the URL of the database behind it, its --backend-store-uri"
        )
    else:
        raise StoreUnreadable(f"{label_of(url)}: only sqlite:///… and postgresql://… are read; give such a URL")


def label_of(url: str) -> str:
    """A URL without user, password and options."""
    engine, rest = _split(url)
    return f"sqlite:///{Path(rest).resolve()}" if engine == "sqlite" else f"{engine}://{_without_user(rest)}"


def explain(label: str, message: str, secrets: Sequence[str] = ()) -> str:
    """A driver's error in one line, with a remedy and without a password."""
    text = " ".join(message.split())
    for secret in secrets:
        text = text.replace(secret, "***")
    lower = text.lower()
    if "database is locked" in lower or "table is locked" in lower or "lock timeout" in lower:
        return f"{label}: is locked by another program; try again when that has finished writing"
    if "malformed" in lower or "not a database" in lower:
        return f"{label}: is damaged ({text[:200]}); restore it from a backup"
    return f"{label}: cannot be read ({text[:300]}); check that it is reachable and that this user may read it"


@contextmanager
def explaining(label: str, secrets: Sequence[str]) -> Iterator[None]:
    """Raises StoreUnreadable where a driver fails. Not chained: a driver may quote its URL, password and all."""
    from adbc_driver_manager import Error

    try:
        yield
    except (Error, pa.ArrowException, OSError) as error:
        raise StoreUnreadable(explain(label, str(error), secrets)) from None


@contextmanager
def _open_sqlite(path: Path, scratch: Path) -> Iterator[SqlStore]:
    with unchanged_uri(path, scratch) as readable:
        connect = _connect_by("adbc_driver_sqlite")
        label = f"sqlite:///{path.resolve()}"
        with _connected(connect, readable.uri, label, (), [f"PRAGMA busy_timeout = {WAIT_S * 1000}"]) as connection:
            yield SqliteStore(label, connection)
        readable.check_unchanged()


@contextmanager
def _open_postgres(url: str, rest: str) -> Iterator[SqlStore]:
    connect = _connect_by("adbc_driver_postgresql")
    settings = [
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        f"SET lock_timeout = '{WAIT_S}s'",
    ]
    label, secrets = label_of(url), _secrets(f"postgresql://{rest}")
    with _connected(connect, f"postgresql://{rest}", label, secrets, settings) as connection:
        yield PostgresStore(label, connection, secrets)


def _connect_by(driver: str) -> Any:
    try:
        return import_module(f"{driver}.dbapi").connect
    except ImportError as error:
        package = driver.replace("_", "-")
        raise StoreUnreadable(f"{package} is not installed; pip install {package}") from error


@contextmanager
def _connected(connect: Any, uri: str, label: str, secrets: Sequence[str], settings: Sequence[str]) -> Iterator[Any]:
    with explaining(label, secrets):
        connection = connect(uri)
    try:
        with explaining(label, secrets), connection.cursor() as cursor:
            for statement in settings:
                cursor.execute(statement)
            connection.commit()
        yield connection
    finally:
        connection.close()


def _split(url: str) -> tuple[str, str]:
    """The kind of database, and the path of a SQLite file or what stands behind ://."""
    scheme, separator, rest = url.partition("://")
    engine = scheme.partition("+")[0].lower()
    if not separator:
        return "sqlite", url
    if engine == "sqlite":
        return engine, rest.removeprefix("/").partition("?")[0]
    return ("postgresql" if engine == "postgres" else engine), rest


def _without_user(rest: str) -> str:
    """Host and database. A password may hold ? and @ as they are: all before the last @ of either part is left out."""
    before, _, options = rest.partition("?")
    return before.rpartition("@")[2] if "@" in before else options.rpartition("@")[2].partition("?")[0] or before


def _secrets(url: str) -> list[str]:
    """What must not be shown of a URL, the longest first; a driver may quote any part of it."""
    rest = url.partition("://")[2]
    user, _, _ = rest.rpartition("@")
    password = user.partition(":")[2]
    given = [
        password,
        *(part for part in password.split("@") if len(part) > 2),
        *re.findall(r"(?:[?&])(?:ssl)?password=([^&]*)", rest),
    ]
    found = {text for one in given if one for text in (one, unquote(one))}
    return sorted({url, *found}, key=len, reverse=True)
