"""The files of CI artifacts: files, folders, ZIPs, and ZIPs in ZIPs, read within limits and never unpacked to a disk.

Whoever wrote them may be careless or hostile: a ZIP that inflates without end, a member whose path climbs out, a link,
a member that stands twice. Each is refused with its reason, and the others are read.
"""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final

MIB: Final = 1024**2
MAX_NAME: Final = 1_000
END_RECORD: Final = struct.Struct("<4s4H2LH")  # of a ZIP: signature, four counts, size and place of its directory, …
ZIP64_LOCATOR_BYTES: Final = 20
LONGEST_COMMENT: Final = 65_535
DIRECTORY_ENTRY_BYTES: Final = 512  # of a ZIP's directory: 46 and the name; a path of CI is far shorter

Refuse = Callable[[str, str], None]
"""Told the path and the reason of what is not read."""

ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read at most; anything beyond is refused."""

    members: int = 10_000  # files in one ZIP
    depth: int = 4  # ZIPs in ZIPs
    folders: int = 64  # folders in folders
    document_bytes: int = 32 * MIB  # one JSON file or log: parsed, it takes a multiple of that
    zip_bytes: int = 512 * MIB  # one ZIP in a ZIP
    total_bytes: int = 4096 * MIB  # of all that one path holds, inflated
    ratio: int = 200  # inflated / compressed, of members above ratio_from_bytes
    ratio_from_bytes: int = 4 * MIB


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its path within what was given, its bytes, when the file on disk was written."""

    path: PurePosixPath
    data: bytes
    modified: datetime


class _Refused(Exception):
    """The message says why, by which rule, and what to do."""


