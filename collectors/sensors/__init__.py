"""The Sensor protocol: what a source of samples looks like to the sampler and the session. Nothing heavy belongs here.

One file of this package per source. Every sensor takes the roots that it reads (`sys`, `proc`) as parameters, so that
tests run it on a fake tree.
"""

from collections.abc import Sequence
from typing import Protocol

from collectors.contract import Dataset

Value = int | float | str | None
Row = tuple[Value, ...]


class Sensor(Protocol):
    """One source of samples of one dataset."""

    name: str
    """Short name for messages: 'rapl', 'cpu', …"""
    dataset: Dataset
    """The landing dataset that its rows belong to."""
    period_s: float
    """Seconds between two readings."""
    warnings: list[str]
    """What the last open() had to leave out, one line each, naming the remedy; empty when everything is read."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Contract columns of a row, in the order of `read`; run_key and timestamp_ns: by session and sampler."""
        ...

    def available(self) -> str | None:
        """None when this host has the source, else one line: why not, and how to enable it. Opens nothing for long."""
        ...

    def open(self) -> None:
        """Open what read() needs; called once before reading, by the sampler. OSError when nothing can be read."""
        ...

    def read(self) -> Sequence[Row]:
        """One reading: a row per package, GPU, …; no row where there is nothing to say yet (a rate's first reading).

        Cheap. A value that the source does not give is None. Any exception makes this reading a missing sample, which
        the sampler counts by its reason.
        """
        ...

    def close(self) -> None:
        """Release what open() took; harmless when not open."""
        ...
