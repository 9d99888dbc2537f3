"""What this host can measure: every sensor, whether it is available, and if not, why and how to enable it."""

from dataclasses import dataclass
from pathlib import Path

from collectors.sensors import Sensor
from collectors.sensors.perf import PerfCounters
from collectors.session import all_sensors


@dataclass(frozen=True, slots=True)
class Finding:
    """One sensor of this host."""

    sensor: str
    measures: str
    """The landing dataset that it fills, and how often."""
    available: bool
    remarks: str
    """Why not and how to enable it, or what is left out of it; empty when all is well."""


def examine(sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> list[Finding]:
    """Look at every sensor, opening each for a moment."""
    findings = [_examine(sensor) for sensor in all_sensors(sys, proc).values()]
    counters = PerfCounters(proc)
    reason = counters.available()
    perf = Finding("perf", "runs: instructions, cycles, caches", reason is None, (reason or "").removeprefix("perf: "))
    return [*findings, perf]


def _examine(sensor: Sensor) -> Finding:
    measures = f"{sensor.dataset.name}, {1 / sensor.period_s:g} Hz"
    reason = sensor.available()
    if reason is None:
        try:
            sensor.open()
        except (OSError, ValueError) as error:
            reason = str(error)
        finally:
            sensor.close()
    remarks = [text.removeprefix(f"{sensor.name}: ") for text in ([reason] if reason else sensor.warnings)]
    return Finding(sensor.name, measures, reason is None, "; ".join(remarks))
