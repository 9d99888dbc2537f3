"""Idle power of the host: its energy counters over windows of one second in which nothing is measured."""

import math
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from collectors.sensors import Sensor
from collectors.sensors.cpu_time import CpuTime, parse_total
from collectors.sensors.process_tree import pids, read_governor, read_turbo

WINDOWS: Final = 30
WINDOW_S: Final = 1.0
MAX_BUSY_PERCENT: Final = 20.0
FAILURES_ALLOWED: Final = 10

COUNTERS: Final = {"package": "pkg", "core": "core", "uncore": "uncore", "dram": "dram", "model": "model"}
"""Prefix of the idle_baselines columns → domain in the energy sensor's columns."""
POWERS: Final = (*COUNTERS, "gpu")
MAX_WATTS: Final = {"package": 1000.0, "core": 1000.0, "uncore": 1000.0, "dram": 1000.0, "gpu": 2000.0}
"""No package and no GPU draws more: a counter that seems to have risen faster was reset. The model's one counter is of
all CPUs together and has no ceiling."""

Source = tuple[str, int]
"""What one figure of power is of: a name in POWERS, and the package or GPU index."""

Progress = Callable[[int, int], None]
"""Called with (windows measured, windows wanted) after each window."""


class NoBaseline(RuntimeError):
    """No idle baseline was measured; the message says why and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Time:
    """Where time comes from; tests give one that needs no waiting."""

    monotonic_ns: Callable[[], int] = time.monotonic_ns
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Reading:
    """All counters at one moment, and the power of GPUs that have none."""

    at_ns: int
    counters: dict[Source, tuple[int, int | None]]
    """µJ, and the µJ at which the counter wraps."""
    gauges: dict[Source, float]
    """W."""


def measure(
    sensor: Sensor,
    *,
    gpu: Sensor | None = None,
    windows: int = WINDOWS,
    window_s: float = WINDOW_S,
    max_busy_percent: float = MAX_BUSY_PERCENT,
    progress: Progress = lambda done, wanted: None,
    time_source: Time | None = None,
    sys: Path = Path("/sys"),
    proc: Path = Path("/proc"),
) -> dict[str, Any]:
    """An idle_baselines record but for baseline_id, hw_id, source_system, host and recorded_at.

    `sensor` is the energy sensor that will measure the runs (RAPL or the CPU-time model); `gpu` adds the GPUs' power.
    Neither must be open. Raises NoBaseline when the host is busier than `max_busy_percent` on average, as soon as
    that is certain, and when the counters cannot be read.
    """
    source = time_source or Time()
    started, started_ns = source.now(), source.monotonic_ns()
    sensors = [sensor] if gpu is None else [sensor, gpu]
    try:
        for each in sensors:
            each.open()
        power, busy_percent = _windows(sensors, windows, window_s, max_busy_percent, progress, source, proc)
    except (OSError, ValueError) as error:
        raise NoBaseline(f"no idle baseline: {error}") from error
    finally:
        for each in sensors:
            each.close()
    main = power["package"] or power["model"]
    return {
        "timestamp": started.timestamp(),
        **{f"{name}_power_watts": fmean(watts) if watts else None for name, watts in power.items()},
        **{f"{name}_std": _std(power[name]) for name in ("core", "uncore", "dram")},
        "package_std": _std(main),
        "package_autocorr_lag1": autocorrelation(main),
        "duration_seconds": round((source.monotonic_ns() - started_ns) / 1e9),
        "sample_count": windows,
        "governor": read_governor(sys),
        "turbo": {True: "enabled", False: "disabled", None: None}[read_turbo(sys)],
        "background_cpu": busy_percent,
        "process_count": len(pids(proc)),
        "method": f"{sensor.name}: mean of {windows} windows of {window_s:g} s",
    }


def autocorrelation(values: Sequence[float]) -> float | None:
    """Lag-1 autocorrelation; None for fewer than three values and where they do not vary."""
    if len(values) < 3:
        return None
    mean = fmean(values)
    variance = math.fsum((value - mean) ** 2 for value in values)
    if variance == 0:
        return None
    return math.fsum((a - mean) * (b - mean) for a, b in pairwise(values)) / variance


def _windows(
    sensors: Sequence[Sensor],
    wanted: int,
    window_s: float,
    max_busy_percent: float,
    progress: Progress,
    source: Time,
    proc: Path,
) -> tuple[dict[str, list[float]], float]:
    """(watts of each window by name, busy percent) over `wanted` windows whose counters could be read."""
    power: dict[str, list[float]] = {name: [] for name in POWERS}
    sources: Set[Source] | None = None
    begin = _cpu_time(proc)
    busy_percent = 0.0
    failures = done = 0
    while done < wanted:
        try:
            watts = _window(sensors, window_s, source)
            # Without one of two GPUs a window's sum would be a figure of another thing, and the mean one of neither.
            sources = sources or watts.keys()
            _same(sources, watts.keys())
        except (OSError, ValueError) as error:
            failures += 1
            if failures > FAILURES_ALLOWED:
                raise NoBaseline(f"no idle baseline: {failures} readings failed, the last one: {error}") from error
            source.sleep(window_s)
            continue
        for name in {name for name, _ in watts}:
            power[name].append(math.fsum(value for (of, _), value in watts.items() if of == name))
        done += 1
        progress(done, wanted)
        busy_percent = 100 * (_cpu_time(proc).since(begin).utilisation or 0.0)
        if busy_percent * done > max_busy_percent * wanted:  # however idle the windows to come are
            raise NoBaseline(
                f"no idle baseline: the CPUs were {busy_percent:.0f} % busy over {done} of {wanted} windows, more than "
                f"{max_busy_percent:g} % over all of them; end what else runs here and measure again"
            )
    return power, busy_percent


def _window(sensors: Sequence[Sensor], window_s: float, source: Time) -> dict[Source, float]:
    """Watts by source over one window. OSError or ValueError when a reading failed or a counter was reset."""
    begin = _read(sensors, source)
    source.sleep(window_s)
    end = _read(sensors, source)
    _same(begin.counters.keys(), end.counters.keys())
    _same(begin.gauges.keys(), end.gauges.keys())
    seconds = (end.at_ns - begin.at_ns) / 1e9
    rises = {key: _rise(key[0], begin.counters[key], end.counters[key], seconds) for key in begin.counters}
    return {key: rise / 1e6 / seconds for key, rise in rises.items()} | end.gauges


def _same(wanted: Set[Source], found: Set[Source]) -> None:
    """ValueError where a wanted source does not answer, or another one does. What never answers is neither."""
    if wanted != found:
        names = ", ".join(f"{name} {index}" for name, index in sorted(wanted ^ found))
        raise ValueError(f"{names}: answered some readings and not others; see what ails it and measure again")


def _read(sensors: Sequence[Sensor], source: Time) -> _Reading:
    at_ns = source.monotonic_ns()
    counters: dict[Source, tuple[int, int | None]] = {}
    gauges: dict[Source, float] = {}
    for sensor in sensors:
        for row in sensor.read():
            values: dict[str, Any] = dict(zip(sensor.columns, row, strict=True))
            index: int = values["package_index"] if "package_index" in values else values["gpu_index"]
            for name, domain in COUNTERS.items():
                if values.get(f"{domain}_energy_uj") is not None:
                    counters[name, index] = (values[f"{domain}_energy_uj"], values.get(f"{domain}_range_uj"))
            if values.get("energy_mj") is not None:
                counters["gpu", index] = (1000 * values["energy_mj"], None)
            elif values.get("power_mw") is not None:
                gauges["gpu", index] = values["power_mw"] / 1000
    return _Reading(at_ns, counters, gauges)


def _rise(name: str, begin: tuple[int, int | None], end: tuple[int, int | None], seconds: float) -> int:
    """µJ between two readings of a counter, unwrapped once. ValueError when it must have been reset."""
    rise = end[0] - begin[0]
    if rise < 0 and end[1] is not None:
        rise += end[1]
    if rise < 0 or rise / 1e6 / seconds > MAX_WATTS.get(name, math.inf):
        raise ValueError(
            f"a counter of {name} energy went from {begin[0]} to {end[0]} µJ in {seconds:.2f} s: it was reset"
        )
    return rise


def _std(watts: Sequence[float]) -> float | None:
    return stdev(watts) if len(watts) > 1 else None


def _cpu_time(proc: Path) -> CpuTime:
    return parse_total((proc / "stat").read_bytes())
