"""What is read from /proc/stat, cpufreq, cpuidle and the package temperature, against worked values."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sensors import Sensor
from collectors.sensors.cpu import CpuSensor, parse_cpuinfo_mhz
from collectors.sensors.cpu_model import CpuModelSensor, ModelWatts
from collectors.sensors.cpu_time import TICKS_PER_SECOND, CpuTime, parse_stat, parse_total
from collectors.sensors.idle_states import core_state
from collectors.sensors.interrupts import InterruptsSensor, parse_interrupts
from tests.unit.fake_host import FakeHost, unreadable

NO_TIME = (0,) * 10


class Ticker:
    """A monotonic clock that moves by a fixed step at every look."""

    def __init__(self, step_ns: int) -> None:
        self.now = 0
        self.step_ns = step_ns

    def __call__(self) -> int:
        self.now += self.step_ns
        return self.now


def cpu_sensor(host: FakeHost) -> CpuSensor:
    """On time at every reading."""
    return CpuSensor(host.sys, host.proc, monotonic_ns=Ticker(100_000_000))


def read(sensor: Sensor) -> dict[str, Any]:
    (row,) = sensor.read()
    return dict(zip(sensor.columns, row, strict=True))


# /proc/stat


def test_busy_and_idle_ticks_count_guest_once_and_stolen_time_not_at_all() -> None:
    #                     user nice system idle iowait irq softirq steal guest guest_nice
    total, cpus = parse_stat(b"cpu  100 20 30 400 50 6 7 8 90 1\ncpu0 1 0 0 9 0 0 0 0 0 0\ncpu3 5 0 0 5\nintr 1 2\n")
    assert total == CpuTime(busy=100 + 20 + 30 + 6 + 7, idle=400 + 50)
    assert cpus == {0: CpuTime(1, 9), 3: CpuTime(5, 5)}
    assert total.utilisation == pytest.approx(163 / 613)


@pytest.mark.parametrize("garbage", [b"", b"intr 5\n", b"cpu0 1 2 3 4\n"])
def test_what_is_no_stat_is_refused(garbage: bytes) -> None:
    for parse in (parse_stat, parse_total):
        with pytest.raises(ValueError, match="not with the line 'cpu '"):
            parse(garbage)
    with pytest.raises(ValueError):
        parse_interrupts(garbage)


@settings(deadline=None)  # files
@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 7), min_size=1, max_size=4))
def test_the_first_line_is_the_sum_of_the_cpus(cpus: list[tuple[int, ...]]) -> None:
    lines = [b"cpu  " + b" ".join(b"%d" % sum(column) for column in zip(*cpus, strict=True))]
    lines += [b"cpu%d %s" % (n, b" ".join(b"%d" % ticks for ticks in cpu)) for n, cpu in enumerate(cpus)]
    total, by_cpu = parse_stat(b"\n".join([*lines, b"intr 5 1 2"]))
    assert total == CpuTime(sum(c.busy for c in by_cpu.values()), sum(c.idle for c in by_cpu.values()))
    assert total.busy + total.idle == sum(map(sum, cpus))


# The CPU-time model


def test_the_model_gives_12_watts_busy_and_1_watt_idle_per_cpu(host: FakeHost) -> None:
    host.stat(NO_TIME, NO_TIME)
    sensor = CpuModelSensor(host.proc)
    assert sensor.available() is None
    sensor.open()
    assert sensor.read() == [(0, 0)]
    # One second: CPU 0 wholly busy, CPU 1 idle: 12 J + 1 J.
    host.stat((TICKS_PER_SECOND, *NO_TIME[1:]), (0, 0, 0, TICKS_PER_SECOND, *NO_TIME[4:]))
    assert sensor.read() == [(0, 13_000_000)]
    # An hour of both idle: 2 W · 3600 s = .002 kWh.
    host.stat(
        (TICKS_PER_SECOND, 0, 0, 3600 * TICKS_PER_SECOND, *NO_TIME[4:]),
        (0, 0, 0, 3601 * TICKS_PER_SECOND, *NO_TIME[4:]),
    )
    assert sensor.read() == [(0, 13_000_000 + 7_200_000_000)]
    sensor.close()


def test_the_models_watts_are_parameters(host: FakeHost) -> None:
    host.stat(NO_TIME)
    sensor = CpuModelSensor(host.proc, ModelWatts(busy=4.5, idle=0.25))
    sensor.open()
    host.stat((2 * TICKS_PER_SECOND, 0, 0, 4 * TICKS_PER_SECOND, *NO_TIME[4:]))
    assert sensor.read() == [(0, 10_000_000)]
    sensor.close()


@settings(deadline=None)  # files
@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 7), min_size=1, max_size=20))
def test_the_model_counter_never_falls(
    tmp_path_factory: pytest.TempPathFactory, readings: list[tuple[int, ...]]
) -> None:
    """Whatever /proc/stat does: the kernel lets iowait fall, and idle when a CPU goes offline."""
    host = FakeHost(tmp_path_factory.mktemp("host"))
    host.stat(NO_TIME)
    sensor = CpuModelSensor(host.proc)
    sensor.open()
    energies = [0]
    for ticks in readings:
        host.stat((*ticks, 0, 0, 0))
        (row,) = sensor.read()
        assert isinstance(row[1], int)
        energies.append(row[1])
    sensor.close()
    assert energies == sorted(energies)


def test_the_model_reports_what_it_cannot_read(host: FakeHost) -> None:
    reason = CpuModelSensor(host.proc).available()
    assert reason is not None and "mount /proc" in reason
    unreadable(host.write(host.proc / "stat", "cpu 1"))
    assert CpuModelSensor(host.proc).available() is not None


@pytest.mark.parametrize("content", [None, "", "garbage"])
def test_without_a_proc_stat_none_of_them_opens(host: FakeHost, content: str | None) -> None:
    if content is not None:
        host.write(host.proc / "stat", content)
    for sensor in (CpuSensor(host.sys, host.proc), CpuModelSensor(host.proc), InterruptsSensor(host.proc)):
        with pytest.raises(OSError, match="mount /proc"):
            sensor.open()


# Interrupts


def test_interrupts_per_second_since_the_previous_reading(host: FakeHost) -> None:
    host.stat(NO_TIME, interrupts=1_000)
    sensor = InterruptsSensor(host.proc, monotonic_ns=Ticker(500_000_000))
    assert sensor.available() is None
    sensor.open()
    assert sensor.read() == []  # no interval yet
    host.stat(NO_TIME, interrupts=1_750)
    assert sensor.read() == [(1500.0,)]
    assert sensor.read() == [(0.0,)]
    host.stat(NO_TIME, interrupts=3)  # counters of another boot: no rate, and never a negative one
    assert sensor.read() == []
    sensor.close()


# The CPU sensor


def test_columns_are_of_the_contract() -> None:
    assert set(CpuSensor.columns) < set(CpuSensor.dataset.column_names)


def test_utilisation_is_of_the_interval(host: FakeHost) -> None:
    host.stat((50, 0, 0, 50, 0, 0, 0, 0, 0, 0), (0, 0, 0, 100, 0, 0, 0, 0, 0, 0))
    sensor = cpu_sensor(host)
    sensor.open()
    assert sensor.read() == []
    host.stat((56, 0, 2, 52, 0, 0, 0, 0, 0, 0), (0, 0, 0, 110, 0, 0, 0, 0, 0, 0))
    assert read(sensor)["cpu_util_percent"] == pytest.approx(100 * 8 / 20)
    sensor.close()


@pytest.mark.parametrize(("passed_ms", "rows"), [(0, 0), (49, 0), (50, 1), (100, 1)])
def test_a_reading_too_soon_after_the_last_row_gives_none_and_loses_nothing(
    host: FakeHost, passed_ms: int, rows: int
) -> None:
    """As the one at stop() does: one tick of 10 ms would be read as 0 or 100 %."""
    now = 10**9
    cpu = CpuSensor(host.sys, host.proc, monotonic_ns=lambda: now)
    interrupts = InterruptsSensor(host.proc, monotonic_ns=lambda: now)
    host.stat(NO_TIME)
    for sensor in (cpu, interrupts):
        sensor.open()
        sensor.read()
    now += passed_ms * 1_000_000
    host.stat((1, 0, 0, 3, *NO_TIME[4:]), interrupts=100)
    assert (len(cpu.read()), len(interrupts.read())) == (rows, rows)
    now += 200 * 1_000_000
    host.stat((5, 0, 0, 15, *NO_TIME[4:]), interrupts=400)
    assert read(cpu)["cpu_util_percent"] == pytest.approx(25.0)
    since_ms = 200 if rows else 200 + passed_ms
    since_count = 300 if rows else 400
    assert read(interrupts)["interrupts_per_sec"] == pytest.approx(since_count * 1000 / since_ms)
    cpu.close()
    interrupts.close()


def test_a_bare_virtual_machine_gives_utilisation_and_nothing_invented(host: FakeHost) -> None:
    host.stat(NO_TIME)
    sensor = cpu_sensor(host)
    assert sensor.available() is None
    sensor.open()
    sensor.read()
    host.stat((1, 0, 0, 3, *NO_TIME[4:]))
    row = read(sensor)
    assert row.pop("cpu_util_percent") == 25.0
    assert set(row.values()) <= {None} or row["ipc"] is not None  # where the machine under test counts cycles
    sensor.close()


def test_frequencies_are_weighted_by_what_each_cpu_did(host: FakeHost) -> None:
    """CPU 0 and 1 share a policy at 3 GHz, busy 60 and 20 of 100 ticks; CPU 2 at 1 GHz, busy 20."""
    host.cpufreq(0, 3_000_000, [0, 1])
    host.cpufreq(2, 1_000_000, [2])
    host.stat(NO_TIME, NO_TIME, NO_TIME)
    sensor = cpu_sensor(host)
    sensor.open()
    sensor.read()
    host.stat((60, 0, 0, 40, *NO_TIME[4:]), (20, 0, 0, 80, *NO_TIME[4:]), (20, 0, 0, 80, *NO_TIME[4:]))
    row = read(sensor)
    cycles = 60 * 3000 + 20 * 3000 + 20 * 1000
    assert row["cpu_busy_mhz"] == pytest.approx(cycles / 100)
    assert row["cpu_avg_mhz"] == pytest.approx(cycles / 300)
    sensor.close()


def test_an_idle_cpu_has_no_busy_frequency(host: FakeHost) -> None:
    host.cpufreq(0, 3_000_000, [0])
    host.stat(NO_TIME)
    sensor = cpu_sensor(host)
    sensor.open()
    sensor.read()
    host.stat((0, 0, 0, 10, *NO_TIME[4:]))
    row = read(sensor)
    assert (row["cpu_busy_mhz"], row["cpu_avg_mhz"]) == (None, 0.0)
    sensor.close()


def test_a_policy_that_goes_offline_does_not_spoil_the_others(host: FakeHost) -> None:
    host.cpufreq(0, 2_000_000, [0])
    gone = host.cpufreq(1, 4_000_000, [1])
    host.stat(NO_TIME, NO_TIME)
    sensor = cpu_sensor(host)
    sensor.open()
    sensor.read()
    gone.write_text("")
    host.stat((10, *NO_TIME[1:]), (10, *NO_TIME[1:]))
    assert read(sensor)["cpu_busy_mhz"] == 2000.0
    sensor.close()


def test_the_kernels_cpu_list_gives_a_busy_frequency_but_no_average(host: FakeHost) -> None:
    host.cpuinfo({"processor": 0, "cpu MHz": 2600.0, "flags": "fpu"}, {"processor": 1, "cpu MHz": 1300.5})
    host.stat(NO_TIME, NO_TIME)
    sensor = cpu_sensor(host)
    sensor.open()
    sensor.read()
    host.stat((10, *NO_TIME[1:]), (0, 0, 0, 10, *NO_TIME[4:]))
    row = read(sensor)
    assert (row["cpu_busy_mhz"], row["cpu_avg_mhz"]) == (2600.0, None)
    assert parse_cpuinfo_mhz((host.proc / "cpuinfo").read_text()) == {0: 2600.0, 1: 1300.5}
    sensor.close()


def test_residencies_come_once_a_second_as_percent_of_it(host: FakeHost) -> None:
    host.stat(NO_TIME, NO_TIME)
    host.idle_states(0, POLL=5, C1=0, C1E=0, C6=0, C7s=0, C10=0)
    host.idle_states(1, POLL=5, C1=0, C1E=0, C6=0, C7s=0, C10=0)
    sensor = cpu_sensor(host)
    sensor.open()
    host.idle_states(0, POLL=999, C1=50_000, C1E=150_000, C6=300_000, C7s=100_000, C10=200_000)
    host.idle_states(1, POLL=999, C1=0, C1E=0, C6=100_000, C7s=0, C10=0)
    for n in range(1, 10):
        host.stat((n, *NO_TIME[1:]), (n, *NO_TIME[1:]))
        rows = sensor.read()
        assert all(dict(zip(sensor.columns, row, strict=True))["c6_residency"] is None for row in rows)
        if n == 1:  # the first reading has just taken the zero point
            host.idle_states(0, POLL=999, C1=150_000, C1E=350_000, C6=900_000, C7s=300_000, C10=500_000)
            host.idle_states(1, POLL=999, C1=0, C1E=0, C6=300_000, C7s=0, C10=0)
    host.stat((10, *NO_TIME[1:]), (10, *NO_TIME[1:]))
    sensor.read()
    host.stat((11, *NO_TIME[1:]), (11, *NO_TIME[1:]))
    row = read(sensor)
    # CPU 0: C1 100 ms and C1E 200 ms; C6 600 ms; C7s 200 ms and C10 300 ms. CPU 1: C6 200 ms. Over 1 s, mean of two.
    assert row["c1_residency"] == pytest.approx(15.0)
    assert row["c6_residency"] == pytest.approx(40.0)
    assert row["c7_residency"] == pytest.approx(25.0)
    assert row["c3_residency"] is None and row["c2_residency"] is None
    sensor.close()


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("POLL", None),
        ("C1", 1),
        ("C1E", 1),
        ("C1_ACPI", 1),
        ("C3-SKL", 3),
        ("C6P", 6),
        ("C7s", 7),
        ("C8", 7),
        ("C10", 7),
        ("haltpoll idle", None),
        ("WFI", None),
        ("cpu-sleep-0", None),
        ("", None),
    ],
)
def test_states_by_name(name: str, state: int | None) -> None:
    assert core_state(name) == state


@pytest.mark.parametrize(
    ("build", "celsius"),
    [
        (lambda h: h.hwmon(0, "coretemp", {"Package id 0": 61_000, "Core 0": 90_000}), 61.0),
        (
            lambda h: (
                h.hwmon(0, "coretemp", {"Package id 0": 61_000}),
                h.hwmon(1, "coretemp", {"Package id 1": 67_500}),
            ),
            67.5,
        ),
        (lambda h: h.hwmon(3, "k10temp", {"Tctl": 80_000, "Tdie": 60_000, "Tccd1": 99_000}), 60.0),
        (lambda h: h.hwmon(3, "k10temp", {"Tctl": 55_250}), 55.25),
        (lambda h: (h.thermal_zone(0, "acpitz", 99_000), h.thermal_zone(1, "x86_pkg_temp", 45_000)), 45.0),
        (lambda h: h.thermal_zone(0, "cpu-thermal", 51_121), 51.121),
        (lambda h: h.thermal_zone(0, "acpitz", 99_000), None),
    ],
)
def test_package_temperature(host: FakeHost, build: Any, celsius: float | None) -> None:
    build(host)
    host.stat(NO_TIME)
    sensor = cpu_sensor(host)
    sensor.open()
    sensor.read()
    host.stat((1, *NO_TIME[1:]))
    assert read(sensor)["package_temp"] == celsius
    sensor.close()


def test_a_reading_that_fails_raises_and_the_next_one_goes_on(host: FakeHost) -> None:
    host.stat(NO_TIME)
    interrupts = InterruptsSensor(host.proc, monotonic_ns=Ticker(100_000_000))
    for sensor in (cpu_sensor(host), CpuModelSensor(host.proc), interrupts):
        host.stat(NO_TIME)
        sensor.open()
        host.write(host.proc / "stat", "")
        with pytest.raises(ValueError):
            sensor.read()
        host.stat((3, *NO_TIME[1:]))
        sensor.read()
        sensor.close()
        with pytest.raises(OSError, match="before open"):
            sensor.read()