@dataclass(slots=True)
class ArtifactFiles:
    """Reads what one path holds. `first` are names that are read before the others of their folder."""

    root: Path
    suffixes: frozenset[str]
    refuse: Refuse
    first: frozenset[str] = frozenset()
    limits: Limits = Limits()
    n_others: int = 0  # files of other kinds, left alone
    n_bytes: int = 0

    def documents(self) -> Iterator[Document]:
        """All files with one of `suffixes`, a folder's own files before its folders. Raises OSError for the root."""
        modified = datetime.fromtimestamp(self.root.stat().st_mtime, UTC)
        if self.root.is_dir():
            yield from self._of_folder(self.root, PurePosixPath(), 0)
        else:
            yield from self._of_file(self.root, PurePosixPath(printable(self.root.name)), modified)

    def _of_folder(self, folder: Path, path: PurePosixPath, depth: int) -> Iterator[Document]:
        if depth > self.limits.folders:
            self.refuse(str(path), f"more than {self.limits.folders} folders deep; give the inner folder itself")
            return
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            self.refuse(str(path), f"not readable: {error.strerror}; let this user list the folder")
            return
        files = [entry for entry in entries if not entry.is_dir(follow_symlinks=False)]
        for entry in sorted(files, key=lambda entry: self._order(entry.name)):
            inner = path / printable(entry.name)
            try:
                self._check_entry(entry)
                modified = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
            except (_Refused, OSError) as reason:
                self.refuse(str(inner), str(reason))
                continue
            yield from self._of_file(Path(entry.path), inner, modified)
        for entry in sorted(set(entries) - set(files), key=lambda entry: entry.name):
            yield from self._of_folder(Path(entry.path), path / printable(entry.name), depth + 1)

    def _check_entry(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            target = Path(entry.path).resolve()
            if not target.is_relative_to(self.root.resolve()):
                raise _Refused("a link that leads out of the folder; copy the file into it")
            if target.is_dir():
                raise _Refused("a link to a folder; these are not followed, copy it instead")
        if not entry.is_file():
            raise _Refused("no regular file; only files are read")

    def _of_file(self, file: Path, path: PurePosixPath, modified: datetime) -> Iterator[Document]:
        kind = path.suffix.lower()
        if kind == ".zip":
            try:
                with file.open("rb") as content:
                    yield from self._of_zip(content, path, modified, 1)
            except OSError as error:
                self.refuse(str(path), f"not readable: {error.strerror or error}; copy it again")
        elif kind not in self.suffixes:
            self.n_others += 1
        else:
            try:
                with file.open("rb") as content:
                    yield Document(path, self._read(content, self.limits.document_bytes), modified)
            except (_Refused, OSError) as reason:
                self.refuse(str(path), str(reason))

    def _of_zip(self, content: IO[bytes], path: PurePosixPath, modified: datetime, depth: int) -> Iterator[Document]:
        try:
            if depth > self.limits.depth:
                raise _Refused(f"more than {self.limits.depth} ZIPs deep; unpack the outer ones")
            self._check_directory(content)
            with zipfile.ZipFile(content) as archive:
                if len(archive.infolist()) > self.limits.members:  # the end record may say less
                    raise _Refused(f"more than {self.limits.members} members; give it in parts")
                yield from self._of_members(archive, path, modified, depth)
        except _Refused as reason:
            self.refuse(str(path), str(reason))
        except ZIP_ERRORS as error:
            self.refuse(str(path), f"no readable ZIP ({_short(error)}); it is truncated or damaged, fetch it again")

    def _of_members(
        self, archive: zipfile.ZipFile, path: PurePosixPath, modified: datetime, depth: int
    ) -> Iterator[Document]:
        seen: set[str] = set()
        members = [member for member in archive.infolist() if not member.is_dir()]
        for member in sorted(members, key=self._member_order):
            inner = path / printable(member.filename).lstrip("/")
            kind = inner.suffix.lower()
            try:
                _check_member(member, seen)
                if kind != ".zip" and kind not in self.suffixes:
                    self.n_others += 1
                    continue
                data = self._inflate(archive, member, is_zip=kind == ".zip")
            except _Refused as reason:
                self.refuse(str(inner), str(reason))
                continue
            except ZIP_ERRORS as error:
                self.refuse(str(inner), f"damaged in its ZIP ({_short(error)}); fetch the ZIP again")
                continue
            if kind == ".zip":
                yield from self._of_zip(io.BytesIO(data), inner, modified, depth + 1)
            else:
                yield Document(inner, data, modified)

    def _member_order(self, member: zipfile.ZipInfo) -> tuple[str, bool, str]:
        folder, _, name = member.filename.rpartition("/")
        return (folder, *self._order(name))

    def _order(self, name: str) -> tuple[bool, str]:
        return name not in self.first, name

    def _check_directory(self, content: IO[bytes]) -> None:
        """Refuse a ZIP by its end record, before its directory is read: a directory of millions fills the memory."""
        size = content.seek(0, io.SEEK_END)
        content.seek(max(0, size - END_RECORD.size - LONGEST_COMMENT))
        end = content.read()
        start = end.rfind(b"PK\x05\x06")
        content.seek(0)
        if start < 0 or len(end) - start < END_RECORD.size:
            raise _Refused("no readable ZIP (no end record); it is truncated or no ZIP, fetch it again")
        if end[max(0, start - ZIP64_LOCATOR_BYTES) : start].startswith(b"PK\x06\x07"):  # its record overrules this one
            raise _Refused("a ZIP64 archive, which only more than 4 GB or 65,535 members need; give it in parts")
        _, _, _, _, members, directory_bytes, _, _ = END_RECORD.unpack_from(end, start)
        if members > self.limits.members or directory_bytes > self.limits.members * DIRECTORY_ENTRY_BYTES:
            raise _Refused(f"{members} members, more than {self.limits.members}; give it in parts")

    def _inflate(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, is_zip: bool) -> bytes:
        limit = self.limits.zip_bytes if is_zip else self.limits.document_bytes
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > limit:
            raise _Refused(f"{member.file_size:,} bytes, more than {limit:,}; give it in parts")
        if member.file_size > self.limits.ratio_from_bytes and ratio > self.limits.ratio:
            raise _Refused(f"inflates {ratio:.0f} times, more than {self.limits.ratio}; a ZIP bomb is not read")
        with archive.open(member) as content:
            return self._read(content, limit)

    def _read(self, content: IO[bytes], limit: int) -> bytes:
        left = self.limits.total_bytes - self.n_bytes
        data = content.read(min(limit, left) + 1)
        if len(data) > left:
            raise _Refused(f"more than {self.limits.total_bytes:,} bytes in one path; give it in parts")
        if len(data) > limit:
            raise _Refused(f"more than {limit:,} bytes; give it in parts")
        self.n_bytes += len(data)
        return data


def _check_member(member: zipfile.ZipInfo, seen: set[str]) -> None:
    name = member.filename
    parts = PurePosixPath(name).parts
    if name.startswith("/") or "\\" in name or ".." in parts or name[1:2] == ":":
        raise _Refused("its path leads out of the ZIP; such members are not read")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _Refused("a link in a ZIP; links are not followed")
    # Of other methods Python inflates a block whole before it looks at the size that was declared.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Refused("compressed by another method than deflate; pack it anew")
    if member.flag_bits & 1:
        raise _Refused("encrypted; give it without a password")
    if name in seen:
        raise _Refused("another member of the ZIP has this name; the first one is read")
    seen.add(name)


def printable(name: str) -> str:
    """A name as it can be stored and shown: no bytes outside UTF-8, no control characters, no more than 1,000."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name[:MAX_NAME])
    return shown if len(name) <= MAX_NAME else f"{shown}…"


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
