"""The files of CI artifacts: files, folders, ZIPs, tars and ZIPs in ZIPs, read within limits, never unpacked to a disk.

Whoever wrote them may be careless or hostile: an archive that inflates without end, a member whose path climbs out, a
link, a member that stands twice. Each is refused with its reason, and the others are read.
"""

import gzip
import io
import os
import stat
import struct
import tarfile
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
TAR_SUFFIXES: Final = (".tar.gz", ".tgz", ".tar")
UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)

Refuse = Callable[[str, str], None]
"""Told the path and the reason of what is not read."""

ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError, struct.error,
)  # fmt: skip
TAR_ERRORS: Final = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read at most; anything beyond is refused."""

    members: int = 10_000  # files in one archive
    depth: int = 4  # archives in archives
    folders: int = 64  # folders in folders
    document_bytes: int = 32 * MIB  # one JSON file or log: parsed, it takes a multiple of that
    zip_bytes: int = 512 * MIB  # one archive in an archive, and one tar, inflated
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
        status = self.root.stat()
        modified = _modified(status)
        if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
            self.refuse(printable(self.root.name), "no regular file; only files are read")  # a pipe would never end
        elif self.root.is_dir():
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
                modified = _modified(entry.stat())
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
        kind = _kind(path)
        if kind not in _ARCHIVES and kind not in self.suffixes:
            self.n_others += 1
            return
        try:
            with file.open("rb") as content:
                if kind in _ARCHIVES:
                    yield from self._of_archive(content, path, modified, 1)
                else:
                    yield Document(path, self._read(content, self.limits.document_bytes), modified)
        except _Refused as reason:
            self.refuse(str(path), str(reason))
        except OSError as error:
            self.refuse(str(path), f"not readable: {error.strerror or error}; copy it again")

    def _of_archive(
        self, content: IO[bytes], path: PurePosixPath, modified: datetime, depth: int
    ) -> Iterator[Document]:
        if depth > self.limits.depth:
            self.refuse(str(path), f"more than {self.limits.depth} archives deep; unpack the outer ones")
        elif _kind(path) == ".zip":
            yield from self._of_zip(content, path, modified, depth)
        else:
            yield from self._of_tar(content, path, modified, depth)

    def _of_zip(self, content: IO[bytes], path: PurePosixPath, modified: datetime, depth: int) -> Iterator[Document]:
        try:
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
            kind = _kind(inner)
            try:
                _check_zip_member(member, seen)
                if kind not in _ARCHIVES and kind not in self.suffixes:
                    self.n_others += 1
                    continue
                data = self._inflate(archive, member, is_archive=kind in _ARCHIVES)
            except _Refused as reason:
                self.refuse(str(inner), str(reason))
                continue
            except ZIP_ERRORS as error:
                self.refuse(str(inner), f"damaged in its ZIP ({_short(error)}); fetch the ZIP again")
                continue
            yield from self._of_member(inner, data, modified, depth)

    def _of_member(self, path: PurePosixPath, data: bytes, modified: datetime, depth: int) -> Iterator[Document]:
        if _kind(path) in _ARCHIVES:
            yield from self._of_archive(io.BytesIO(data), path, modified, depth + 1)
        else:
            yield Document(path, data, modified)

    def _of_tar(self, content: IO[bytes], path: PurePosixPath, modified: datetime, depth: int) -> Iterator[Document]:
        try:
            data = self._whole_tar(content, path)
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                yield from self._of_tar_members(archive, path, modified, depth)
                # A header that cannot be read ends the listing like the end itself, which is a block of zeros.
                if data[archive.offset : archive.offset + tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
                    raise _Refused("a tar without its end; it is truncated or damaged, fetch it again")
        except _Refused as reason:
            self.refuse(str(path), str(reason))
        except TAR_ERRORS as error:
            self.refuse(str(path), f"no readable tar ({_short(error)}); it is truncated or damaged, fetch it again")

    def _of_tar_members(
        self, archive: tarfile.TarFile, path: PurePosixPath, modified: datetime, depth: int
    ) -> Iterator[Document]:
        seen: set[str] = set()
        for n, member in enumerate(archive):
            if n >= self.limits.members:
                raise _Refused(f"more than {self.limits.members} members; give it in parts")
            if member.isdir():
                continue
            inner = path / printable(member.name).lstrip("/")
            kind = _kind(inner)
            try:
                _check_name(member.name, seen)
                if not member.isreg() or member.issparse():
                    raise _Refused("a link or no regular file in a tar; only files are read")
                if kind not in _ARCHIVES and kind not in self.suffixes:
                    self.n_others += 1
                    continue
                file = archive.extractfile(member)
                assert file is not None  # only of what is no regular file
                data = file.read(self.limits.document_bytes + 1)
                if len(data) > self.limits.document_bytes:
                    raise _Refused(f"more than {self.limits.document_bytes:,} bytes; give it in parts")
            except _Refused as reason:
                self.refuse(str(inner), str(reason))
                continue
            yield from self._of_member(inner, data, modified, depth)

    def _whole_tar(self, content: IO[bytes], path: PurePosixPath) -> bytes:
        """A tar's bytes, inflated where it is packed. Raises _Refused, and what TAR_ERRORS lists."""
        if _kind(path) == ".tar":
            return self._read(content, self.limits.zip_bytes)
        packed = content.seek(0, io.SEEK_END)
        content.seek(0)
        most = max(self.limits.ratio_from_bytes, packed * self.limits.ratio)
        with gzip.GzipFile(fileobj=content) as inflated:
            data = self._read(inflated, self.limits.zip_bytes, most)
        return data

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

    def _inflate(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, is_archive: bool) -> bytes:
        limit = self.limits.zip_bytes if is_archive else self.limits.document_bytes
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > limit:
            raise _Refused(f"{member.file_size:,} bytes, more than {limit:,}; give it in parts")
        if member.file_size > self.limits.ratio_from_bytes and ratio > self.limits.ratio:
            raise _Refused(f"inflates {ratio:.0f} times, more than {self.limits.ratio}; a ZIP bomb is not read")
        with archive.open(member) as content:
            return self._read(content, limit)

    def _read(self, content: IO[bytes] | gzip.GzipFile, limit: int, most: int | None = None) -> bytes:
        """All bytes; refused above `limit`, above `most`, which only a bomb has, and above what is left in all."""
        left = self.limits.total_bytes - self.n_bytes
        data = content.read(min(limit, left, limit if most is None else most) + 1)
        if most is not None and len(data) > most:
            raise _Refused(f"inflates more than {self.limits.ratio} times; a bomb is not read")
        if len(data) > left:
            raise _Refused(f"more than {self.limits.total_bytes:,} bytes in one path; give it in parts")
        if len(data) > limit:
            raise _Refused(f"more than {limit:,} bytes; give it in parts")
        self.n_bytes += len(data)
        return data


