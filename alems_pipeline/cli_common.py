"""What the commands of `alems` share: the warehouse they work on, errors as one line, and what a signal does."""

import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from alems_pipeline.warehouse import Warehouse, default_home

WarehouseOption = Annotated[
    Path | None, typer.Option("--warehouse", help="Warehouse folder; default ALEMS_WAREHOUSE or ./warehouse.")
]

SIGNAL_EXIT: Final = 128  # a shell's exit code for a command that signal n ended is 128 + n
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)

_SAID_OF_ERRNO: Final[Mapping[int, str]] = {
    errno.ENOENT: "no such file or folder; check the path",
    errno.EEXIST: "exists already; give another name",
    errno.ENOTDIR: "a part of the path is a file, not a folder; check the path",
    errno.EISDIR: "is a folder; give a file",
    errno.EACCES: "no permission; ask for it, or give another path",
    errno.EPERM: "no permission; ask for it, or give another path",
    errno.EROFS: "the disk is read-only; give a path on another",
    errno.ENOSPC: "no space is left on the disk; free some, then run again",
    errno.EDQUOT: "the disk quota is used up; free some space, then run again",
}


class UserError(RuntimeError):
    """What was asked for cannot be done; the message says why and what to do."""


class Interrupted(RuntimeError):
    """A signal ended the command; the message says what stands."""

    def __init__(self, signal_number: int, outcome: str = "") -> None:
        super().__init__("; ".join(filter(None, ("interrupted", outcome))))
        self.exit_code = SIGNAL_EXIT + signal_number


class _Terminated(BaseException):
    """SIGTERM came. Unlike KeyboardInterrupt no prompt takes it for its end."""


def warehouse_of(home: Path | None) -> Warehouse:
    """The warehouse that an option or the environment names. Raises UserError where no folder can be."""
    warehouse = Warehouse(home or default_home())
    there = next(path for path in (warehouse.home, *warehouse.home.parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"{there}: a file, a warehouse is a folder; give --warehouse FOLDER or set ALEMS_WAREHOUSE")
    return warehouse


def os_error_line(error: OSError) -> str:
    """Path, reason in words, remedy. An error of ours has no number and says all that already."""
    path = error.filename2 or error.filename  # of a renaming the target: what was asked for
    if error.errno is None or not isinstance(path, str):
        return str(error)
    if error.errno == errno.ENOENT:
        gone = [parent for parent in Path(path).parents if not parent.exists()]
        if gone:
            return f"{gone[-1]}: no such folder; make it, or give another path"
    return f"{path}: {_SAID_OF_ERRNO.get(error.errno) or f'{os.strerror(error.errno)}; mend that, then run again'}"


@contextmanager
def interruptible(outcome: Callable[[], str] = lambda: "", *, sigterm: bool = False) -> Iterator[None]:
    """SIGINT ends the block as Interrupted, and SIGTERM too if asked for; `outcome` says then what stands.

    Without that SIGTERM ends the process at once, as it does by default: DuckDB may look for signals only after long.

    What a signal comes out as depends on where it strikes: Dagster has handlers of its own that forget the signal's
    number, DuckDB makes "Query interrupted" of it, Typer an exit code. Python writes the number to the wakeup
    descriptor whichever handler is set; so any failure after that is the signal's.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        for end in (reader, writer):
            end.setblocking(False)
        former_descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        former_handler = signal.signal(signal.SIGTERM, _terminate) if sigterm else signal.getsignal(signal.SIGTERM)
        try:
            yield
        except BaseException as error:
            number = _signal_of(reader)
            succeeded = isinstance(error, SystemExit) and not error.code
            if number is None or succeeded or isinstance(error, Interrupted):
                raise
            raise Interrupted(number, outcome()) from error
        finally:
            signal.signal(signal.SIGTERM, former_handler)
            signal.set_wakeup_fd(former_descriptor)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _signal_of(reader: socket.socket) -> int | None:
    """The first signal that came and ends a command."""
    try:
        return next((number for number in reader.recv(4096) if number in _ENDING), None)
    except BlockingIOError:
        return None
