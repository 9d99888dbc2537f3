"""RAPL energy counters of the CPU packages, through the kernel's powercap files."""

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

    @property
    def energy_path(self) -> Path:
        return self.path / "energy_uj"


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
        self._packages: list[_Package] = []

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
        indexes = sorted({zone.package for zone in zones})
        self._packages = [_Package(index, [zone for zone in zones if zone.package == index]) for index in indexes]

    def read(self) -> list[Row]:
        return [package.read() for package in self._packages]

    def close(self) -> None:
        for package in self._packages:
            package.close()
        self._packages = []


class _Package:
    """The open counters of one package, and its row with everything that stays the same filled in."""

    def __init__(self, index: int, zones: Iterable[Zone]) -> None:
        self._row: list[Value] = [None] * len(COLUMNS)
        self._row[0] = index
        self._counters: list[tuple[int, KernelFile]] = []
        for zone in zones:
            self._row[COLUMNS.index(f"{zone.domain}_range_uj")] = zone.range_uj
            self._counters.append((COLUMNS.index(f"{zone.domain}_energy_uj"), KernelFile(zone.energy_path)))

    def read(self) -> Row:
        row = self._row
        for position, counter in self._counters:
            row[position] = counter.read_int()
        return tuple(row)

    def close(self) -> None:
        for _, counter in self._counters:
            counter.close()


def find_zones(powercap: Path) -> tuple[list[Zone], list[str]]:
    """The readable counters of a powercap folder, each once, and a warning with its remedy for what was left out.

    One and the same counter may be offered by the MSR and the MMIO driver under one name: the MSR's is taken, the
    other one only where the MSR's cannot be read.
    """
    found: dict[tuple[int, str], Zone] = {}
    forbidden: list[Path] = []
    malformed: list[tuple[Path, str]] = []
    for path, package, domain in _named_zones(powercap, malformed):
        if (package, domain) in found:
            continue
        try:
            found[package, domain] = Zone(package, domain, path, _check(path))
        except PermissionError:
            forbidden.append(path / "energy_uj")
        except (OSError, ValueError) as error:
            malformed.append((path, str(error)))
    warnings = [f"RAPL zone {path} skipped: {reason}; the other zones are read" for path, reason in malformed]
    if forbidden:
        files = " ".join(str(path) for path in forbidden)
        warnings.append(f"RAPL: no permission to read {len(forbidden)} counter(s): sudo chmod a+r {files}")
    return list(found.values()), warnings


def _named_zones(powercap: Path, malformed: list[tuple[Path, str]]) -> list[tuple[Path, int, str]]:
    """(folder, package index, domain) of every zone that says what it is; adds the others to `malformed`."""
    top, sub = _zone_folders(powercap)
    names = {path: read_text(path / "name") for path in top}
    packages = _package_indexes(name for name in names.values() if name)
    zones: list[tuple[Path, int, str]] = []
    for path, name in names.items():
        if name == "psys":
            zones.append((path, 0, "psys"))
        elif name not in packages:
            malformed.append((path, f"its name is {name!r}, neither package-<n> nor psys"))
        else:
            zones.append((path, packages[name], "pkg"))
            zones += _named_subzones(sub.get(path.name, []), packages[name], malformed)
    return zones


def _named_subzones(
    folders: Iterable[Path], package: int, malformed: list[tuple[Path, str]]
) -> list[tuple[Path, int, str]]:
    zones = []
    for path in folders:
        domain = read_text(path / "name")
        if domain in SUBZONE_DOMAINS:
            zones.append((path, package, domain))
        else:
            malformed.append((path, f"its name is {domain!r}, none of {', '.join(SUBZONE_DOMAINS)}"))
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
