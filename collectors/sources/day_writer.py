"""The drops of one import, by dataset and day, all written when together they fill the memory allowed."""

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from collectors.dataset import Dataset
from collectors.drop import Drop, conform

MAX_BUFFERED_BYTES: Final = 64 << 20


class DayWriter:
    """Rows on their way to landing. `rows`: how many of each dataset; `files`: what has been written."""

    def __init__(self, landing: Path, host: str, producer: str) -> None:
        self.landing = landing
        self.host = host
        self.producer = producer
        self.rows: Counter[str] = Counter()
        self.files: list[Path] = []
        self._drops: dict[tuple[str, dt.date], Drop] = {}
        self._bytes = 0

    def write(self, dataset: Dataset, date: dt.date, columns: pa.Table | dict[str, Any]) -> None:
        """Buffer rows of one day. Raises ContractBroken, DropFailed."""
        if isinstance(columns, pa.Table):
            columns = {name: columns.column(name) for name in columns.column_names}
        rows = conform(dataset, columns)
        drop = self._drops.get((dataset.name, date))
        if drop is None:
            drop = Drop(self.landing, dataset, host=self.host, producer=self.producer, date=date)
            self._drops[dataset.name, date] = drop
        if path := drop.write_table(rows):
            self.files.append(path)
        self.rows[dataset.name] += rows.num_rows
        self._bytes += rows.nbytes
        if self._bytes >= MAX_BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered. Raises DropFailed."""
        self.files += [path for drop in self._drops.values() if (path := drop.flush())]
        self._drops.clear()
        self._bytes = 0
