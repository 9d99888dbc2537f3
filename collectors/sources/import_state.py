"""What has been dropped of a source, so that a store that has grown is not dropped whole again.

Only a saving: when the state is lost, everything is dropped again and the pipeline counts the duplicates.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from collectors.contract import CONTRACT_VERSION

STATE_VERSION: Final = 1


@dataclass(slots=True)
class ImportState:
    """What has been dropped of one store; times of the drop excluded, so that an unchanged record is recognised."""

    store: str
    state_version: int = STATE_VERSION
    contract_version: int = CONTRACT_VERSION
    run_keys: dict[str, int] = field(default_factory=dict)  # source run id -> run_key
    left_out: list[int] = field(default_factory=list)  # run ids whose rows could not be dropped: no such (whole) run
    last_rowid: dict[str, int] = field(default_factory=dict)  # table -> rows up to here have been dropped
    records: dict[str, dict[str, str]] = field(default_factory=dict)  # dataset -> key -> hash of the record
    last_files: list[str] = field(default_factory=list)  # files of the last import that dropped any


def state_path(landing: Path, store: Path) -> Path:
    """Where the state of the store at that path is kept: beside landing."""
    digest = hashlib.sha256(str(store.resolve()).encode()).hexdigest()[:13]
    return landing.parent / "collector-state" / f"{store.stem}-{digest}.json"


def load_state(landing: Path, store: Path) -> ImportState | None:
    """The state of a store; None where there is none that holds: unreadable, of another version, or landing emptied."""
    try:
        state = ImportState(**json.loads(state_path(landing, store).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    current = (state.state_version, state.contract_version) == (STATE_VERSION, CONTRACT_VERSION)
    return state if current and all((landing / file).exists() for file in state.last_files) else None


def save_state(state: ImportState, landing: Path, store: Path) -> None:
    """Keep the state; to be called when all that it names has been dropped."""
    path = state_path(landing, store)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    try:
        with part.open("w") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def record_hash(record: dict[str, Any]) -> str:
    """A hash of a record's values, but for the time of the drop."""
    kept = {name: value for name, value in record.items() if name != "recorded_at"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]
