"""What has been dropped of a source of usage: which time is done, and which records stand as they are now.

Only a saving: when the state is lost, everything is dropped again and the pipeline counts the duplicates.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collectors.contract import CONTRACT_VERSION

STATE_VERSION: Final = 1

Range = tuple[datetime, datetime]
"""A half-open range of time [from, to)."""


@dataclass(slots=True)
class UsageState:
    """What has been dropped of one source, asked in one way."""

    path: Path
    done: list[Range] = field(default_factory=list)  # disjoint, in order
    records: dict[str, str] = field(default_factory=dict)  # natural key -> hash of the record as dropped
    last_file: str | None = None  # newest file dropped, relative to landing

    def missing(self, asked: Range) -> list[Range]:
        """The parts of a range that are not done, in order."""
        rest = []
        start, end = asked
        for done_from, done_to in self.done:
            if done_from >= end:
                break
            if done_from > start:
                rest.append((start, done_from))
            start = max(start, done_to)
        if start < end:
            rest.append((start, end))
        return rest

    def mark_done(self, ranges: Iterable[Range]) -> None:
        """Add ranges; those that touch become one."""
        merged: list[Range] = []
        for start, end in sorted([*self.done, *ranges]):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            elif start < end:
                merged.append((start, end))
        self.done = merged

    def save(self) -> None:
        """Keep the state; to be called when all that it names has been dropped."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(self) | {
            "path": None,
            "done": [[start.isoformat(), end.isoformat()] for start, end in self.done],
            "versions": _versions(),
        }
        part = self.path.with_name(self.path.name + ".tmp")
        with part.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)


def load_state(landing: Path, source: str, *asked_how: str) -> UsageState:
    """The state of a source asked in one way; empty where none holds: unreadable, of another version, landing emptied.

    `asked_how` is all that makes an answer another one: URL, selector, step. It must not hold credentials.
    """
    digest = hashlib.sha256("\x1f".join(asked_how).encode()).hexdigest()[:13]
    path = landing.parent / "collector-state" / f"{source}-{digest}.json"
    empty = UsageState(path)
    try:
        content = json.loads(path.read_text())
        last_file = content["last_file"]
        if content["versions"] != _versions() or (last_file and not (landing / last_file).exists()):
            return empty
        done = [(_time(start), _time(end)) for start, end in content["done"]]
        return UsageState(path, done, dict(content["records"]), last_file)
    except (OSError, ValueError, TypeError, KeyError):
        return empty


def _versions() -> list[int]:
    return [STATE_VERSION, CONTRACT_VERSION]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
