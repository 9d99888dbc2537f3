"""Readings of a run: from the measured tree where the column means the run, from the host where it means the host."""

import os
import resource
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.contract import RUN_READINGS
from collectors.sensors.cpu_time import TICKS_PER_SECOND
from collectors.sensors.process_tree import (
    TreeLoad,
    TreeWatch,
    pids,
    read_end,
    read_governor,
    read_runnable,
    read_start,
    read_turbo,
    tree_pids,
)
from tests.unit.fake_host import FakeHost

MIB = 1024
NOTHING = TreeLoad(None, None, None, None)


def usage(user: float = 0.0, system: float = 0.0, **fields: int) -> resource.struct_rusage:
    values = [user, system] + [0] * 14
    names = ("ru_minflt", "ru_majflt", "ru_nvcsw", "ru_nivcsw")
    for name, position in zip(names, (6, 7, 14, 15), strict=True):
        values[position] = fields.get(name, 0)
    return resource.struct_rusage(values)


def read(host: FakeHost, rusage: resource.struct_rusage, during: Any = lambda: None) -> dict[str, Any]:
    start = read_start(host.sys, host.proc)
    during()
    return read_end(start, rusage=rusage, load=NOTHING, counters={}, sys=host.sys, proc=host.proc)


def test_an_empty_host_gives_null_and_never_zero(host: FakeHost) -> None:
    columns = read(host, usage())
    tree = {name for name, value in columns.items() if value is not None}
    assert tree == {
        "user_time_ms",
        "kernel_time_ms",
        "page_faults",
        "major_page_faults",
        "minor_page_faults",
        "context_switches_voluntary",
        "context_switches_involuntary",
    }


def test_every_column_is_a_run_reading_and_network_counters_of_the_host_are_not_among_them(host: FakeHost) -> None:
    columns = read(host, usage())
    assert set(columns) < {column.name for column in RUN_READINGS}
    assert not {"bytes_sent", "bytes_recv", "tcp_retransmits"} & set(columns)


def test_time_faults_and_switches_are_the_trees(host: FakeHost) -> None:
    columns = read(host, usage(1.25, 0.5, ru_minflt=300, ru_majflt=4, ru_nvcsw=20, ru_nivcsw=7))
    assert columns["user_time_ms"] == 1250.0
    assert columns["kernel_time_ms"] == 500.0
    assert (columns["page_faults"], columns["minor_page_faults"], columns["major_page_faults"]) == (304, 300, 4)
    assert (columns["context_switches_voluntary"], columns["context_switches_involuntary"]) == (20, 7)


def test_background_is_what_the_host_did_beyond_the_tree(host: FakeHost) -> None:
    """Two CPUs over 10 s: 8 s busy, 6 s of them the tree's: 2 of 20 CPU seconds are background."""
    host.stat((100, *[0] * 9), (0, 0, 0, 100, *[0] * 6))

    def run() -> None:
        busy, idle = 8 * TICKS_PER_SECOND, 2 * TICKS_PER_SECOND
        host.stat((100 + busy, 0, 0, idle, *[0] * 6), (0, 0, 0, 100 + 10 * TICKS_PER_SECOND, *[0] * 6))

    assert read(host, usage(5.5, 0.5), run)["background_cpu_percent"] == pytest.approx(10.0)
    assert read(host, usage(9.0, 0.5), run)["background_cpu_percent"] is None  # no time passed


def test_a_few_ticks_tell_no_background(host: FakeHost) -> None:
    host.stat((0, 0, 0, 0, *[0] * 6))
    assert read(host, usage(), lambda: host.stat((1, 0, 0, 48, *[0] * 6)))["background_cpu_percent"] is None
    host.stat((0, 0, 0, 0, *[0] * 6))
    assert read(host, usage(), lambda: host.stat((1, 0, 0, 49, *[0] * 6)))["background_cpu_percent"] == 2.0


def test_the_trees_time_rounded_beyond_the_hosts_is_no_negative_background(host: FakeHost) -> None:
    host.stat((0, *[0] * 9))
    columns = read(host, usage(1.01), lambda: host.stat((TICKS_PER_SECOND, *[0] * 9)))
    assert columns["background_cpu_percent"] == 0.0


