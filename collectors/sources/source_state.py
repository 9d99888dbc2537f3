"""What has been dropped of a source that is asked repeatedly: which time is done, and which records stand as now."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.state_file import load_state, save_state, state_path

Range = tuple[datetime, datetime]
"""A half-open range of time [from, to)."""


@dataclass(slots=True)
class SourceState:
    """What has been dropped of one source, asked in one way."""

    path: Path
    done: list[Range] = field(default_factory=list)  # disjoint, in order
    records: dict[str, str] = field(default_factory=dict)  # natural key -> hash of the record as dropped
    last_files: list[str] = field(default_factory=list)  # newest file dropped, relative to landing

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
        """Keep the state; to be called when all that it names has been dropped. Raises OSError."""
        save_state(self.path, {name: value for name, value in asdict(self).items() if name != "path"})


def load_source_state(landing: Path, source: str, *asked_how: str) -> SourceState:
    """The state of a source asked in one way; empty where none holds.

    `asked_how` is all that makes an answer another one: URL, selector, step. It must not hold credentials.
    """
    path = state_path(landing, source, *asked_how)

    def make(content: dict[str, Any]) -> SourceState:
        done = [(_time(start), _time(end)) for start, end in content["done"]]
        return SourceState(path, done, dict(content["records"]), content["last_files"])

    return load_state(path, landing, make) or SourceState(path)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
