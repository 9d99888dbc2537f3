"""The newest idle baseline of each hardware, kept beside landing so that later sessions can name it.

One JSON file per hardware, `<landing>/../collector-state/baseline-<hw_id>.json`: the landed record itself; of modelled
power one per model too, `baseline-<hw_id>-<busy>-<idle>.json`, and of chosen GPUs one per choice,
`baseline-<hw_id>-gpu-<index>….json`. Losing it costs nothing but a new measurement.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from collectors.contract import IDLE_BASELINES
from collectors.dataset import TS
from collectors.sensors.cpu_model import ModelWatts
from collectors.state_file import state_folder, write_json

MAX_AGE_S: Final = 86_400

TIMES: Final = tuple(column.name for column in IDLE_BASELINES.columns if column.type == TS)


def keep(landing: Path, record: Mapping[str, Any], *, model: ModelWatts | None, gpus: Sequence[int] = ()) -> None:
    """Keep a baseline's record as the newest of its hardware, model and choice of GPUs. Raises OSError."""
    write_json(_path(landing, record["hw_id"], model, gpus), record)


def newest(landing: Path, hw_id: int, *, model: ModelWatts | None, gpus: Sequence[int] = ()) -> dict[str, Any] | None:
    """The hardware's baseline record, if it is of the last 24 hours and of the kind of energy read now.

    `model`: that by which energy is estimated; None where counters are read. `gpus`: those that are read, where not all
    are. None where there is none or its file cannot be read.
    """
    try:
        record = json.loads(_path(landing, hw_id, model, gpus).read_text())
        age_s = datetime.now(UTC).timestamp() - record["timestamp"]
        power = record["model_power_watts" if model else "package_power_watts"]
        record |= {name: datetime.fromisoformat(record[name]) for name in TIMES}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if 0 <= age_s <= MAX_AGE_S and power is not None else None


def _path(landing: Path, hw_id: int, model: ModelWatts | None, gpus: Sequence[int]) -> Path:
    of_model = f"-{model.busy:g}-{model.idle:g}" if model else ""
    of_gpus = f"-gpu-{'-'.join(map(str, gpus))}" if gpus else ""
    return state_folder(landing) / f"baseline-{hw_id}{of_model}{of_gpus}.json"