def test_swap_at_start_and_end(host: FakeHost) -> None:
    host.meminfo(SwapTotal=8 * MIB * MIB, SwapFree=6 * MIB * MIB, SwapCached=3 * MIB)
    later = {"SwapTotal": 8 * MIB * MIB, "SwapFree": 5 * MIB * MIB, "SwapCached": 5 * MIB}
    columns = read(host, usage(), lambda: host.meminfo(**later))
    assert {name: value for name, value in columns.items() if name.startswith("swap")} == {
        "swap_total_mb": 8192.0,
        "swap_start_used_mb": 2048.0,
        "swap_start_cached_mb": 3.0,
        "swap_end_free_mb": 5120.0,
        "swap_end_used_mb": 3072.0,
        "swap_end_cached_mb": 5.0,
        "swap_end_percent": 37.5,
    }


def test_a_host_without_swap_has_0_mb_of_it_and_no_percentage(host: FakeHost) -> None:
    host.meminfo(SwapTotal=0, SwapFree=0, SwapCached=0)
    columns = read(host, usage())
    assert (columns["swap_total_mb"], columns["swap_end_used_mb"], columns["swap_end_percent"]) == (0.0, 0.0, None)


def test_idle_state_times_are_of_the_run_and_mean_over_cpus(host: FakeHost) -> None:
    host.idle_states(0, POLL=1, C1=9, C6=1_000_000, C10=500_000)
    host.idle_states(1, POLL=1, C1=9, C6=1_000_000, C10=500_000)

    def run() -> None:
        host.idle_states(0, POLL=9, C1=99, C6=4_000_000, C10=1_500_000)
        host.idle_states(1, POLL=9, C1=99, C6=2_000_000, C10=500_000)

    columns = read(host, usage(), run)
    assert [columns[f"c{state}_time_seconds"] for state in (2, 3, 6, 7)] == [None, None, 2.0, 0.5]


@pytest.mark.parametrize(
    ("trip", "celsius", "counts", "now", "since_boot"),
    [(95_000, 96, 0, True, False), (95_000, 60, 3, False, True), (None, 60, None, None, None)],
)
def test_thermal_state_when_the_run_begins(
    host: FakeHost, trip: int | None, celsius: int, counts: int | None, now: bool | None, since_boot: bool | None
) -> None:
    host.thermal_zone(0, "x86_pkg_temp", celsius * 1000, {"passive": trip} if trip else None)
    if counts is not None:
        host.throttle_count(0, core=counts)
    columns = read(host, usage(), lambda: host.thermal_zone(0, "x86_pkg_temp", 20_000))
    assert columns["baseline_temp_celsius"] == celsius
    assert (columns["thermal_now_active"], columns["thermal_since_boot"]) == (now, since_boot)


def test_governor_and_turbo(host: FakeHost) -> None:
    assert (read_governor(host.sys), read_turbo(host.sys)) == (None, None)
    host.cpufreq(0, 1, [0], "powersave")
    host.cpufreq(1, 1, [1], "powersave")
    assert read_governor(host.sys) == "powersave"
    host.cpufreq(1, 1, [1], "performance")
    assert read_governor(host.sys) == "performance,powersave"
    boost = host.write(host.sys / "devices/system/cpu/cpufreq/boost", 1)
    assert read_turbo(host.sys) is True
    host.write(boost, 0)
    assert read_turbo(host.sys) is False
    host.write(host.sys / "devices/system/cpu/intel_pstate/no_turbo", 0)
    assert read_turbo(host.sys) is True


def test_counters_and_load_are_merged(host: FakeHost) -> None:
    columns = read_end(
        read_start(host.sys, host.proc),
        rusage=usage(),
        load=TreeLoad(12.5, 99.0, 1.5, 3800.0),
        counters={"instructions": 5, "cycles": None},
        sys=host.sys,
        proc=host.proc,
    )
    assert (columns["rss_memory_mb"], columns["vms_memory_mb"], columns["run_queue_length"]) == (12.5, 99.0, 1.5)
    assert columns["ring_bus_freq_mhz"] == 3800.0
    assert (columns["instructions"], columns["cycles"]) == (5, None)


# The tree


@pytest.mark.parametrize("listed", [True, False])
def test_the_tree_is_the_process_and_its_descendants(host: FakeHost, listed: bool) -> None:
    family = {1: [100, 7], 100: [101, 102], 101: [103], 102: [], 103: [], 7: [8], 8: []}
    for pid, children in family.items():
        parent = next((p for p, its in family.items() if pid in its), 0)
        host.process(pid, parent, rss=1, children=children if listed else None)
    assert sorted(tree_pids(100, host.proc)) == [100, 101, 102, 103]
    assert sorted(pids(host.proc)) == sorted(family)


