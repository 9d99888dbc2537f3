"""RAPL energy counters of the CPU packages, through the kernel's powercap files."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.contract import ENERGY_DOMAINS, ENERGY_SAMPLES
from collectors.sensors import Row, Value
from collectors.sensors.files import KernelFile, read_int, read_text

POWERCAP: Final = Path("class/powercap")
ZONE_ID: Final = re.compile(
    r"intel-rapl(?P<mmio>-mmio)?:(?P<zone>\d+)(?::(?P<sub>\d+))?"
)  # AMD's are called intel, too
PACKAGE_NAME: Final = re.compile(r"package-(?P<package>\d+)(?:-die-(?P<die>\d+))?")
COUNTER_BYTES: Final = 24  # 2^64 has 20 digits
SUBZONE_DOMAINS: Final = ("core", "uncore", "dram")

COLUMNS: Final = (
    "package_index",
    *(f"{domain}_energy_uj" for domain in ENERGY_DOMAINS),
    *(f"{domain}_range_uj" for domain in ENERGY_DOMAINS),
)


@dataclass(frozen=True, slots=True)
class Zone:
    """One readable counter: a domain of a package."""

    package: int
    domain: str
    path: Path
    range_uj: int


class RaplSensor:
    """All RAPL counters of the host, one row per package; psys stands on package 0.

    On processors of several dies each die is a package zone of its own and gets an index of its own. A reading is whole
    or missing: if one counter cannot be read, a sum over packages of what is left would look like a counter that fell.
    """

    name = "rapl"
    dataset = ENERGY_SAMPLES
    period_s = 0.01
    columns = COLUMNS

    def __init__(self, sys: Path = Path("/sys")) -> None:
        self.warnings: list[str] = []
        self._powercap = sys / POWERCAP
        self._files: list[KernelFile] = []
        self._packages: list[tuple[list[Value], list[tuple[int, int]]]] = []  # row, [(position, descriptor)]

    def available(self) -> str | None:
        """None when the energy of at least one package can be read."""
        zones, warnings = find_zones(self._powercap)
        if any(zone.domain == "pkg" for zone in zones):
            return None
        if warnings:
            return "; ".join(warnings)
        return (
            f"no RAPL zone in {self._powercap}: a virtual machine, a container, or the driver is not loaded; "
            "on bare metal: sudo modprobe intel_rapl_msr"
        )

    def open(self) -> None:
        """Open every readable counter. OSError when there is none."""
        self.close()
        zones, self.warnings = find_zones(self._powercap)
        if not zones:
            raise OSError(self.available())
        for index in sorted({zone.package for zone in zones}):
            row: list[Value] = [index] + [None] * (len(COLUMNS) - 1)
            counters = []
            for zone in (zone for zone in zones if zone.package == index):
                row[COLUMNS.index(f"{zone.domain}_range_uj")] = zone.range_uj
                file = KernelFile(zone.path / "energy_uj")
                self._files.append(file)
                counters.append((COLUMNS.index(f"{zone.domain}_energy_uj"), file.descriptor))
            self._packages.append((row, counters))

    def read(self) -> list[Row]:
        # One flat function on bare descriptors: every further object or call is a cache miss a hundred times a second.
        rows: list[Row] = []
        try:
            for row, counters in self._packages:
                for position, descriptor in counters:
                    row[position] = int(os.pread(descriptor, COUNTER_BYTES, 0))
                rows.append(tuple(row))
        except (OSError, ValueError):
            for file in self._files:
                file.read_int()  # fails again, and says where
            raise
        return rows

    def close(self) -> None:
        for file in self._files:
            file.close()
        self._files = []
        self._packages = []


def find_zones(powercap: Path) -> tuple[list[Zone], list[str]]:
    """The readable counters of a powercap folder, each once, and a warning with its remedy for what was left out.

    One and the same counter may be offered by the MSR and the MMIO driver under one name: the MSR's is taken, the
    other one only where the MSR's cannot be read.
    """
    found: dict[tuple[int, str], Zone] = {}
    forbidden: list[Path] = []
    malformed: list[str] = []
    for path, package, domain in _named_zones(powercap, malformed):
        if (package, domain) in found:
            continue
        try:
            found[package, domain] = Zone(package, domain, path, _check(path))
        except PermissionError:
            forbidden.append(path / "energy_uj")
        except (OSError, ValueError) as error:
            malformed.append(str(error))
    warnings = [f"RAPL zone skipped: {reason}; the other zones are read" for reason in malformed]
    if forbidden:
        files = " ".join(str(path) for path in forbidden)
        warnings.append(f"RAPL: no permission to read {len(forbidden)} counter(s): sudo chmod a+r {files}")
    return list(found.values()), warnings


def _named_zones(powercap: Path, malformed: list[str]) -> list[tuple[Path, int, str]]:
    """(folder, package index, domain) of every zone that says what it is; adds the others to `malformed`."""
    top, sub = _zone_folders(powercap)
    names = {path: read_text(path / "name") for path in top}
    packages = _package_indexes(name for name in names.values() if name)
    zones: list[tuple[Path, int, str]] = []
    for path, name in names.items():
        if name == "psys":
            zones.append((path, 0, "psys"))
        elif name not in packages:
            malformed.append(f"{path / 'name'} says {name!r}, neither package-<n> nor psys")
        else:
            zones.append((path, packages[name], "pkg"))
            zones += _named_subzones(sub.get(path.name, []), packages[name], malformed)
    return zones


def _named_subzones(folders: Iterable[Path], package: int, malformed: list[str]) -> list[tuple[Path, int, str]]:
    zones = []
    for path in folders:
        domain = read_text(path / "name")
        if domain in SUBZONE_DOMAINS:
            zones.append((path, package, domain))
        else:
            malformed.append(f"{path / 'name'} says {domain!r}, none of {', '.join(SUBZONE_DOMAINS)}")
    return zones


def _zone_folders(powercap: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """Top-level zones, MSR before MMIO, and the subzones of each by its name; nested or flat: the kernel links both."""
    paths = {path.name: path for pattern in ("*:*/*:*:*", "*:*") for path in powercap.glob(pattern)}
    ids = [(found, path) for path in paths.values() if (found := ZONE_ID.fullmatch(path.name))]
    ids.sort(key=lambda item: (item[0]["mmio"] is not None, int(item[0]["zone"]), int(item[0]["sub"] or -1)))
    sub: dict[str, list[Path]] = {}
    for found, path in ids:
        if found["sub"] is not None:
            sub.setdefault(path.name.rpartition(":")[0], []).append(path)
    return [path for found, path in ids if found["sub"] is None], sub


def _package_indexes(names: Iterable[str]) -> dict[str, int]:
    """Package zone names to indexes: the socket's own number, or with several dies the position among all dies."""
    found = {name: match for name in names if (match := PACKAGE_NAME.fullmatch(name))}
    if all(match["die"] is None for match in found.values()):
        return {name: int(match["package"]) for name, match in found.items()}
    order = sorted(found, key=lambda name: (int(found[name]["package"]), int(found[name]["die"] or 0)))
    return {name: index for index, name in enumerate(order)}


def _check(path: Path) -> int:
    """The counter's range, after one reading has shown that it works. OSError or ValueError when it does not."""
    energy = KernelFile(path / "energy_uj")
    try:
        value = energy.read_int()
    finally:
        energy.close()
    range_uj = read_int(path / "max_energy_range_uj")
    if range_uj is None or range_uj <= 0:
        raise ValueError(f"{path / 'max_energy_range_uj'} holds no positive number")
    if value < 0:
        raise ValueError(f"{path / 'energy_uj'} holds {value}, and energy is never negative")
    return range_uj
