"""What has been read of an MLflow store, so that only what has changed since is read again.

Only a saving: when the state is lost, everything is dropped again and the pipeline counts the duplicates.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from collectors.contract import CONTRACT_VERSION

STATE_VERSION: Final = 1


@dataclass(slots=True)
class MlflowState:
    """What has been read of one store."""

    store: str  # schema that it goes to
    label: str  # its URL without user and password
    state_version: int = STATE_VERSION
    contract_version: int = CONTRACT_VERSION
    # table of what owns rows (runs, trace_info) -> its id -> sign of it and all that it owns
    owners: dict[str, dict[str, str]] = field(default_factory=dict)
    # any other table -> key -> hash of the row
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    last_files: list[str] = field(default_factory=list)  # files of the last import that dropped any


def state_path(landing: Path, store: str) -> Path:
    """Where the state of the store of that name is kept: beside landing."""
    return landing.parent / "collector-state" / f"{store}.json"


def load_state(landing: Path, store: str) -> MlflowState | None:
    """The state of a store; None where there is none that holds: unreadable, of another version, or landing emptied."""
    try:
        state = MlflowState(**json.loads(state_path(landing, store).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    current = (state.state_version, state.contract_version) == (STATE_VERSION, CONTRACT_VERSION)
    return state if current and all((landing / file).exists() for file in state.last_files) else None


def save_state(state: MlflowState, landing: Path) -> None:
    """Keep the state; to be called when all that it names has been dropped. Raises OSError."""
    path = state_path(landing, state.store)
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
