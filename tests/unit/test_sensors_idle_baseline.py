"""Idle baselines on fake counters and a fake clock: power, spread, refusals."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import contract
from collectors.sensors import Row
from collectors.sensors.cpu_model import CpuModelSensor
from collectors.sensors.cpu_time import TICKS_PER_SECOND
from collectors.sensors.gpu import GpuSensor
from collectors.sensors.idle_baseline import NoBaseline, Time, autocorrelation, measure
from collectors.sensors.rapl import RaplSensor
from tests.unit.fake_host import RANGE_UJ, FakeHost
from tests.unit.test_sensors_gpu import FakeNvml

NOW = datetime(2026, 1, 21, 12, tzinfo=UTC)


class Host:
    """A host whose counters advance when the baseline sleeps: by `watts(window)` per zone, and by busy CPU time."""

    def __init__(
        self,
        host: FakeHost,
        watts: Callable[[int], dict[str, float]],
        *,
        busy: Callable[[int], float] = lambda window: 0.05,
        start_uj: int = 0,
        cpus: int = 1,
    ) -> None:
        self.fake = host
        self.now_ns = 0
        self.window = 0
        self.after_sleep: Callable[[int], None] = lambda window: None
        self._watts = watts
        self._busy = busy
        self._cpus = cpus
        self._energy = dict.fromkeys(watts(0), start_uj)
        self._ticks = [0.0, 0.0]
        self._write()

    def sleep(self, seconds: float) -> None:
        for zone, watts in self._watts(self.window).items():
            self._energy[zone] = round(self._energy[zone] + watts * seconds * 1e6)
        busy = self._busy(self.window)
        self._ticks[0] += busy * seconds * TICKS_PER_SECOND
        self._ticks[1] += (1 - busy) * seconds * TICKS_PER_SECOND
        self.now_ns += round(seconds * 1e9)
        self.window += 1
        self._write()
        self.after_sleep(self.window)

    def _write(self) -> None:
        names = {"core": "core", "uncore": "uncore", "dram": "dram"}
        for zone, energy in self._energy.items():
            self.fake.zone(zone, names.get(SUBZONES.get(zone, ""), f"package-{zone[-1]}"), energy % RANGE_UJ)
        busy, idle = (self._cpus * round(ticks) for ticks in self._ticks)
        self.fake.stat((busy, 0, 0, idle, 0, 0, 0, 0, 0, 0))

    def measure(self, **options: Any) -> dict[str, Any]:
        options.setdefault("sensor", RaplSensor(self.fake.sys))
        time = Time(monotonic_ns=lambda: self.now_ns, sleep=self.sleep, now=lambda: NOW)
        sensor = options.pop("sensor")
        return measure(sensor, time_source=time, sys=self.fake.sys, proc=self.fake.proc, **options)


SUBZONES = {"intel-rapl:0:0": "core", "intel-rapl:0:1": "uncore", "intel-rapl:1:0": "core"}


def test_mean_and_spread_per_domain_summed_over_packages(host: FakeHost) -> None:
    rng = np.random.default_rng(7)
    package, core = rng.normal(18, 0.4, 30), rng.normal(6.7, 0.1, 30)

    def watts(n: int) -> dict[str, float]:
        return {"intel-rapl:0": package[n], "intel-rapl:0:0": core[n], "intel-rapl:1": 2.0, "intel-rapl:1:0": 1.0}

    host.cpufreq(0, 1, [0], "powersave")
    host.write(host.sys / "devices/system/cpu/intel_pstate/no_turbo", 0)
    record = Host(host, watts).measure()
    missing = set(contract.IDLE_BASELINES.column_names) - set(record)
    assert missing == {"baseline_id", "source_system", "host", "recorded_at", "hw_id"}
    assert set(record) < set(contract.IDLE_BASELINES.column_names)
    assert record["package_power_watts"] == pytest.approx(package.mean() + 2, abs=1e-5)
    assert record["core_power_watts"] == pytest.approx(core.mean() + 1, abs=1e-5)
    assert record["package_std"] == pytest.approx(package.std(ddof=1), abs=1e-5)
    assert record["core_std"] == pytest.approx(core.std(ddof=1), abs=1e-5)
    for absent in ("uncore", "dram", "model", "gpu"):
        assert record[f"{absent}_power_watts"] is None
    assert record["background_cpu"] == pytest.approx(5.0, abs=0.1)
    assert (record["duration_seconds"], record["sample_count"]) == (30, 30)
    assert (record["governor"], record["turbo"]) == ("powersave", "enabled")
    assert record["timestamp"] == NOW.timestamp()
    assert record["method"] == "rapl: mean of 30 windows of 1 s"


def test_a_wrap_within_a_window_changes_nothing(host: FakeHost) -> None:
    record = Host(host, lambda n: {"intel-rapl:0": 18.0}, start_uj=RANGE_UJ - 50_000_000).measure(windows=5)
    assert record["package_power_watts"] == pytest.approx(18.0)
    assert record["package_std"] == pytest.approx(0.0, abs=1e-5)


def test_a_reset_counter_spoils_its_window_only(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0}, start_uj=10**10)

    def reset(window: int) -> None:
        if window == 3:
            fake._energy["intel-rapl:0"] = 0
            fake._write()

    fake.after_sleep = reset
    record = fake.measure(windows=5)
    assert record["package_power_watts"] == pytest.approx(18.0)
    assert (record["sample_count"], record["duration_seconds"]) == (5, 7)  # the spoilt one, and a pause after it


def test_failed_readings_are_repeated_and_too_many_are_an_error(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0})
    energy = host.sys / "class/powercap/intel-rapl:0/energy_uj"
    broken = {2, 5}

    def break_counter(window: int) -> None:
        if window in broken:
            host.write(energy, "")

    fake.after_sleep = break_counter
    assert fake.measure(windows=5)["package_power_watts"] == pytest.approx(18.0)
    broken = set(range(100))
    with pytest.raises(NoBaseline, match=r"no idle baseline: 11 readings failed, the last one: .*energy_uj"):
        fake.measure(windows=5)


def test_a_busy_host_is_refused_with_one_line(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0}, busy=lambda n: 0.45)
    with pytest.raises(NoBaseline) as refusal:
        fake.measure(windows=30)
    assert str(refusal.value) == (
        "no idle baseline: the CPUs were 45 % busy over 14 of 30 windows, more than 20 % over all of them; "
        "end what else runs here and measure again"
    )
    assert fake.window == 14  # 14 · 45 % > 30 · 20 %: however idle the rest, the mean would be too high


def test_a_short_burst_does_not_refuse_an_idle_host(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0}, busy=lambda n: 1.0 if n < 3 else 0.05)
    assert fake.measure(windows=30)["background_cpu"] == pytest.approx(14.5, abs=0.1)


def test_the_threshold_is_a_parameter(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0}, busy=lambda n: 0.45)
    assert fake.measure(windows=3, max_busy_percent=50)["background_cpu"] == pytest.approx(45.0, abs=0.5)


def test_a_host_without_counters_gets_modelled_power_with_its_spread(host: FakeHost) -> None:
    busy = [0.0, 0.1, 0.0, 0.1, 0.0, 0.1]
    fake = Host(host, lambda n: {}, busy=lambda n: busy[n])
    record = fake.measure(sensor=CpuModelSensor(host.proc), windows=6)
    watts = [12 * share + (1 - share) for share in busy]
    assert record["model_power_watts"] == pytest.approx(np.mean(watts))
    assert record["package_power_watts"] is None
    assert record["package_std"] == pytest.approx(np.std(watts, ddof=1))
    assert record["package_autocorr_lag1"] == pytest.approx(-5 / 6)  # alternating: Σ of 5 products of −d², over 6 d²
    assert record["method"] == "cpu_model: mean of 6 windows of 1 s"


def test_gpu_power_by_its_energy_counter_and_by_its_gauge_where_there_is_none(host: FakeHost) -> None:
    nvml = FakeNvml(cards=2)
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0})
    joules = [0.0]
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda card: round(1000 * joules[0])  # type: ignore[method-assign]

    def burn(window: int) -> None:
        joules[0] += 65.0

    fake.after_sleep = burn
    assert fake.measure(gpu=GpuSensor(nvml), windows=4)["gpu_power_watts"] == pytest.approx(2 * 65.0)
    gauge = FakeNvml(cards=2, unsupported={"energy"})
    assert fake.measure(gpu=GpuSensor(gauge), windows=4)["gpu_power_watts"] == pytest.approx(2 * 71.25)
    assert nvml.initialised == gauge.initialised == 0


class TwoGauges:
    """Two GPUs of 50 W each; readings that `fails` names lack the second one: it has a row of nothing, or none."""

    name = "gpu"
    dataset = contract.GPU_SAMPLES
    period_s = 0.1
    columns = GpuSensor.columns

    def __init__(self, fails: Callable[[int], bool], *, row_of_nothing: bool = True, third: bool = False) -> None:
        self.warnings: list[str] = []
        self._fails = fails
        self._row_of_nothing = row_of_nothing
        self._third = third
        self._readings = 0

    def available(self) -> None:
        return None

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> list[Row]:
        self._readings += 1
        answers = [True, not self._fails(self._readings)]
        rows: list[Row] = [
            (index, f"GPU-{index}", None, 50_000 if answer else None, *[None] * 4)
            for index, answer in enumerate(answers)
            if answer or self._row_of_nothing
        ]
        return [*rows, (2, "display", *[None] * 6)] if self._third else rows


@pytest.mark.parametrize("row_of_nothing", [True, False])
@pytest.mark.parametrize(
    ("fails", "seconds"),
    [
        (lambda reading: reading in (4, 8), 8),  # the end of two windows
        (lambda reading: reading == 3, 6),  # the beginning of one
        (lambda reading: reading in (3, 4), 6),  # both
    ],
)
def test_a_gpu_that_does_not_answer_spoils_its_window_only(
    host: FakeHost, fails: Callable[[int], bool], seconds: int, row_of_nothing: bool
) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0})
    record = fake.measure(gpu=TwoGauges(fails, row_of_nothing=row_of_nothing), windows=4)
    assert record["gpu_power_watts"] == pytest.approx(100.0)
    assert (record["sample_count"], record["duration_seconds"]) == (4, seconds)


def test_a_gpu_that_is_gone_for_good_is_named(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0})
    with pytest.raises(NoBaseline, match=r"11 readings failed, the last one: gpu 1: answered some readings and not"):
        fake.measure(gpu=TwoGauges(lambda reading: reading > 2), windows=4)


def test_a_card_that_never_gives_power_spoils_nothing(host: FakeHost) -> None:
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0})
    record = fake.measure(gpu=TwoGauges(lambda reading: False, third=True), windows=4)
    assert (record["gpu_power_watts"], record["duration_seconds"]) == (pytest.approx(100.0), 4)
    alone = Host(host, lambda n: {"intel-rapl:0": 18.0}).measure(gpu=TwoGauges(lambda reading: True), windows=4)
    assert (alone["gpu_power_watts"], alone["duration_seconds"]) == (pytest.approx(50.0), 4)


@pytest.mark.parametrize(("watts", "holds"), [(1900.0, True), (2100.0, False)])
def test_a_gpu_may_draw_more_than_a_package(host: FakeHost, watts: float, holds: bool) -> None:
    nvml = FakeNvml(cards=1)
    fake = Host(host, lambda n: {"intel-rapl:0": 18.0})
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda card: round(watts * fake.now_ns / 1e6)  # type: ignore[method-assign]
    if holds:
        assert fake.measure(gpu=GpuSensor(nvml), windows=3)["gpu_power_watts"] == pytest.approx(watts)
    else:
        with pytest.raises(NoBaseline, match="a counter of gpu energy went"):
            fake.measure(gpu=GpuSensor(nvml), windows=3)


def test_the_model_of_many_cpus_has_no_ceiling(host: FakeHost) -> None:
    fake = Host(host, lambda n: {}, busy=lambda n: 0.0, cpus=1024)
    assert fake.measure(sensor=CpuModelSensor(host.proc), windows=3)["model_power_watts"] == pytest.approx(1024.0)


def test_progress_is_told_after_every_window(host: FakeHost) -> None:
    told: list[tuple[int, int]] = []
    Host(host, lambda n: {"intel-rapl:0": 18.0}).measure(windows=4, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_without_counters_the_reason_is_passed_on(host: FakeHost) -> None:
    host.stat((0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    with pytest.raises(NoBaseline, match=r"no idle baseline: no RAPL zone in .*modprobe"):
        measure(RaplSensor(host.sys), sys=host.sys, proc=host.proc)


@given(st.lists(st.floats(1, 500), min_size=3, max_size=60))
def test_autocorrelation_is_within_its_bounds_and_blind_to_unit_and_direction(values: list[float]) -> None:
    rho = autocorrelation(values)
    if rho is None:
        return
    assert -1.0 <= rho <= 1.0
    backwards = autocorrelation(values[::-1])
    assert backwards == pytest.approx(rho, abs=1e-6)


def test_autocorrelation_against_numpy_and_where_there_is_none() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, 500)
    series = [18.0]
    for step in noise:
        series.append(18 + 0.8 * (series[-1] - 18) + step)
    centred = np.array(series) - np.mean(series)
    assert autocorrelation(series) == pytest.approx(float((centred[1:] @ centred[:-1]) / (centred @ centred)))
    assert 0.7 < (autocorrelation(series) or 0) < 0.9
    assert autocorrelation([18.0] * 10) is None
    assert autocorrelation([1.0, 2.0]) is None
