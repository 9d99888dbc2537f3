"""Temperatures and throttling on fake trees."""

import json
from typing import Any

import pytest

from collectors.sensors.thermal import ThermalSensor
from tests.unit.fake_host import FakeHost, unreadable


def read(sensor: ThermalSensor) -> dict[str, Any]:
    (row,) = sensor.read()
    return dict(zip(sensor.columns, row, strict=True))


def opened(host: FakeHost) -> ThermalSensor:
    sensor = ThermalSensor(host.sys)
    sensor.open()
    return sensor


def test_every_temperature_and_the_named_ones(host: FakeHost) -> None:
    host.thermal_zone(0, "acpitz", 27_800)
    host.thermal_zone(1, "INT3400 Thermal", 20_000)
    host.thermal_zone(10, "x86_pkg_temp", 58_000)
    host.thermal_zone(2, "iwlwifi_1", 41_000)
    host.hwmon(4, "coretemp", {"Package id 0": 58_500, "Core 0": 57_000, "Core 1": 60_000})
    host.hwmon(5, "nvme", {"": 35_850})
    host.hwmon(6, "nvme", {"": 36_850})
    sensor = opened(host)
    row = read(sensor)
    assert json.loads(row["all_zones_json"]) == {
        "acpitz": 27.8,
        "INT3400 Thermal": 20.0,
        "iwlwifi_1": 41.0,
        "x86_pkg_temp": 58.0,
        "coretemp Package id 0": 58.5,
        "coretemp Core 0": 57.0,
        "coretemp Core 1": 60.0,
        "nvme": 35.85,
        "nvme#2": 36.85,
    }
    assert (row["cpu_temp"], row["system_temp"], row["wifi_temp"], row["sensor_count"]) == (58.5, 27.8, 41.0, 9)
    assert row["throttle_event"] is None  # neither a passive trip point nor a counter: it cannot tell
    assert set(sensor.columns) < set(sensor.dataset.column_names)
    sensor.close()


@pytest.mark.parametrize(
    ("trips", "millidegrees", "event"),
    [
        ({"passive": 95_000}, 94_999, 0),
        ({"passive": 95_000}, 95_000, 1),
        ({"passive": 95_000, "critical": 105_000}, 99_000, 1),
        ({"active": 40_000, "passive": 95_000}, 50_000, 0),
        ({"critical": 40_000}, 50_000, None),
        ({"passive": 0}, 50_000, None),  # 0: not set
        ({"passive": -274_000}, 50_000, None),
        ({}, 50_000, None),
    ],
)
def test_throttling_by_passive_trip_points(
    host: FakeHost, trips: dict[str, int], millidegrees: int, event: int | None
) -> None:
    host.thermal_zone(0, "x86_pkg_temp", millidegrees, trips)
    sensor = opened(host)
    assert read(sensor)["throttle_event"] == event
    sensor.close()


def test_a_zone_without_trip_point_does_not_throttle_beside_one_that_has_it(host: FakeHost) -> None:
    host.thermal_zone(0, "x86_pkg_temp", 80_000, {"passive": 0})
    host.thermal_zone(1, "acpitz", 30_000, {"passive": 90_000})
    sensor = opened(host)
    assert read(sensor)["throttle_event"] == 0
    sensor.close()


def test_throttling_by_the_cpus_counters_is_an_event_only_when_they_grow(host: FakeHost) -> None:
    host.thermal_zone(0, "x86_pkg_temp", 50_000)
    host.throttle_count(0, core=7, package=3)
    host.throttle_count(1, core=0, package=3)
    sensor = opened(host)
    events = [read(sensor)["throttle_event"]]
    host.throttle_count(1, core=1, package=3)
    events += [read(sensor)["throttle_event"], read(sensor)["throttle_event"]]
    assert events == [0, 1, 0]
    sensor.close()


def test_a_zone_that_stops_answering_is_left_out_and_comes_back(host: FakeHost) -> None:
    host.thermal_zone(0, "x86_pkg_temp", 50_000)
    wifi = host.thermal_zone(1, "iwlwifi_1", 40_000)
    sensor = opened(host)
    host.write(wifi, "")
    row = read(sensor)
    assert (row["wifi_temp"], row["cpu_temp"], row["sensor_count"]) == (None, 50.0, 1)
    host.write(wifi, 42_000)
    assert read(sensor)["wifi_temp"] == 42.0
    sensor.close()


def test_when_nothing_answers_the_sample_is_missing(host: FakeHost) -> None:
    zone = host.thermal_zone(0, "x86_pkg_temp", 50_000)
    sensor = opened(host)
    host.write(zone, "")
    with pytest.raises(OSError, match="none of the temperatures"):
        sensor.read()
    sensor.close()


def test_what_cannot_be_read_at_the_start_is_no_zone(host: FakeHost) -> None:
    unreadable(host.thermal_zone(0, "x86_pkg_temp", 50_000))
    host.thermal_zone(1, "acpitz", "n/a")
    reason = ThermalSensor(host.sys).available()
    assert reason is not None and "sudo modprobe coretemp" in reason
    with pytest.raises(OSError, match="no temperature"):
        ThermalSensor(host.sys).open()
    host.thermal_zone(1, "acpitz", 30_000)
    assert ThermalSensor(host.sys).available() is None
