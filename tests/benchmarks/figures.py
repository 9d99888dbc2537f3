"""One row of the benchmark table, and how its time is taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured figure beside its target; `met` is None where there is no target to hold it against."""

    name: str
    measured: str
    target: str = ""
    bare: str = ""  # what it is a ratio to, measured in the same run
    memory: str = ""  # peak resident memory
    met: bool | None = None


def ratio(name: str, ours_s: float, bare_s: float, target: float, memory_mib: float | None = None) -> Figure:
    """A time as a ratio to a bare equivalent's."""
    value = ours_s / bare_s
    return Figure(
        name=name,
        measured=f"{value:.2f} × ({ours_s:.3f} s)",
        target=f"≤ {target:g} ×",
        bare=f"{bare_s:.3f} s",
        memory="" if memory_mib is None else f"{memory_mib:.0f} MiB",
        met=value <= target,
    )


def seconds(name: str, value_s: float, target_s: float, memory_mib: float | None = None) -> Figure:
    """A time against an absolute target."""
    shown = f"{value_s * 1000:.1f} ms" if target_s < 1 else f"{value_s:.2f} s"
    wanted = f"≤ {target_s * 1000:g} ms" if target_s < 1 else f"≤ {target_s:g} s"
    return Figure(name, shown, wanted, "", "" if memory_mib is None else f"{memory_mib:.0f} MiB", value_s <= target_s)


def timed(work: Callable[[], object]) -> float:
    """How long it takes, s."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def times(work: Callable[[], object], n: int) -> list[float]:
    """How long it takes each of `n` times, s."""
    return [timed(work) for _ in range(n)]
