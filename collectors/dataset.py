"""What a landing dataset is: columns with type, meaning and whether they may be missing, a key, a kind."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

I = pa.int64()  # noqa: E741
R = pa.float64()
T = pa.string()
B = pa.bool_()
TS = pa.timestamp("us", tz="UTC")
D = pa.date32()


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `required` means never NULL."""

    name: str
    type: pa.DataType
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """One landing dataset.

    `kind`: 'record' datasets become rows of `stage.<name>` in the warehouse, 'sample' datasets stay in the lake.
    `key`: the columns that identify a row. `newest_wins`: a later record of the same key (by recorded_at) replaces the
    earlier one; otherwise a second row with the same key must be identical, else it is quarantined.
    `owner`: the dataset of the records that own these rows, dropped after them. Only the rows that were recorded with
    the owner's newest record count, so that what is read again replaces what was read before as a whole, or not at all.
    """

    name: str
    kind: Literal["record", "sample"]
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    newest_wins: bool = False
    owner: "Dataset | None" = None

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with each column's meaning in its field metadata."""
        return pa.schema(
            [pa.field(c.name, c.type, nullable=not c.required, metadata={"doc": c.doc}) for c in self.columns]
        )

    @property
    def column_names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def has_run(self) -> bool:
        """Whether rows belong to a run, named by run_key."""
        return "run_key" in self.column_names


def optional(name: str, type_: pa.DataType, doc: str) -> Column:
    """A column that may be NULL."""
    return Column(name, type_, doc)


def required(name: str, type_: pa.DataType, doc: str) -> Column:
    """A column that is never NULL."""
    return Column(name, type_, doc, required=True)


RUN_KEY = required("run_key", I, "The run: stable id of (source_system, host, source_run_id, start_time_ns)")
SOURCE = (
    required("source_system", T, "What measured or recorded this: 'alems-collect', 'alems-store', …"),
    required("host", T, "Host that was measured"),
    required("recorded_at", TS, "When this record was written; of several records of one key the newest counts"),
)
"""What every record of a measuring source says of where it comes from."""
