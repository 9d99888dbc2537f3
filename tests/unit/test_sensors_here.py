"""Every sensor on the machine under test, whatever it has: it works, or says in one line why not."""

import pytest

from collectors.sensors import Sensor
from collectors.sensors.cpu import CpuSensor
from collectors.sensors.cpu_model import CpuModelSensor
from collectors.sensors.fingerprint import hardware_config
from collectors.sensors.gpu import GpuSensor
from collectors.sensors.interrupts import InterruptsSensor
from collectors.sensors.rapl import RaplSensor
from collectors.sensors.thermal import ThermalSensor

SENSORS: list[type] = [RaplSensor, CpuModelSensor, CpuSensor, InterruptsSensor, ThermalSensor, GpuSensor]


@pytest.mark.parametrize("kind", SENSORS, ids=lambda kind: kind.__name__)
def test_a_sensor_works_here_or_says_why_not(kind: type) -> None:
    sensor: Sensor = kind()
    reason = sensor.available()
    if reason is not None:
        assert reason and "\n" not in reason
        with pytest.raises(OSError):
            sensor.open()
        return
    sensor.open()
    for _ in range(2):
        for row in sensor.read():
            assert len(row) == len(sensor.columns)
    assert not any("\n" in warning for warning in sensor.warnings)
    sensor.close()


@pytest.mark.parametrize("kind", SENSORS, ids=lambda kind: kind.__name__)
def test_its_columns_and_period_fit_its_dataset(kind: type) -> None:
    sensor: Sensor = kind()
    assert set(sensor.columns) < set(sensor.dataset.column_names)
    assert "timestamp_ns" not in sensor.columns and "run_key" not in sensor.columns
    required = {column.name for column in sensor.dataset.columns if column.required}
    assert required <= {*sensor.columns, "timestamp_ns", "run_key"}
    assert 0.01 <= sensor.period_s <= 1.0


def test_this_machine_has_a_fingerprint() -> None:
    first, second = hardware_config(), hardware_config()
    assert first["hw_id"] == second["hw_id"]
    assert first["cpu_cores"] <= first["cpu_threads"]
    assert first["ram_gb"] > 0.1
