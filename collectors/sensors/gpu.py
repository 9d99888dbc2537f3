"""GPU telemetry of NVIDIA cards, by NVML; nothing of it is imported before a host is asked for its GPUs."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.contract import GPU_SAMPLES
from collectors.sensors import Row, Value

INSTALL = "pip install 'alems-pipeline[gpu]'"


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The GPUs of a host, as columns of hardware_config."""

    model: str | None
    driver: str | None
    count: int
    power_available: bool


@dataclass(frozen=True, slots=True)
class _Gpu:
    index: int
    uuid: str | None
    handle: Any


class GpuSensor:
    """One row per GPU. A query that a card does not support, or does not answer any more, is NULL.

    `wanted`: index or UUID of each GPU to read; all where none is named. `nvml` is the pynvml module, or a stand-in for
    it in tests.
    """

    name = "gpu"
    dataset = GPU_SAMPLES
    period_s = 0.1
    columns = (
        "gpu_index",
        "gpu_uuid",
        "energy_mj",
        "power_mw",
        "util_percent",
        "memory_used_mb",
        "temp_c",
        "sm_clock_mhz",
    )

    def __init__(self, nvml: Any = None, *, wanted: Sequence[str] = ()) -> None:
        self.warnings: list[str] = []
        self.chosen: tuple[int, ...] = ()
        """Indices of the GPUs that are read, once the sensor was open; none where all are."""
        self._wanted = frozenset(wanted)
        self._nvml = nvml
        self._gpus: list[_Gpu] = []
        self._queries: list[Callable[[Any], Value]] = []
        self._is_open = False

    def available(self) -> str | None:
        try:
            self.open()
        except OSError as error:
            return str(error)
        finally:
            self.close()
        return None

    def open(self) -> None:
        self.close()
        nvml = self._load()
        try:
            nvml.nvmlInit()
            self._is_open = True
            self._gpus = [self._describe(index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            self.close()
            raise OSError(f"no NVIDIA driver answers ({error}); where there is a GPU, install its driver") from None
        if not self._gpus:
            self.close()
            raise OSError("the NVIDIA driver lists no GPU")
        if self._wanted:
            self._choose()
        self._queries = self._all_queries()

    def read(self) -> list[Row]:
        rows = [(gpu.index, gpu.uuid, *(self._ask(query, gpu.handle) for query in self._queries)) for gpu in self._gpus]
        if all(value is None for _, _, *values in rows for value in values):
            raise OSError("no GPU answers any more")
        # A card that tells nothing has its row too: without it, its energy would be taken for 0.
        return rows

    def describe(self) -> GpuFacts:
        """What the fingerprint says of the open GPUs."""
        first = self._gpus[0].handle
        name = self._ask(self._nvml.nvmlDeviceGetName, first)
        driver = self._ask(lambda _: self._nvml.nvmlSystemGetDriverVersion(), None)
        power = self._ask(self._nvml.nvmlDeviceGetPowerUsage, first)
        return GpuFacts(_text(name), _text(driver), len(self._gpus), power is not None)

    def close(self) -> None:
        if self._is_open:
            self._ask(lambda _: self._nvml.nvmlShutdown(), None)
        self._is_open = False
        self._gpus = []

    def _load(self) -> Any:
        if self._nvml is None:
            try:
                self._nvml = importlib.import_module("pynvml")
            except ImportError:
                raise OSError(f"nvidia-ml-py is not installed: {INSTALL}") from None
        return self._nvml

    def _describe(self, index: int) -> _Gpu:
        handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        return _Gpu(index, _text(self._ask(self._nvml.nvmlDeviceGetUUID, handle)), handle)

    def _choose(self) -> None:
        """Leave out the GPUs that are not wanted. Raises OSError where one of the wanted is not there."""
        names = {name: gpu for gpu in self._gpus for name in (str(gpu.index), gpu.uuid) if name is not None}
        if unknown := sorted(self._wanted - names.keys()):
            self.close()
            raise OSError(f"no GPU {', '.join(unknown)}; this host has {', '.join(names)}")
        found = [gpu for gpu in self._gpus if not self._wanted.isdisjoint((str(gpu.index), gpu.uuid))]
        self.chosen = tuple(gpu.index for gpu in found) if len(found) < len(self._gpus) else ()
        self._gpus = found

    def _all_queries(self) -> list[Callable[[Any], Value]]:
        """One function of a card's handle per column after gpu_uuid."""
        nvml = self._nvml
        return [
            nvml.nvmlDeviceGetTotalEnergyConsumption,
            nvml.nvmlDeviceGetPowerUsage,
            lambda handle: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            lambda handle: nvml.nvmlDeviceGetMemoryInfo(handle).used / 2**20,
            lambda handle: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            lambda handle: float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        ]

    def _ask(self, query: Callable[[Any], Value], handle: Any) -> Value:
        try:
            return query(handle)
        except self._nvml.NVMLError:
            return None


def _text(value: Value | bytes) -> str | None:
    """Text of an NVML answer; old bindings give bytes."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)
