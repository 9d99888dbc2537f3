"""Temperatures of the host and whether it is throttled for heat."""

import json
from pathlib import Path

from collectors.contract import THERMAL_SAMPLES
from collectors.sensors import Row
from collectors.sensors.files import KernelFile
from collectors.sensors.temperatures import (
    SYSTEM_NAMES,
    WIFI_NAMES,
    TemperatureFile,
    find_temperatures,
    is_tripped,
    package_files,
    throttle_counts,
)


class ThermalSensor:
    """Every temperature of the host; the hottest CPU package, board and Wi-Fi adapter in columns of their own.

    sample_time_s is left to the session, which knows when the run began.
    """

    name = "thermal"
    dataset = THERMAL_SAMPLES
    period_s = 1.0
    columns = ("cpu_temp", "system_temp", "wifi_temp", "throttle_event", "all_zones_json", "sensor_count")

    def __init__(self, sys: Path = Path("/sys")) -> None:
        self.warnings: list[str] = []
        self._sys = sys
        self._files: list[tuple[TemperatureFile, KernelFile]] = []
        self._packages: frozenset[str] = frozenset()
        self._throttled: int | None = None

    def available(self) -> str | None:
        if find_temperatures(self._sys):
            return None
        return (
            f"no temperature in {self._sys}/class/thermal or {self._sys}/class/hwmon: usual in a virtual machine; "
            "on bare metal: sudo modprobe coretemp (Intel) or k10temp (AMD)"
        )

    def open(self) -> None:
        self.close()
        temperatures = find_temperatures(self._sys)
        if not temperatures:
            raise OSError(self.available())
        self._files = [(temperature, KernelFile(temperature.path)) for temperature in temperatures]
        self._packages = frozenset(t.name for t in package_files(temperatures))
        self._throttled = throttle_counts(self._sys)

    def read(self) -> list[Row]:
        celsius = self._celsius()
        by_name = {temperature.name: value for temperature, value in celsius}
        row = (
            max((value for name, value in by_name.items() if name in self._packages), default=None),
            _hottest(by_name, SYSTEM_NAMES),
            _hottest(by_name, WIFI_NAMES),
            self._throttle_event(celsius),
            json.dumps(by_name),
            len(celsius),
        )
        return [row]

    def close(self) -> None:
        for _, file in self._files:
            file.close()
        self._files = []

    def _celsius(self) -> list[tuple[TemperatureFile, float]]:
        """What can be read now: an adapter that is switched off does not spoil the others. OSError when nothing can."""
        celsius = []
        for temperature, file in self._files:
            try:
                celsius.append((temperature, file.read_int() / 1000))
            except (OSError, ValueError):
                continue
        if not celsius:
            raise OSError("thermal: none of the temperatures can be read any more")
        return celsius

    def _throttle_event(self, celsius: list[tuple[TemperatureFile, float]]) -> int | None:
        """1 or 0; None on a host that has neither a passive trip point nor a throttle counter: it cannot tell."""
        before, self._throttled = self._throttled, throttle_counts(self._sys)
        counted = before is not None and self._throttled is not None
        if not counted and all(temperature.trip_celsius is None for temperature, _ in celsius):
            return None
        grown = before is not None and self._throttled is not None and self._throttled > before
        return int(grown or any(is_tripped(temperature, value) for temperature, value in celsius))


def _hottest(by_name: dict[str, float], prefixes: tuple[str, ...]) -> float | None:
    return max((value for name, value in by_name.items() if name.startswith(prefixes)), default=None)
