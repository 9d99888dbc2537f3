"""Perf events: what the kernel of the machine under test grants, and every way in which it may refuse."""

import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.contract import RUN_READINGS
from collectors.sensors import perf
from collectors.sensors.perf import Event, HostIpc, PerfCounters
from tests.unit.fake_host import FakeHost

NO_PMU = OSError(errno.ENOENT, "No such file or directory")
DENIED = PermissionError(errno.EACCES, "Permission denied")

MIGRATE = """
import os
cpus = sorted(os.sched_getaffinity(0))
for n in range(200):
    os.sched_setaffinity(0, {cpus[n % 2]})
"""


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    host.write(host.proc / "sys/kernel/perf_event_paranoid", 3)
    return host


class FakeKernel:
    """Grants counters as descriptors of a file that holds `reading`, or refuses by rules."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuse: dict[int, OSError] = {}
        self.refuse_kernel_mode = False
        self.reading = perf.TREE_READING.pack(1000, 10, 10)
        self.asked: list[tuple[Event, int]] = []
        self._folder = tmp_path
        monkeypatch.setattr(perf, "open_event", self.open_event)

    def open_event(self, event: Event, *, pid: int, cpu: int, flags: int, read_format: int, group: int = -1) -> int:
        self.asked.append((event, flags))
        if event.type in self.refuse:
            raise self.refuse[event.type]
        if self.refuse_kernel_mode and not flags & perf.EXCLUDE_KERNEL:
            raise DENIED
        path = self._folder / f"event-{len(self.asked)}"
        path.write_bytes(self.reading * 10)
        return os.open(path, os.O_RDONLY)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    return FakeKernel(tmp_path, monkeypatch)


def test_columns_are_run_readings() -> None:
    assert set(perf.TREE_EVENTS) < {column.name for column in RUN_READINGS}


def test_the_attributes_are_those_of_the_kernels_first_published_version() -> None:
    assert perf.ATTR.size == 64  # PERF_ATTR_SIZE_VER0


def test_everything_granted(kernel: FakeKernel, host: FakeHost) -> None:
    counters = PerfCounters(host.proc)
    assert counters.available() is None
    counters.open()
    assert counters.read() == dict.fromkeys(perf.TREE_EVENTS, 1000)
    armed = perf.DISABLED | perf.INHERIT | perf.ENABLE_ON_EXEC
    assert {flags for _, flags in kernel.asked} == {armed}
    counters.close()
    assert counters.read() == dict.fromkeys(perf.TREE_EVENTS)


def test_a_counter_shared_with_others_is_scaled_and_one_that_never_ran_is_null(
    kernel: FakeKernel, host: FakeHost
) -> None:
    counters = PerfCounters(host.proc)
    for reading, expected in (((1000, 30, 10), 3000), ((0, 30, 0), None), ((0, 0, 0), None), ((0, 9, 9), 0)):
        kernel.reading = perf.TREE_READING.pack(*reading)
        counters.open()
        assert counters.read() == dict.fromkeys(perf.TREE_EVENTS, expected)
        counters.close()


def test_a_machine_without_hardware_counters_keeps_the_software_ones(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.refuse[perf.HARDWARE] = NO_PMU
    counters = PerfCounters(host.proc)
    counters.open()
    assert {name for name, value in counters.read().items() if value is not None} == {"thread_migrations"}
    assert counters.warnings == [
        "perf: instructions, cycles, cache_references, cache_misses not counted: "
        "this CPU or virtual machine has no such counter; nothing enables it here"
    ]
    counters.close()


def test_refused_by_perf_event_paranoid_names_it_and_the_fix(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.refuse = {perf.HARDWARE: DENIED, perf.SOFTWARE: DENIED}
    assert PerfCounters(host.proc).available() == (
        "perf: instructions, cycles, cache_references, cache_misses, thread_migrations not counted: "
        "kernel.perf_event_paranoid is 3: sudo sysctl kernel.perf_event_paranoid=1"
    )


def test_where_only_user_mode_is_granted_hardware_is_counted_there_and_migrations_are_null(
    kernel: FakeKernel, host: FakeHost
) -> None:
    kernel.refuse_kernel_mode = True
    counters = PerfCounters(host.proc)
    counters.open()
    counts = counters.read()
    assert counts.pop("thread_migrations") is None  # it happens in the kernel: without it, it would count 0
    assert set(counts.values()) == {1000}
    assert counters.warnings[0] == (
        "perf: instructions, cycles, cache_references, cache_misses counted in user mode only: "
        "sudo sysctl kernel.perf_event_paranoid=1"
    )
    assert "thread_migrations not counted: kernel.perf_event_paranoid is 3" in counters.warnings[1]
    counters.close()


def test_an_unknown_architecture_has_none(monkeypatch: pytest.MonkeyPatch, host: FakeHost) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    reason = PerfCounters(host.proc).available()
    assert reason is not None and "no perf events in this kernel or for s390x" in reason


def test_host_ipc_is_of_the_interval_over_all_cpus(kernel: FakeKernel, host: FakeHost, tmp_path: Path) -> None:
    """Per reading of a CPU: count, times, cycles, instructions. CPU 0 then CPU 1, each twice."""
    kernel.reading = perf.GROUP_READING.pack(2, 1, 1, 100, 50) + perf.GROUP_READING.pack(2, 1, 1, 300, 350)
    ipc = HostIpc([0, 1], host.proc)
    assert ipc.read() is None
    assert ipc.read() == pytest.approx(600 / 400)
    ipc.close()


def test_host_ipc_refused_says_how_to_enable_it(kernel: FakeKernel, host: FakeHost) -> None:
    kernel.refuse[perf.HARDWARE] = DENIED
    with pytest.raises(OSError, match=r"ipc not measured: .* is 3: sudo sysctl kernel.perf_event_paranoid=0"):
        HostIpc([0], host.proc)


# The kernel of the machine under test


def test_counts_are_of_the_started_program_and_not_of_this_process() -> None:
    """A program that moves itself from CPU to CPU 199 times or more, and one that does not."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU: nothing migrates")
    migrations = []
    for code in (MIGRATE, "pass"):
        counters = PerfCounters()
        counters.open()
        subprocess.run([sys.executable, "-c", code], check=True)
        migrations.append(counters.read()["thread_migrations"])
        counters.close()
    if migrations[0] is None:
        pytest.skip("this kernel does not let migrations be counted")
    assert migrations[0] >= 199
    assert migrations[1] is not None and migrations[1] < 100


def test_counts_include_descendants() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU: nothing migrates")
    counters = PerfCounters()
    counters.open()
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {MIGRATE!r}], check=True)"
    subprocess.run([sys.executable, "-c", code], check=True)
    migrations = counters.read()["thread_migrations"]
    counters.close()
    if migrations is None:
        pytest.skip("this kernel does not let migrations be counted")
    assert migrations >= 199
