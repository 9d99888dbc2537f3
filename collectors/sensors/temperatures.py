"""Temperatures of the host: thermal zones and hwmon chips, and which of them is the CPU package."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from collectors.sensors.files import KernelFile, numbered, read_int, read_text

CPU_CHIPS: Final = ("coretemp", "k10temp", "zenpower")
CPU_LABELS: Final = ("Package id", "Tdie", "Tctl")  # Tctl only where no Tdie stands beside it: it may carry an offset
CPU_ZONES: Final = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal", "soc_thermal")
SYSTEM_NAMES: Final = ("acpitz", "pch_", "nct", "it8", "asus", "thinkpad", "dell_smm")
WIFI_NAMES: Final = ("iwlwifi", "ath10k", "ath11k", "ath12k", "mt76", "mt79", "rtw8")


@dataclass(frozen=True, slots=True)
class TemperatureFile:
    """One readable temperature: `name` is unique on the host, `chip` is what the kernel calls its source."""

    name: str
    chip: str
    label: str
    path: Path
    trip_celsius: float | None
    """The lowest passive trip point: from there on the kernel throttles. None without one."""


def find_temperatures(sys: Path) -> list[TemperatureFile]:
    """Every temperature of the host that can be read now, thermal zones first."""
    seen: dict[str, int] = {}
    unique = []
    for temperature in (*_zones(sys), *_chips(sys)):
        count = seen[temperature.name] = seen.get(temperature.name, 0) + 1
        name = temperature.name if count == 1 else f"{temperature.name}#{count}"
        unique.append(replace(temperature, name=name))
    return unique


def package_files(temperatures: list[TemperatureFile]) -> list[TemperatureFile]:
    """The temperatures of the CPU packages, one per package, by the most direct source that there is."""
    chips = [t for t in temperatures if t.chip in CPU_CHIPS]
    for label in CPU_LABELS:
        if labelled := [t for t in chips if t.label.startswith(label)]:
            return labelled
    for zone in CPU_ZONES:
        if zones := [t for t in temperatures if t.chip == zone]:
            return zones
    return []


class PackageTemperature:
    """The hottest CPU package, with its files kept open; available or not."""

    def __init__(self, sys: Path) -> None:
        self._files = [KernelFile(t.path) for t in package_files(find_temperatures(sys))]

    def read(self) -> float | None:
        """°C; None where the host does not tell."""
        readings = []
        for file in self._files:
            try:
                readings.append(file.read_int() / 1000)
            except (OSError, ValueError):
                continue
        return max(readings, default=None)

    def close(self) -> None:
        for file in self._files:
            file.close()


def throttle_counts(sys: Path) -> int | None:
    """How often the CPUs were throttled for heat since boot; None where the CPU does not count it.

    Cores and packages are summed: only whether the sum grows, or is above 0, means something.
    """
    counts = [
        count
        for cpu in numbered(sys / "devices/system/cpu", "cpu")
        for kind in ("core", "package")
        if (count := read_int(cpu / f"thermal_throttle/{kind}_throttle_count")) is not None
    ]
    return sum(counts) if counts else None


def is_tripped(temperature: TemperatureFile, celsius: float) -> bool:
    """Whether the zone is at or above its passive trip point; one without such a point never is."""
    return temperature.trip_celsius is not None and celsius >= temperature.trip_celsius


def _zones(sys: Path) -> list[TemperatureFile]:
    zones = []
    for zone in numbered(sys / "class/thermal", "thermal_zone"):
        if read_int(zone / "temp") is not None:
            kind = read_text(zone / "type") or zone.name
            zones.append(TemperatureFile(kind, kind, "", zone / "temp", _passive_trip(zone)))
    return zones


def _passive_trip(zone: Path) -> float | None:
    points = []
    for kind in zone.glob("trip_point_*_type"):
        millidegrees = read_int(kind.with_name(kind.name.removesuffix("type") + "temp"))
        if read_text(kind) == "passive" and millidegrees is not None and millidegrees > 0:
            points.append(millidegrees / 1000)
    return min(points, default=None)


def _chips(sys: Path) -> list[TemperatureFile]:
    temperatures = []
    for chip in numbered(sys / "class/hwmon", "hwmon"):
        chip_name = read_text(chip / "name") or chip.name
        for path in sorted(chip.glob("temp*_input"), key=lambda path: (len(path.name), path.name)):
            if read_int(path) is not None:
                label = read_text(path.with_name(path.name.replace("_input", "_label"))) or ""
                name = f"{chip_name} {label}" if label else chip_name
                temperatures.append(TemperatureFile(name, chip_name, label, path, None))
    return temperatures
