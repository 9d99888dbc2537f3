"""What several calls of `alems-collect` know of one session, by its name: JSON in collector-state, beside landing.

A named session is one of a host and a landing folder. Its file holds its id and its experiments with their run numbers,
so that a run of a later call is the partner of one of an earlier call. One call at a time goes on with a session.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from collectors.state_file import state_path, write_json

Experiment = TypeVar("Experiment")

VERSION: Final = 1


class SessionTaken(RuntimeError):
    """Another call goes on with the session at this moment."""


class BadSessionFile(RuntimeError):
    """The file of a session cannot be understood."""


class SessionFile:
    """The file of a session by name."""

    def __init__(self, landing: Path, host: str, name: str) -> None:
        self.name = name
        self.path = state_path(landing, "session", host, name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other calls away; the kernel frees it with the process. Raises SessionTaken, OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a+") as lock:  # Python's files are not passed on to the command
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise SessionTaken(
                    f"session {self.name}: process {lock.read().strip() or '?'} measures for it; let it end, or give "
                    "another --session"
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield

    def load(self, make: Callable[[dict[str, Any]], Experiment]) -> tuple[str, list[Experiment]] | None:
        """The session's id and what `make` makes of its experiments; None before its first call.

        `make` may raise ValueError, TypeError, KeyError or AttributeError. Raises BadSessionFile, OSError.
        """
        try:
            content = json.loads(self.path.read_text())
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']} and not {VERSION}")
            return str(content["id"]), [make(one) for one in content["experiments"]]
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadSessionFile(
                f"{self.path}: no state of a session ({type(error).__name__}: {error}); delete it to begin session "
                f"{self.name} anew, whose runs then pair with none before"
            ) from None

    def save(self, id_: str, experiments: Sequence[dict[str, Any]]) -> None:
        """Keep the session. Raises OSError."""
        write_json(self.path, {"version": VERSION, "name": self.name, "id": id_, "experiments": experiments})
