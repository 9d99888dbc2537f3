"""Reading a MySQL or MariaDB database by its URL: one read-only snapshot, values as numbers and text.

PyMySQL is the extra `mysql`: pure Python, and what RCDB itself connects with.
"""

import os
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from collectors.sources.sqlite_file import StoreUnreadable

SCHEMES: Final = ("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql")
PASSWORD_VARIABLE: Final = "ALEMS_RCDB_PASSWORD"
DEFAULT_PORT: Final = 3306
CONNECT_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class MysqlServer:
    """An open database."""

    name: str  # its URL without a password
    _con: Any

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StoreUnreadable."""
        import pymysql

        try:
            with self._con.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            raise StoreUnreadable(f"{self.name}: cannot be read ({_said(error)}); try again") from error

    def tables(self) -> dict[str, list[str]]:
        """The columns of each table."""
        tables: dict[str, list[str]] = {}
        for table, column in self.rows(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = database() ORDER BY table_name, ordinal_position"
        ):
            tables.setdefault(table, []).append(column)
        return tables


@contextmanager
def open_server(url: str) -> Iterator[MysqlServer]:
    """Connect and begin one read-only transaction. A URL without a password takes that of ALEMS_RCDB_PASSWORD.

    Raises StoreUnreadable.
    """
    try:
        import pymysql
    except ImportError:
        raise StoreUnreadable(
            f"{without_password(url)}: PyMySQL is not installed; run `pip install PyMySQL` (the extra mysql)"
        ) from None
    name = without_password(url)
    try:
        connection = pymysql.connect(**_arguments(url), conv=_converters(), connect_timeout=CONNECT_TIMEOUT_S)
    except (pymysql.MySQLError, OSError) as error:
        raise StoreUnreadable(f"{name}: no connection ({_said(error)}); check host, user and password") from error
    with closing(connection):
        server = MysqlServer(name, connection)
        server.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield server


def without_password(url: str) -> str:
    """The URL as it may be shown and kept."""
    parts = urllib.parse.urlsplit(url)
    if parts.password is None:
        return url
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}@{place}").geturl()


def _arguments(url: str) -> dict[str, Any]:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise StoreUnreadable(f"{without_password(url)}: the port is no number; mend the URL") from None
    database = parts.path.removeprefix("/")
    if not parts.hostname or not database:
        raise StoreUnreadable(f"{without_password(url)}: give it as mysql://user@host:3306/database")
    arguments = {
        "host": parts.hostname,
        "port": port,
        "user": urllib.parse.unquote(parts.username or "rcdb"),
        "password": urllib.parse.unquote(parts.password or os.environ.get(PASSWORD_VARIABLE, "")),
        "database": urllib.parse.unquote(database),
        "charset": "utf8mb4",
    }
    socket = urllib.parse.parse_qs(parts.query).get("unix_socket")
    return arguments | ({"unix_socket": socket[0]} if socket else {})


def _converters() -> dict[Any, Any]:
    """Numbers as numbers; all else, times above all, as the text that the server writes."""
    from pymysql.constants import FIELD_TYPE as FIELD
    from pymysql.converters import encoders

    integers = (FIELD.TINY, FIELD.SHORT, FIELD.LONG, FIELD.LONGLONG, FIELD.INT24, FIELD.YEAR)
    floats = (FIELD.FLOAT, FIELD.DOUBLE, FIELD.DECIMAL, FIELD.NEWDECIMAL)
    return {**encoders, **dict.fromkeys(integers, int), **dict.fromkeys(floats, float)}


def _said(error: Exception) -> str:
    """The server's own words, without the number before them."""
    return str(error.args[-1] if error.args else error).strip() or type(error).__name__