_ARCHIVES: Final = frozenset({".zip", *TAR_SUFFIXES})


def _kind(path: PurePosixPath) -> str:
    """The ending that says what a file is."""
    name = path.name.lower()
    return next((suffix for suffix in TAR_SUFFIXES if name.endswith(suffix)), path.suffix.lower())


def _modified(status: os.stat_result) -> datetime:
    """When a file was written; UNKNOWN_TIME where its time is none that a calendar has."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return UNKNOWN_TIME


def _check_zip_member(member: zipfile.ZipInfo, seen: set[str]) -> None:
    _check_name(member.filename, seen)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _Refused("a link in a ZIP; links are not followed")
    # Of other methods Python inflates a block whole before it looks at the size that was declared.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Refused("compressed by another method than deflate; pack it anew")
    if member.flag_bits & 1:
        raise _Refused("encrypted; give it without a password")


def _check_name(name: str, seen: set[str]) -> None:
    if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts or name[1:2] == ":":
        raise _Refused("its path leads out of the archive; such members are not read")
    if name in seen:
        raise _Refused("another member of the archive has this name; the first one is read")
    seen.add(name)


def printable(name: str) -> str:
    """A name as it can be stored and shown: no bytes outside UTF-8, no control characters, no more than 1,000."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name[:MAX_NAME])
    return shown if len(name) <= MAX_NAME else f"{shown}…"


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
