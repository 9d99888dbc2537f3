"""Reading /sys and /proc: files that stay open, and single numbers and lines that may be missing."""

import os
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 4096


class KernelFile:
    """A /sys or /proc file that stays open: each read at offset 0 makes the kernel render it anew.

    Opening costs several times what reading does, so whatever is read many times a second stays open.
    Errors of the kernel are OSError and carry the path.
    """

    def __init__(self, path: Path, size: int = 64) -> None:
        self.path = path
        self._size = size
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """The whole content."""
        while True:
            try:
                content = os.pread(self.descriptor, self._size, 0)
            except OSError as error:
                raise self._named(error) from error
            if len(content) < self._size:
                return content
            self._size *= 2  # it may go on: only a short read is surely whole

    def read_int(self) -> int:
        """The one whole number in the file; ValueError when it holds something else."""
        try:  # one call, as this is what 100 Hz sampling spends its time on
            return int(os.pread(self.descriptor, self._size, 0))
        except OSError as error:
            raise self._named(error) from error
        except ValueError:
            raise ValueError(f"{self.path}: {self.read()[:40]!r} is not a whole number") from None

    def close(self) -> None:
        """Close it; a second close does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _named(self, error: OSError) -> OSError:
        """The error with the path that the kernel does not know."""
        return OSError(error.errno, error.strerror, str(self.path))


def read_text(path: Path | str) -> str | None:
    """The content without surrounding white space; None where it is missing, unreadable or empty."""
    # Plain system calls: a fifth of what Path.read_text() costs, and some callers read hundreds of files a second.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        content = os.read(descriptor, CHUNK_BYTES)
        while chunk := os.read(descriptor, CHUNK_BYTES):
            content += chunk
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return content.decode(errors="replace").strip() or None


def read_int(path: Path | str) -> int | None:
    """The whole number in a file; None where it is missing, unreadable or no number."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def numbered(folder: Path, prefix: str) -> list[Path]:
    """The entries `<prefix><number>` of a folder in numerical order; none where the folder is missing."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names only: a Path for each entry of /proc is waste
    except OSError:
        return []
    numbers = sorted(int(name[len(prefix) :]) for name in names if _is_numbered(name, prefix))
    return [folder / f"{prefix}{number}" for number in numbers]


def _is_numbered(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdecimal()
