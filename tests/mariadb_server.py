"""A real MariaDB server for tests: a data folder of its own, a free port, gone at the end."""

import getpass
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.free_port import free_port

USER, PASSWORD = "rcdb", "s3:cr/et@x"
WAIT_S = 60


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of an empty database rcdb on a server that has just been started; skips where none is installed."""
    pymysql = pytest.importorskip("pymysql", reason="PyMySQL is not installed (test extra)")
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if install is None or server is None:
        pytest.skip("no MariaDB server here; on Debian: apt-get install mariadb-server")
    with tempfile.TemporaryDirectory(prefix="db-") as folder:  # short: a socket's path has at most 107 characters
        shared = ["--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}"]
        log = Path(folder) / "log"
        with log.open("w") as output:
            subprocess.run(
                [install, *shared, "--auth-root-authentication-method=normal", "--skip-test-db"],
                stdout=output,
                stderr=output,
                check=True,
            )
            port = free_port()
            process = subprocess.Popen(
                [server, *shared, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket",
                 f"--pid-file={folder}/pid", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"],
                stdout=output,
                stderr=output,
            )  # fmt: skip
        try:
            for _ in range(WAIT_S * 10):
                try:
                    connection = pymysql.connect(unix_socket=f"{folder}/socket", user="root")
                    break
                except pymysql.MySQLError:
                    try:
                        process.wait(timeout=0.1)
                    except subprocess.TimeoutExpired:
                        continue
                    raise AssertionError(log.read_text()) from None
            with connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE rcdb CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
                cursor.execute(f"CREATE USER {USER} IDENTIFIED BY %s", [PASSWORD])
                cursor.execute(f"GRANT ALL ON rcdb.* TO {USER}")
            yield f"mysql+pymysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/rcdb"
        finally:
            process.terminate()
            process.wait(timeout=WAIT_S)
