"""RAPL on fake powercap trees: what is read, what is dropped, and what the warnings say."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sensors import Row
from collectors.sensors.rapl import RaplSensor, find_zones
from tests.unit.fake_host import RANGE_UJ, FakeHost, unreadable


def by_column(sensor: RaplSensor, row: Row) -> dict[str, Any]:
    return dict(zip(sensor.columns, row, strict=True))


def read_once(host: FakeHost) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Rows by package, without what is NULL, and the warnings."""
    sensor = RaplSensor(host.sys)
    sensor.open()
    rows = [by_column(sensor, row) for row in sensor.read()]
    sensor.close()
    known = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return {row.pop("package_index"): row for row in known}, sensor.warnings


def count_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_every_zone_of_a_two_socket_server_once(host: FakeHost) -> None:
    host.two_socket_server()
    assert RaplSensor(host.sys).available() is None
    rows, warnings = read_once(host)
    assert warnings == []
    assert rows == {
        0: {
            "pkg_energy_uj": 1_000_000,
            "core_energy_uj": 1_000_001,
            "uncore_energy_uj": 1_000_002,
            "dram_energy_uj": 1_000_003,
            "psys_energy_uj": 9_000_000,
            "pkg_range_uj": RANGE_UJ,
            "core_range_uj": RANGE_UJ,
            "uncore_range_uj": RANGE_UJ,
            "dram_range_uj": 65_712_999_613,
            "psys_range_uj": RANGE_UJ,
        },
        1: {
            "pkg_energy_uj": 2_000_000,
            "core_energy_uj": 2_000_001,
            "uncore_energy_uj": 2_000_002,
            "dram_energy_uj": 2_000_003,
            "pkg_range_uj": RANGE_UJ,
            "core_range_uj": RANGE_UJ,
            "uncore_range_uj": RANGE_UJ,
            "dram_range_uj": 65_712_999_613,
        },
    }


def test_columns_are_of_the_contract() -> None:
    assert set(RaplSensor.columns) < set(RaplSensor.dataset.column_names)


def test_zones_nested_as_in_sys_devices_are_found_too(host: FakeHost) -> None:
    host.zone("intel-rapl:0", "package-0", 5)
    host.zone("intel-rapl:0/intel-rapl:0:0", "core", 6)
    rows, warnings = read_once(host)
    assert (rows[0]["pkg_energy_uj"], rows[0]["core_energy_uj"], warnings) == (5, 6, [])


def test_flat_and_nested_links_of_one_zone_are_one_zone(host: FakeHost) -> None:
    package = host.zone("intel-rapl:0", "package-0", 5)
    core = host.zone("intel-rapl:0/intel-rapl:0:0", "core", 6)
    (package.parent / "intel-rapl:0:0").symlink_to(core)
    zones, warnings = find_zones(package.parent)
    assert [(zone.package, zone.domain) for zone in zones] == [(0, "pkg"), (0, "core")]
    assert warnings == []


def test_the_mmio_counter_is_read_where_the_msr_one_is_broken(host: FakeHost) -> None:
    host.zone("intel-rapl:0", "package-0", "oops")
    host.zone("intel-rapl-mmio:0", "package-0", 77)
    rows, warnings = read_once(host)
    assert rows[0]["pkg_energy_uj"] == 77
    assert len(warnings) == 1
    assert "intel-rapl:0/energy_uj: b'oops\\n' is not a whole number" in warnings[0]


def test_dies_are_packages_of_their_own(host: FakeHost) -> None:
    for n, name in enumerate(("package-1-die-0", "package-0-die-1", "package-1-die-1", "package-0-die-0")):
        host.zone(f"intel-rapl:{n}", name, 100 + n)
    rows, _ = read_once(host)
    assert {index: row["pkg_energy_uj"] for index, row in rows.items()} == {0: 103, 1: 101, 2: 100, 3: 102}


