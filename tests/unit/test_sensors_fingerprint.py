"""Fingerprints: hashes by A-LEMS's recipes, ids by the contract, NULL where the host does not tell."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collectors import contract
from collectors.ids import stable_id
from collectors.sensors import fingerprint
from collectors.sensors.fingerprint import (
    environment_config,
    git_facts,
    hardware_config,
    interpreter_of,
    interpreter_versions,
)
from collectors.sensors.gpu import GpuSensor
from tests.unit.fake_host import FakeHost
from tests.unit.test_sensors_gpu import FakeNvml

LAPTOP = "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"
SESSION_COLUMNS = {"source_system", "host", "recorded_at"}


def no_gpu() -> GpuSensor:
    return GpuSensor(FakeNvml(init_fails=True))


def laptop(host: FakeHost) -> None:
    for cpu in range(8):
        host.topology(cpu, package=0, core=cpu % 4)
    cpu_facts = {
        "vendor_id": "GenuineIntel",
        "cpu family": 6,
        "model": 140,
        "model name": LAPTOP,
        "stepping": 1,
        "microcode": "0xbc",
        "flags": "fpu vmx avx2 avx512f",
    }
    host.cpuinfo(*({"processor": cpu, **cpu_facts} for cpu in range(8)))
    host.meminfo(MemTotal=16_045_000)
    host.dmi(sys_vendor="LENOVO", product_name="20XW", chassis_type=10)
    host.zone("intel-rapl:0", "package-0", 1)
    host.zone("intel-rapl:0:0", "core", 1)
    host.zone("intel-rapl:0:1", "uncore", 1)


def test_a_laptop(host: FakeHost) -> None:
    laptop(host)
    record = hardware_config(host.sys, host.proc, hostname="lab-laptop-a", gpu=no_gpu())
    assert set(record) == set(contract.HARDWARE_CONFIG.column_names) - SESSION_COLUMNS
    expected = {
        "hostname": "lab-laptop-a",
        "cpu_model": LAPTOP,
        "cpu_cores": 4,
        "cpu_threads": 8,
        "cpu_vendor": "GenuineIntel",
        "cpu_family": 6,
        "cpu_model_id": 140,
        "cpu_stepping": 1,
        "microcode_version": "0xbc",
        "has_avx2": True,
        "has_avx512": True,
        "has_vmx": True,
        "gpu_model": None,
        "gpu_count": None,
        "ram_gb": 15.3,
        "rapl_domains": '["package-0", "core", "uncore"]',
        "rapl_has_dram": False,
        "rapl_has_uncore": True,
        "system_manufacturer": "LENOVO",
        "system_product": "20XW",
        "system_type": "laptop",
        "virtualization_type": "none",
    }
    assert {name: record[name] for name in expected} == expected
    text = f'{{"cpu_cores": 4, "cpu_model": "{LAPTOP}", "gpu_model": null, "ram_gb": 15.3}}'
    assert record["hardware_hash"] == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert record["hw_id"] == stable_id(record["hardware_hash"], "lab-laptop-a")


def test_two_hosts_of_one_model_share_the_class_and_not_the_id(host: FakeHost) -> None:
    laptop(host)
    a, b = (hardware_config(host.sys, host.proc, hostname=name, gpu=no_gpu()) for name in "ab")
    assert a["hardware_hash"] == b["hardware_hash"]
    assert a["hw_id"] != b["hw_id"]


def test_a_gpu_is_part_of_the_class(host: FakeHost) -> None:
    laptop(host)
    nvml = FakeNvml()
    record = hardware_config(host.sys, host.proc, hostname="a", gpu=GpuSensor(nvml))
    assert (record["gpu_model"], record["gpu_driver"]) == ("NVIDIA H100 80GB HBM3", "570.86.15")
    assert (record["gpu_count"], record["gpu_power_available"]) == (2, True)
    assert record["hardware_hash"] != hardware_config(host.sys, host.proc, gpu=no_gpu())["hardware_hash"]
    assert nvml.initialised == 0


def test_a_host_that_tells_nothing_has_nulls_and_still_an_id(host: FakeHost) -> None:
    record = hardware_config(host.sys, host.proc, hostname="bare", gpu=no_gpu())
    known = {name for name, value in record.items() if value is not None}
    assert known == {
        "hostname",
        "cpu_architecture",
        "kernel_version",
        "virtualization_type",
        "detected_at",
        "created_at",
        "hardware_hash",
        "hw_id",
    }


@pytest.mark.parametrize(
    ("vendor", "product", "flags", "kind", "system"),
    [
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "fpu hypervisor", "kvm", "vm"),
        ("VMware, Inc.", "VMware20,1", "fpu hypervisor", "vmware", "vm"),
        ("innotek GmbH", "VirtualBox", "fpu hypervisor", "virtualbox", "vm"),
        ("Amazon EC2", "c7i.large", "fpu hypervisor", "amazon", "vm"),
        ("Amazon EC2", "c7i.metal-24xl", "fpu vmx", "none", "server"),
        ("Amazon EC2", "c7g.metal", "", "none", "server"),
        ("Amazon EC2", "c7g.large", "", "amazon", "vm"),
        ("Nobody", "Nothing", "fpu hypervisor", "vm", "vm"),
        ("Dell Inc.", "PowerEdge R760", "fpu vmx", "none", "server"),
    ],
)
def test_virtualization(host: FakeHost, vendor: str, product: str, flags: str, kind: str, system: str) -> None:
    host.cpuinfo({"processor": 0, **({"flags": flags} if flags else {})})
    host.dmi(sys_vendor=vendor, product_name=product, chassis_type=23)
    record = hardware_config(host.sys, host.proc, gpu=no_gpu())
    assert (record["virtualization_type"], record["system_type"]) == (kind, system)


# The software environment


def test_an_environment_record_and_its_keys(tmp_path: Path) -> None:
    record = environment_config(tmp_path, [sys.executable, "work.py"])
    assert set(record) == set(contract.ENVIRONMENT_CONFIG.column_names) - SESSION_COLUMNS
    assert record["python_version"] == ".".join(map(str, sys.version_info[:3]))
    assert record["python_implementation"] == "CPython"
    assert record["git_commit"] is None
    facts = {name: record[name] for name in ("python_version", "git_commit", "numpy_version", "os_name")}
    assert record["env_hash"] == hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    assert record["env_id"] == stable_id(*(record[name] for name in contract.ENVIRONMENT_COLUMNS))
    assert environment_config(tmp_path, [sys.executable, "work.py"])["env_id"] == record["env_id"]


def test_the_hash_covers_the_first_sixteen_characters_of_the_commit() -> None:
    record = {"python_version": "3.12.3", "git_commit": "a" * 40, "numpy_version": None, "os_name": "Linux"}
    text = '{"git_commit": "aaaaaaaaaaaaaaaa", "numpy_version": null, "os_name": "Linux", "python_version": "3.12.3"}'
    assert fingerprint.env_hash(record) == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert record["git_commit"] == "a" * 40


def test_a_program_that_is_no_python_has_no_python_version(tmp_path: Path) -> None:
    record = environment_config(tmp_path, ["cat", "x"])
    assert record["python_version"] is None and record["numpy_version"] is None
    assert environment_config(tmp_path, ["no-such-program-anywhere"])["python_version"] is None


@pytest.mark.parametrize(
    ("first_line", "found"),
    [
        (f"#!{sys.executable}", True),
        ("#!/usr/bin/env python3", True),
        ("#!/bin/sh", False),
        ("#!/no/such/python3", False),
        ("#!", False),
        ("print()", False),
        ("\x7fELF", False),
    ],
)
def test_the_interpreter_of_a_script_is_in_its_first_line(tmp_path: Path, first_line: str, found: bool) -> None:
    script = tmp_path / "agent"
    script.write_text(f"{first_line}\nprint()\n")
    script.chmod(0o755)
    assert (interpreter_of([str(script)]) is not None) is found


def test_only_interpreters_are_asked_for_versions(tmp_path: Path) -> None:
    """A program whose name merely begins with 'python' would be run with our arguments."""
    script = tmp_path / "python-server"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert interpreter_of([str(script)]) is None
    assert interpreter_of([]) is None


def test_library_versions_are_of_the_asked_interpreter(tmp_path: Path) -> None:
    import numpy

    assert interpreter_versions(Path(sys.executable))["numpy"] == numpy.__version__
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho nonsense\n")
    broken.chmod(0o755)
    assert interpreter_versions(broken) == {}
    assert interpreter_versions(tmp_path / "missing") == {}


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, "-C", str(directory), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_facts(tmp_path: Path) -> None:
    nothing = {"git_commit": None, "git_branch": None, "git_dirty": None}
    assert git_facts(tmp_path) == nothing
    git(tmp_path, "init", "-q", "-b", "trunk")
    assert git_facts(tmp_path) == nothing  # no commit yet
    file = tmp_path / "a.py"
    file.write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "Begin")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "results.log").write_text("untracked files are no change of the program")
    assert git_facts(tmp_path) == {"git_commit": commit, "git_branch": "trunk", "git_dirty": False}
    file.write_text("2")
    assert git_facts(tmp_path)["git_dirty"] is True
    git(tmp_path, "checkout", "-q", "--detach")
    assert git_facts(tmp_path)["git_branch"] is None


def test_without_git_there_are_no_git_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_facts(tmp_path) == {"git_commit": None, "git_branch": None, "git_dirty": None}
