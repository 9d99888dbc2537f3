"""The measured command as a process: started in a group of its own, waited for, and told of signals."""

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import IO, Final, Self

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
NAP_S: Final = 0.1


class CannotStart(RuntimeError):
    """The command could not be started; `exit_code` is what a shell would return for it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended. `usage` counts its descendants, too, as far as they were waited for."""

    end_ns: int
    exit_code: int
    """Negative: ended by that signal."""
    usage: resource.struct_rusage


class Command:
    """A running command. Descendants that outlive it are left alone: they may be servers that it was to start."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        now_ns: Callable[[], int],
        output: IO[bytes] | None = None,
    ) -> None:
        """Start it; its output goes to `output`, or where the collector's goes. Raises CannotStart."""
        try:
            # A group in the terminal's background would be stopped for reading from it.
            self._process = subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL if os.isatty(0) else None,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            remedy = "check its spelling and PATH" if missing else "is it executable?"
            raise CannotStart(
                f"{arguments[0]}: cannot be run, {error.strerror}; {remedy}", NOT_FOUND if missing else NOT_EXECUTABLE
            ) from error
        self.pid = self._process.pid
        self._now_ns = now_ns
        self._gone = False
        self._ended: Ended | None = None
        self._done = threading.Event()
        threading.Thread(target=self._wait, name=f"wait-{self.pid}", daemon=True).start()

    def wait(self, seconds: float) -> Ended | None:
        """How it ended, or None when it has not after so long."""
        self._done.wait(seconds)
        return self._ended

    def send(self, signal_number: int) -> None:
        """Send a signal to the whole group; harmless when the command has ended."""
        if not self._gone:
            os.killpg(self.pid, signal_number)

    def _wait(self) -> None:
        # Its death is seen before its pid is freed: a signal never goes to somebody else's group.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        end_ns = self._now_ns()
        self._gone = True
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._ended = Ended(end_ns, self._process.returncode, usage)
        self._done.set()


class Interruptions:
    """While entered: SIGINT, SIGTERM and SIGHUP end the session cleanly instead of the collector at once.

    The first one is passed on to the running command's group, a further one kills it. Outside the main thread, where
    Python handles no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The first signal that came."""
        self._command: Command | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def pass_on_to(self, command: Command | None) -> None:
        """Name the command that signals go to from now on; one that came while it was being started goes there now."""
        self._command = command
        if command is not None and self.signal is not None:
            command.send(self.signal)

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until a signal comes."""
        deadline = time.monotonic() + seconds
        while self.signal is None and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = self.signal is not None
        self.signal = self.signal or number
        if self._command is not None:
            self._command.send(signal.SIGKILL if again else number)