@settings(deadline=None)  # files
@given(st.lists(st.integers(0, 50), min_size=1, max_size=50))
def test_both_ways_of_finding_a_tree_agree(tmp_path_factory: pytest.TempPathFactory, parents: list[int]) -> None:
    """Process n+1's parent is any earlier one; the kernel's lists and the parents tell the same tree."""
    parent_of = {n + 2: 1 + parent % (n + 1) for n, parent in enumerate(parents)}
    trees = []
    for listed in (True, False):
        host = FakeHost(tmp_path_factory.mktemp("host"))
        for pid in (1, *parent_of):
            children = [child for child, parent in parent_of.items() if parent == pid]
            host.process(pid, parent_of.get(pid, 0), rss=1, children=children if listed else None)
        trees.append(sorted(tree_pids(1, host.proc)))
    assert trees[0] == trees[1] == sorted((1, *parent_of))


def test_peaks_are_of_the_sum_or_of_one_process_whichever_is_more(host: FakeHost) -> None:
    host.process(10, 1, rss=100 * MIB, vms=300 * MIB)
    host.process(11, 10, rss=50 * MIB, vms=60 * MIB)
    host.process(12, 1, rss=900 * MIB, vms=900 * MIB)  # not of the tree
    host.loadavg(4)
    watch = TreeWatch(10, host.proc, host.sys)
    watch.look()
    assert watch.load() == TreeLoad(150.0, 360.0, 3.0, None)
    # Between two looks the first one had peaked at 400 MiB: the kernel remembers.
    host.process(10, 1, rss=20 * MIB, vms=30 * MIB, peak_rss=400 * MIB)
    host.loadavg(2)
    watch.look()
    assert watch.load() == TreeLoad(400.0, 360.0, 2.0, None)


def test_a_zombie_or_a_vanished_process_adds_nothing(host: FakeHost) -> None:
    host.process(10, 1)
    watch = TreeWatch(10, host.proc, host.sys)
    watch.look()
    assert watch.load() == NOTHING
    TreeWatch(99_999, host.proc, host.sys).look()


def test_the_ring_bus_frequency_is_the_mean_over_packages_and_looks(host: FakeHost) -> None:
    uncore = host.sys / "devices/system/cpu/intel_uncore_frequency"
    host.write(uncore / "package_00_die_00/max_freq_khz", 4_600_000)
    first = host.write(uncore / "package_00_die_00/current_freq_khz", 800_000)
    host.write(uncore / "package_01_die_00/current_freq_khz", 1_200_000)
    watch = TreeWatch(10, host.proc, host.sys)
    watch.look()
    host.write(first, 2_800_000)
    watch.look()
    assert watch.load().ring_bus_mhz == 1_500.0


def test_it_looks_often_at_first_and_then_twice_a_second(host: FakeHost) -> None:
    watch = TreeWatch(10, host.proc, host.sys)
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 9

    watch._loop(wait)
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(("content", "runnable"), [("0.1 0.2 0.3 5/99 1", 5), ("", None), ("garbage", None)])
def test_runnable_tasks(host: FakeHost, content: str, runnable: int | None) -> None:
    host.write(host.proc / "loadavg", content)
    assert read_runnable(host.proc) == runnable


def test_a_real_program_and_its_child() -> None:
    """40 MiB in the parent and 60 MiB in its child, both alive until told to end."""
    child = "x = bytearray(60 << 20); print(flush=True); input()"
    parent = (
        "import subprocess, sys; x = bytearray(40 << 20);"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True); sum(range(10**6))"
    )
    start = read_start()
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    watch = TreeWatch(process.pid)
    watch.start()
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()  # both have their memory now
    watch.look()
    process.stdin.write("\n")
    process.stdin.close()
    process.stdout.close()
    _, status, rusage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    columns = read_end(start, rusage=rusage, load=watch.stop(), counters={})
    assert 100 < columns["rss_memory_mb"] < 250  # type: ignore[operator]
    assert columns["vms_memory_mb"] > columns["rss_memory_mb"]  # type: ignore[operator]
    assert columns["user_time_ms"] > 5  # type: ignore[operator]
    assert columns["minor_page_faults"] > 100 * MIB / 4 / 4  # type: ignore[operator]
    assert columns["background_cpu_percent"] is None or 0 <= columns["background_cpu_percent"] <= 100  # type: ignore[operator]
