"""The GPU sensor against a stand-in for NVML."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from collectors.sensors.gpu import GpuFacts, GpuSensor


class NVMLError(Exception):
    pass


class FakeNvml:
    """Two cards; `unsupported` names queries that every card refuses, `dead` cards that refuse all."""

    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    NVMLError = NVMLError

    def __init__(self, cards: int = 2, unsupported: set[str] = frozenset(), init_fails: bool = False) -> None:  # type: ignore[assignment]
        self.cards = cards
        self.unsupported = unsupported
        self.dead: set[int] = set()
        self.init_fails = init_fails
        self.initialised = 0

    def _answer(self, query: str, card: int, value: Any) -> Any:
        if query in self.unsupported or card in self.dead:
            raise NVMLError("Not Supported")
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        if self.init_fails:
            raise NVMLError("Driver Not Loaded")
        self.initialised += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.initialised -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, card: int) -> Any:  # noqa: N802
        return self._answer("uuid", card, b"GPU-%d" % card)

    def nvmlDeviceGetName(self, card: int) -> Any:  # noqa: N802
        return self._answer("name", card, "NVIDIA H100 80GB HBM3")

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "570.86.15"

    def nvmlDeviceGetTotalEnergyConsumption(self, card: int) -> Any:  # noqa: N802
        return self._answer("energy", card, 5_000_000 + card)

    def nvmlDeviceGetPowerUsage(self, card: int) -> Any:  # noqa: N802
        return self._answer("power", card, 71_250)

    def nvmlDeviceGetUtilizationRates(self, card: int) -> Any:  # noqa: N802
        return self._answer("util", card, SimpleNamespace(gpu=37, memory=5))

    def nvmlDeviceGetMemoryInfo(self, card: int) -> Any:  # noqa: N802
        return self._answer("memory", card, SimpleNamespace(used=3 * 2**30, total=80 * 2**30))

    def nvmlDeviceGetTemperature(self, card: int, kind: int) -> Any:  # noqa: N802
        return self._answer("temp", card, 41)

    def nvmlDeviceGetClockInfo(self, card: int, kind: int) -> Any:  # noqa: N802
        return self._answer("clock", card, 1980)


def test_a_row_per_card_in_contract_units() -> None:
    nvml = FakeNvml()
    sensor = GpuSensor(nvml)
    assert sensor.available() is None
    assert nvml.initialised == 0
    sensor.open()
    assert sensor.read() == [
        (0, "GPU-0", 5_000_000, 71_250, 37.0, 3072.0, 41.0, 1980.0),
        (1, "GPU-1", 5_000_001, 71_250, 37.0, 3072.0, 41.0, 1980.0),
    ]
    assert set(sensor.columns) < set(sensor.dataset.column_names)
    sensor.close()
    sensor.close()
    assert nvml.initialised == 0


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("uuid", "gpu_uuid"),
        ("energy", "energy_mj"),
        ("power", "power_mw"),
        ("util", "util_percent"),
        ("memory", "memory_used_mb"),
        ("temp", "temp_c"),
        ("clock", "sm_clock_mhz"),
    ],
)
def test_an_unsupported_query_is_null_and_only_that(query: str, column: str) -> None:
    sensor = GpuSensor(FakeNvml(cards=1, unsupported={query}))
    sensor.open()
    (row,) = sensor.read()
    values = dict(zip(sensor.columns, row, strict=True))
    assert [name for name, value in values.items() if value is None] == [column]
    sensor.close()


@pytest.mark.parametrize(
    ("wanted", "read", "chosen"),
    [(["1"], [1], (1,)), (["GPU-0", "0"], [0], (0,)), (["1", "GPU-0"], [0, 1], ()), ([], [0, 1], ())],
)
def test_only_the_wanted_cards_are_read(wanted: list[str], read: list[int], chosen: tuple[int, ...]) -> None:
    sensor = GpuSensor(FakeNvml(), wanted=wanted)
    assert sensor.available() is None
    sensor.open()
    assert [row[0] for row in sensor.read()] == read
    assert sensor.chosen == chosen
    sensor.close()


def test_a_wanted_card_that_is_not_there_is_named_with_those_that_are() -> None:
    nvml = FakeNvml()
    assert GpuSensor(nvml, wanted=["0", "7", "GPU-9"]).available() == (
        "no GPU 7, GPU-9; this host has 0, GPU-0, 1, GPU-1"
    )
    assert nvml.initialised == 0


def test_a_card_that_falls_off_the_bus_tells_nothing_and_without_any_the_sample_is_missing() -> None:
    nvml = FakeNvml()
    sensor = GpuSensor(nvml)
    sensor.open()
    nvml.dead = {0}
    assert [(row[0], set(row[2:]) == {None}) for row in sensor.read()] == [(0, True), (1, False)]
    nvml.dead = {0, 1}
    with pytest.raises(OSError, match="no GPU answers"):
        sensor.read()
    sensor.close()


def test_facts_for_the_fingerprint() -> None:
    sensor = GpuSensor(FakeNvml())
    sensor.open()
    assert sensor.describe() == GpuFacts("NVIDIA H100 80GB HBM3", "570.86.15", 2, True)
    sensor.close()


@pytest.mark.parametrize(
    ("nvml", "reason"),
    [(FakeNvml(init_fails=True), "no NVIDIA driver answers (Driver Not Loaded)"), (FakeNvml(cards=0), "lists no GPU")],
)
def test_why_there_is_no_gpu(nvml: FakeNvml, reason: str) -> None:
    sensor = GpuSensor(nvml)
    assert reason in str(sensor.available())
    with pytest.raises(OSError):
        sensor.open()
    assert nvml.initialised == 0


def test_without_the_binding_the_reason_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert GpuSensor().available() == "nvidia-ml-py is not installed: pip install 'alems-pipeline[gpu]'"


def test_nothing_of_nvml_is_imported_before_a_host_is_asked() -> None:
    import subprocess

    code = "import sys, collectors.sensors.gpu; print('pynvml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
