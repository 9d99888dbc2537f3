"""A PostgreSQL server of its own for tests: Debian's, on a free loopback port, as a user other than root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.free_port import free_port

USER = "alems"
PASSWORD = "pa:ss/w@rd"  # one that has to be quoted in a URL
QUOTED_PASSWORD = "pa%3Ass%2Fw%40rd"
SERVER_USER = "postgres"  # that Debian's package makes


def binaries() -> Path | None:
    """The folder of the newest installed server's programs; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def running_server() -> Iterator[str]:
    """A server with an empty database: yields host:port/database."""
    folder = binaries()
    assert folder is not None, "no PostgreSQL server: apt-get install postgresql"
    # Not below pytest's folders, into which only their owner may look.
    home = Path(tempfile.mkdtemp(prefix="alems-pg-"))
    as_user: dict[str, Any] = {"cwd": home}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(home, SERVER_USER)
        as_user |= {"user": SERVER_USER, "group": SERVER_USER, "extra_groups": []}
    port = free_port()
    try:
        password = home / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = home / "data"
        _run([folder / "initdb", "-D", data, "-U", USER, f"--pwfile={password}", "--auth=scram-sha-256", "-E", "UTF8",
              "--locale=C.UTF-8", "--no-sync"], as_user)  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {home} -F"
        _run([folder / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start"], as_user)
        try:
            yield f"127.0.0.1:{port}/postgres"
        finally:
            _run([folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], as_user)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(command: list[Path | str], as_user: dict[str, Any]) -> None:
    # Output to a file: a server that has been started holds on to a pipe.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, **as_user)
        output.seek(0)
        assert done.returncode == 0, output.read().decode(errors="replace")
