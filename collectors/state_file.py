"""What collectors remember from one time to the next: JSON files in collector-state, beside landing.

Only a saving. Where a file is lost, or does not hold (of another version, or landing has been emptied since),
everything is dropped again and the pipeline counts the duplicates.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from collectors.contract import CONTRACT_VERSION

State = TypeVar("State")

VERSIONS: Final = [2, CONTRACT_VERSION]
"""Of the files here, and of what was dropped."""


def state_folder(landing: Path) -> Path:
    """Where the state of all sources is kept."""
    return landing.parent / "collector-state"


def state_path(landing: Path, source: str, *asked_how: str) -> Path:
    """The file of a source; `asked_how` is all that makes it another one: address, selector, step. No credentials."""
    digest = "-" + hashlib.sha256("\x1f".join(asked_how).encode()).hexdigest()[:13] if asked_how else ""
    return state_folder(landing) / f"{source}{digest}.json"


def load_state(path: Path, landing: Path, make: Callable[[dict[str, Any]], State]) -> State | None:
    """What `make` makes of the content of a state file; None where there is none that holds.

    `make` may raise ValueError, TypeError or KeyError at what it does not understand.
    """
    try:
        content = json.loads(path.read_text())
        if content.pop("versions") != VERSIONS or not all((landing / file).exists() for file in content["last_files"]):
            return None
        return make(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save_state(path: Path, content: Mapping[str, Any]) -> None:
    """Keep a state, to be called when all that it names has been dropped. Raises OSError.

    `content` holds `last_files`, the newest files dropped, relative to landing: without them it does not hold.
    """
    write_json(path, {"versions": VERSIONS, **content})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file whole or not at all; times as ISO 8601. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with part.open("w") as file:
            json.dump(content, file, default=datetime.isoformat)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def record_hash(record: Mapping[str, Any]) -> str:
    """A hash of a record's values, but for the time of the drop."""
    kept = {name: value for name, value in record.items() if name != "recorded_at"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]