def test_the_socket_number_comes_from_the_name_not_from_the_order(host: FakeHost) -> None:
    host.zone("intel-rapl:0", "package-1", 11)
    host.zone("intel-rapl:1", "package-0", 10)
    host.zone("intel-rapl:0:0", "dram", 12)
    rows, _ = read_once(host)
    assert rows[0]["pkg_energy_uj"] == 10
    assert (rows[1]["pkg_energy_uj"], rows[1]["dram_energy_uj"]) == (11, 12)


def test_more_than_nine_packages_keep_their_order(host: FakeHost) -> None:
    for n in range(12):
        host.zone(f"intel-rapl:{n}", f"package-{n}", n)
    rows, _ = read_once(host)
    assert [row["pkg_energy_uj"] for row in rows.values()] == list(range(12))


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("energy_uj", "", "energy_uj: b'\\n' is not a whole number"),
        ("energy_uj", "12.5", "energy_uj: b'12.5\\n' is not a whole number"),
        ("energy_uj", "-4", "energy_uj holds -4, and energy is never negative"),
        ("energy_uj", None, "No such file or directory"),
        ("max_energy_range_uj", "0", "max_energy_range_uj holds no positive number"),
        ("max_energy_range_uj", "many", "max_energy_range_uj holds no positive number"),
        ("max_energy_range_uj", None, "max_energy_range_uj holds no positive number"),
        ("name", "gpu", "name says 'gpu', none of core, uncore, dram"),
        ("name", None, "name says None, none of core, uncore, dram"),
    ],
)
def test_a_malformed_zone_is_skipped_with_one_warning(
    host: FakeHost, file: str, content: str | None, reason: str
) -> None:
    host.two_socket_server()
    path = host.sys / "class/powercap/intel-rapl:1:0" / file
    path.unlink()
    if content is not None:
        host.write(path, content)
    rows, warnings = read_once(host)
    assert "core_energy_uj" not in rows[1]
    assert rows[1]["dram_energy_uj"] == 2_000_003
    assert rows[0]["core_energy_uj"] == 1_000_001
    assert len(warnings) == 1
    assert reason in warnings[0] and "intel-rapl:1:0" in warnings[0]


def test_a_package_with_a_strange_name_is_skipped_with_its_subzones_and_one_warning(host: FakeHost) -> None:
    host.two_socket_server()
    host.write(host.sys / "class/powercap/intel-rapl:1/name", "socket one")
    rows, warnings = read_once(host)
    assert list(rows) == [0]
    assert len(warnings) == 1 and "says 'socket one', neither package-<n> nor psys" in warnings[0]


