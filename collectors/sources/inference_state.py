"""What each document of benchmark artifacts held when it was last collected, and in which workflow runs its rows count.

Kept in collector-state. Where that is lost it is learnt from landing, so that rows which a document has lost since, or
which it gave to another run, can still be withdrawn.
"""

import hashlib
import os
import socket
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collectors.contract_inference import INFERENCE_ARTIFACTS
from collectors.sources.artifact_files import printable
from collectors.state_file import load_state, save_state, state_path

SHOWN_PARTS: Final = 2  # of a path
LEARNT: Final = ("document_path", "run_name", "run_attempt", "kind")

RunKey = tuple[str, int]
"""Name and attempt."""


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run in which rows of a document count."""

    name: str
    attempt: int
    github_run_id: int | None
    created_at: datetime
    is_told: bool  # by the caller, a description or a folder's name; else the document's content, or nothing, names it

    @property
    def key(self) -> RunKey:
        return self.name, self.attempt


@dataclass(slots=True)
class HeldDocument:
    """A document as it was last collected."""

    digest: str  # of its content and of what was told about it; '' where only landing knows of it
    runs: list[HeldRun] = field(default_factory=list)


@dataclass(slots=True)
class InferenceState:
    """What has been collected of benchmark artifacts."""

    path: Path
    documents: dict[str, HeldDocument] = field(default_factory=dict)  # document_path -> as it was
    rejects: dict[str, str] = field(default_factory=dict)  # natural key -> hash of what was refused
    last_files: list[str] = field(default_factory=list)  # newest file dropped, relative to landing

    def save(self) -> None:
        """Keep the state; to be called when all that it names has been dropped. Raises OSError."""
        save_state(self.path, {name: value for name, value in asdict(self).items() if name != "path"})


def load_inference_state(landing: Path, source_system: str) -> InferenceState:
    """The state as it was kept; where none holds, what landing tells."""
    path = state_path(landing, source_system, "documents")

    def make(content: dict[str, Any]) -> InferenceState:
        documents = {
            name: HeldDocument(held["digest"], [_held_run(run) for run in held["runs"]])
            for name, held in content["documents"].items()
        }
        return InferenceState(path, documents, dict(content["rejects"]), content["last_files"])

    return load_state(path, landing, make) or InferenceState(path, _landed_documents(landing, source_system))


def _held_run(run: dict[str, Any]) -> HeldRun:
    return HeldRun(**{**run, "created_at": datetime.fromisoformat(run["created_at"])})


def _landed_documents(landing: Path, source_system: str) -> dict[str, HeldDocument]:
    """Documents that have rows in landing which were not withdrawn, with their runs."""
    newest: dict[tuple[str, str, int], dict[str, Any]] = {}
    for file in sorted((landing / INFERENCE_ARTIFACTS.name).glob("date=*/*.parquet")):
        try:
            columns = [*LEARNT, "github_run_id", "created_at", "recorded_at", "source_system"]
            rows = pq.read_table(file, columns=columns, partitioning=None)
            rows = rows.filter(pc.equal(rows["source_system"], source_system))
            newest_of = [(name, "max") for name in ("github_run_id", "created_at", "recorded_at")]
            found = rows.group_by(list(LEARNT)).aggregate(newest_of).to_pylist()
        except (OSError, pa.ArrowException, KeyError):
            continue  # the pipeline says what is wrong with it
        for row in found:
            key = row["document_path"], row["run_name"], row["run_attempt"]
            if key[0] is not None and (key not in newest or newest[key]["recorded_at_max"] < row["recorded_at_max"]):
                newest[key] = row
    documents: dict[str, HeldDocument] = {}
    for (document, name, attempt), row in newest.items():
        if row["kind"] != "withdrawn":
            run_id = row["github_run_id_max"]
            run = HeldRun(name, attempt, run_id, row["created_at_max"], is_told=run_id is not None)
            documents.setdefault(document, HeldDocument("")).runs.append(run)
    return documents


# ---- names of paths --------------------------------------------------------------------------------------------------


def shown_path(path: Path) -> PurePosixPath:
    """The last parts of a path, with its links resolved."""
    return PurePosixPath(*_parts(path)[-SHOWN_PARTS:])


def known_as(path: Path, within: PurePosixPath | None = None) -> str:
    """A name for a path on this host, the same however it was given: its last parts, and a hash of host and path."""
    parts = (*_parts(path), *(within.parts if within is not None else ()))
    digest = hashlib.sha256("\x1f".join((socket.gethostname(), *parts)).encode()).hexdigest()[:16]
    return f"{'/'.join(parts[-SHOWN_PARTS:])}#{digest}"


def _parts(path: Path) -> tuple[str, ...]:
    return tuple(printable(part) for part in path.resolve().parts[1:]) or (os.sep,)