def test_files_without_permission_give_one_warning_with_the_command_that_fixes_it(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read anything, so the refusal is injected where the file is opened."""
    host.two_socket_server()
    powercap = host.sys / "class/powercap"
    forbidden = [powercap / f"{zone}/energy_uj" for zone in ("intel-rapl:1", "intel-rapl:1:2")]
    really_open = os.open

    def refuse(path: Any, flags: int, *args: Any) -> int:
        if Path(path) in forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, flags, *args)

    monkeypatch.setattr(os, "open", refuse)
    rows, warnings = read_once(host)
    assert rows[1].keys() == {"core_energy_uj", "core_range_uj", "uncore_energy_uj", "uncore_range_uj"}
    assert warnings == [
        f"RAPL: no permission to read 2 counter(s): sudo chmod a+r {powercap}/intel-rapl:1/energy_uj "
        f"{powercap}/intel-rapl:1:2/energy_uj"
    ]


def test_nothing_readable_is_unavailable_and_says_how_to_enable_it(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = host.zone("intel-rapl:0", "package-0", 1)

    def refuse(path: Any, flags: int, *args: Any) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr("collectors.sensors.rapl.read_text", lambda path: "package-0")
    reason = RaplSensor(host.sys).available()
    assert reason == f"RAPL: no permission to read 1 counter(s): sudo chmod a+r {zone}/energy_uj"
    with pytest.raises(OSError, match=r"sudo chmod a\+r"):
        RaplSensor(host.sys).open()


def test_a_host_without_powercap_is_unavailable(host: FakeHost) -> None:
    reason = RaplSensor(host.sys).available()
    assert reason is not None and "virtual machine" in reason and "sudo modprobe intel_rapl_msr" in reason
    with pytest.raises(OSError, match="no RAPL zone"):
        RaplSensor(host.sys).open()


def test_psys_alone_is_not_enough(host: FakeHost) -> None:
    host.zone("intel-rapl:0", "psys", 1)
    assert RaplSensor(host.sys).available() is not None


def test_counters_stay_open_and_are_read_anew_across_a_wrap(host: FakeHost) -> None:
    host.zone("intel-rapl:0", "package-0", RANGE_UJ - 5)
    sensor = RaplSensor(host.sys)
    sensor.open()
    descriptors = count_open()
    read = [by_column(sensor, sensor.read()[0])["pkg_energy_uj"]]
    for energy in (RANGE_UJ, 3):
        host.zone("intel-rapl:0", "package-0", energy)
        read.append(by_column(sensor, sensor.read()[0])["pkg_energy_uj"])
    assert read == [RANGE_UJ - 5, RANGE_UJ, 3]  # raw: the lake unwraps
    assert count_open() == descriptors
    sensor.close()
    sensor.close()
    assert count_open() == descriptors - 1


@pytest.mark.parametrize("broken", ["", "garbage"])
def test_a_failing_read_is_an_error_that_names_the_file_and_never_a_zero(host: FakeHost, broken: str) -> None:
    host.two_socket_server()
    sensor = RaplSensor(host.sys)
    sensor.open()
    path = host.sys / "class/powercap/intel-rapl:0:2/energy_uj"
    path.write_text(broken)
    with pytest.raises(ValueError, match=r"intel-rapl:0:2/energy_uj: b'.*' is not a whole number"):
        sensor.read()
    path.write_text("8\n")
    assert by_column(sensor, sensor.read()[0])["dram_energy_uj"] == 8
    sensor.close()


def test_a_kernel_error_while_reading_names_the_file(host: FakeHost) -> None:
    zone = host.zone("intel-rapl:0", "package-0", 1)
    sensor = RaplSensor(host.sys)
    sensor.open()
    directory = os.open(zone, os.O_RDONLY)
    os.dup2(directory, sensor._files[0].descriptor)
    os.close(directory)
    with pytest.raises(IsADirectoryError, match="intel-rapl:0/energy_uj"):
        sensor.read()
    sensor.close()


def test_a_directory_in_place_of_the_counter_is_skipped(host: FakeHost) -> None:
    host.two_socket_server()
    unreadable(host.sys / "class/powercap/intel-rapl:2/energy_uj")
    rows, warnings = read_once(host)
    assert "psys_energy_uj" not in rows[0]
    assert len(warnings) == 1 and "Is a directory" in warnings[0]


@settings(deadline=None)  # files
@given(energy=st.integers(0, 2**63 - 1))
def test_any_counter_value_passes_unchanged(tmp_path_factory: pytest.TempPathFactory, energy: int) -> None:
    host = FakeHost(tmp_path_factory.mktemp("host"))
    host.zone("intel-rapl:0", "package-0", energy)
    rows, _ = read_once(host)
    assert rows[0]["pkg_energy_uj"] == energy


@settings(deadline=None)  # files
@given(
    names=st.lists(st.sampled_from(["package-0", "package-1", "psys", "core", "", "packagé", "package-x"]), max_size=6)
)
def test_whatever_the_tree_holds_no_counter_is_counted_twice(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    host = FakeHost(tmp_path_factory.mktemp("host"))
    for n, name in enumerate(names):
        host.zone(f"intel-rapl:{n}", name, n)
    zones, warnings = find_zones(host.sys / "class/powercap")
    keys = [(zone.package, zone.domain) for zone in zones]
    known = {"package-0", "package-1", "psys"}
    assert len(keys) == len(set(keys)) == len(set(names) & known)
    assert len(warnings) == sum(name not in known for name in names)
