"""What the measured host is: its hardware and software, as records of hardware_config and environment_config."""

import hashlib
import json
import platform
import re
import shutil
import socket
import subprocess
import sys as python_sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from collectors.contract import ENVIRONMENT_COLUMNS
from collectors.ids import stable_id
from collectors.sensors.files import numbered, read_int, read_text
from collectors.sensors.gpu import GpuFacts, GpuSensor
from collectors.sensors.process_tree import read_meminfo
from collectors.sensors.rapl import POWERCAP, find_zones

PYTHON: Final = re.compile(r"(python|pypy)\d*(\.\d+)?")
HASH_HEX_DIGITS: Final = 16
GIT_HASH_DIGITS: Final = 16
ASK_TIMEOUT_S: Final = 10.0
LIBRARIES: Final = ("numpy", "torch", "transformers")

VIRTUALIZATION: Final = {
    "qemu": "kvm",
    "kvm": "kvm",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "xen": "xen",
    "virtual machine": "hyper-v",
    "amazon ec2": "amazon",
    "google compute engine": "google",
}
"""Text in the DMI vendor or product name → virtualization_type."""

CHASSIS: Final = {
    **dict.fromkeys((8, 9, 10, 14, 30, 31, 32), "laptop"),
    **dict.fromkeys((3, 4, 5, 6, 7, 13, 15, 16, 35, 36), "desktop"),
    **dict.fromkeys((17, 23, 25, 28, 29), "server"),
}
"""SMBIOS chassis type → system_type."""

ASK_INTERPRETER: Final = """
import importlib.metadata, json, platform, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
facts = {"python": platform.python_version(), "implementation": platform.python_implementation()}
print(json.dumps({**facts, **{name: version(name) for name in sys.argv[1:]}}))
"""

Record = dict[str, Any]


def hardware_config(
    sys: Path = Path("/sys"), proc: Path = Path("/proc"), *, hostname: str | None = None, gpu: GpuSensor | None = None
) -> Record:
    """The host's hardware_config record but for source_system, host and recorded_at, which the session adds."""
    cpuinfo = read_text(proc / "cpuinfo") or ""
    gpus = _gpu_facts(gpu or GpuSensor())
    now = datetime.now(UTC)
    record = {
        "hostname": hostname or socket.gethostname(),
        **_cpu_columns(cpuinfo, sys),
        "gpu_model": gpus.model if gpus else None,
        "gpu_driver": gpus.driver if gpus else None,
        "gpu_count": gpus.count if gpus else None,
        "gpu_power_available": gpus.power_available if gpus else None,
        "ram_gb": _ram_gb(proc),
        "kernel_version": platform.release(),
        **_rapl_columns(sys),
        **_system_columns(sys, cpuinfo),
        "detected_at": now,
        "created_at": now,
    }
    record["hardware_hash"] = hardware_hash(record)
    record["hw_id"] = stable_id(record["hardware_hash"], record["hostname"])
    return record


def environment_config(directory: Path, command: Sequence[str] = ()) -> Record:
    """The environment_config record of a measured command, but for source_system, host and recorded_at.

    `directory` is the command's working directory: its git facts are taken, NULL where git or a repository is missing.
    Python and library versions are those of the interpreter that runs the command, NULL for other programs; without a
    command, those of the collector's own interpreter.
    """
    python = interpreter_of(command) if command else Path(python_sys.executable)
    versions = interpreter_versions(python) if python else {}
    container_runtime, container_image = _container()
    record = {
        "python_version": versions.get("python"),
        "python_implementation": versions.get("implementation"),
        "os_name": platform.system(),
        "os_version": _os_version(),
        "kernel_version": platform.release(),
        "llm_framework": None,  # what is installed is not what the program uses
        "framework_version": None,
        **git_facts(directory),
        **{f"{library}_version": versions.get(library) for library in LIBRARIES},
        "container_runtime": container_runtime,
        "container_image": container_image,
        "created_at": datetime.now(UTC),
    }
    record["env_hash"] = env_hash(record)
    record["env_id"] = stable_id(*(record[name] for name in ENVIRONMENT_COLUMNS))
    return record


def hardware_hash(record: Record) -> str:
    """The hardware class: A-LEMS's recipe, so that a host has one hash however it was measured."""
    return _hash({name: record[name] for name in ("cpu_model", "cpu_cores", "ram_gb", "gpu_model")})


def env_hash(record: Record) -> str:
    """A-LEMS's hash of a software environment; it covers four facts and is not unique."""
    facts = {name: record[name] for name in ("python_version", "git_commit", "numpy_version", "os_name")}
    if facts["git_commit"] is not None:
        facts["git_commit"] = facts["git_commit"][:GIT_HASH_DIGITS]
    return _hash(facts)


def git_facts(directory: Path) -> Record:
    """git_commit, git_branch and git_dirty of a working tree; all None outside of one, or without git."""
    commit = _ask(["git", "-C", str(directory), "rev-parse", "--verify", "HEAD"])
    if commit is None:
        return {"git_commit": None, "git_branch": None, "git_dirty": None}
    status = _ask(["git", "-C", str(directory), "status", "--porcelain", "--untracked-files=no"])
    return {
        "git_commit": commit,
        "git_branch": _ask(["git", "-C", str(directory), "branch", "--show-current"]) or None,
        "git_dirty": None if status is None else status != "",
    }


def interpreter_of(command: Sequence[str]) -> Path | None:
    """The Python that runs a command: itself, or the one its script names in its first line; None for others."""
    program = shutil.which(command[0]) if command else None
    if program is None:
        return None
    if PYTHON.fullmatch(Path(program).name):
        return Path(program)
    words = _shebang(Path(program))
    if words and Path(words[0]).name == "env":
        words = words[1:]
    named = shutil.which(words[0]) if words else None
    return Path(named) if named and PYTHON.fullmatch(Path(named).name) else None


def interpreter_versions(python: Path) -> dict[str, str | None]:
    """Versions of an interpreter ('python', 'implementation') and of libraries installed for it; {} when it fails."""
    answer = _ask([str(python), "-I", "-c", ASK_INTERPRETER, *LIBRARIES])
    try:
        versions = json.loads(answer or "{}")
    except json.JSONDecodeError:
        return {}
    return versions if isinstance(versions, dict) else {}


def _hash(facts: Record) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:HASH_HEX_DIGITS]


def _ask(command: list[str]) -> str | None:
    """What a program prints; None when it is missing, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _shebang(program: Path) -> list[str]:
    """The words of a script's first line after '#!'; none for other programs."""
    try:
        with program.open("rb") as file:
            first_line = file.readline(512)
    except OSError:
        return []
    return first_line[2:].decode(errors="replace").split() if first_line.startswith(b"#!") else []


def _cpu_columns(cpuinfo: str, sys: Path) -> Record:
    first = _first_cpu(cpuinfo)
    flags = set(first.get("flags", "").split())
    return {
        "cpu_model": first.get("model name") or _device_tree_model(sys),
        "cpu_cores": _physical_cores(sys),
        "cpu_threads": sum(line.startswith("processor") for line in cpuinfo.splitlines()) or None,
        "cpu_architecture": platform.machine(),
        "cpu_vendor": first.get("vendor_id"),
        "cpu_family": _number(first.get("cpu family")),
        "cpu_model_id": _number(first.get("model")),
        "cpu_stepping": _number(first.get("stepping")),
        "has_avx2": "avx2" in flags if flags else None,
        "has_avx512": "avx512f" in flags if flags else None,
        "has_vmx": bool(flags & {"vmx", "svm"}) if flags else None,
        "microcode_version": first.get("microcode"),
    }


def _first_cpu(cpuinfo: str) -> dict[str, str]:
    fields = {}
    for line in cpuinfo.split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    return fields


def _physical_cores(sys: Path) -> int | None:
    """Distinct (package, die, core) of the online CPUs."""
    topologies = [cpu / "topology" for cpu in numbered(sys / "devices/system/cpu", "cpu")]
    cores = {
        (read_int(topology / "physical_package_id"), read_int(topology / "die_id"), core)
        for topology in topologies
        if (core := read_int(topology / "core_id")) is not None
    }
    return len(cores) or None


def _device_tree_model(sys: Path) -> str | None:
    """The board's name, which is all that most ARM machines say of their processor."""
    model = read_text(sys / "firmware/devicetree/base/model")
    return model.rstrip("\0") if model else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _ram_gb(proc: Path) -> float | None:
    total_mib = read_meminfo(proc).get("MemTotal")
    return None if total_mib is None else round(total_mib / 1024, 1)


def _rapl_columns(sys: Path) -> Record:
    """Which domains can be read. Nothing readable is NULL, not an empty list: it may be a matter of permissions."""
    zones, _ = find_zones(sys / POWERCAP)
    if not zones:
        return {"rapl_domains": None, "rapl_has_dram": None, "rapl_has_uncore": None}
    packages = sorted({zone.package for zone in zones if zone.domain == "pkg"})
    domains = [domain for domain in ("core", "uncore", "dram", "psys") if any(z.domain == domain for z in zones)]
    return {
        "rapl_domains": json.dumps([*(f"package-{package}" for package in packages), *domains]),
        "rapl_has_dram": "dram" in domains,
        "rapl_has_uncore": "uncore" in domains,
    }


def _system_columns(sys: Path, cpuinfo: str) -> Record:
    dmi = sys / "class/dmi/id"
    manufacturer, product = read_text(dmi / "sys_vendor"), read_text(dmi / "product_name")
    virtualization = _virtualization(f"{manufacturer} {product}".lower(), _first_cpu(cpuinfo).get("flags", "").split())
    chassis = CHASSIS.get(read_int(dmi / "chassis_type") or 0)
    return {
        "system_manufacturer": manufacturer,
        "system_product": product,
        "system_type": chassis if virtualization == "none" else "vm",
        "virtualization_type": virtualization,
    }


def _virtualization(system: str, cpu_flags: list[str]) -> str:
    """By the CPU's flags where it has such (x86), which say whether, and the machine's name, which says what."""
    if "metal" in system or (cpu_flags and "hypervisor" not in cpu_flags):
        return "none"
    named = next((kind for text, kind in VIRTUALIZATION.items() if text in system), None)
    return named or ("vm" if cpu_flags else "none")


def _gpu_facts(sensor: GpuSensor) -> GpuFacts | None:
    try:
        sensor.open()
        return sensor.describe()
    except OSError:
        return None
    finally:
        sensor.close()


def _os_version() -> str | None:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    return f"{release.get('NAME', '')} {release.get('VERSION_ID', '')}".strip() or None


def _container() -> tuple[str | None, str | None]:
    """(runtime, image); the image only where podman writes it down."""
    podman = read_text("/run/.containerenv")
    if podman is not None or Path("/run/.containerenv").exists():
        lines = dict(line.split("=", 1) for line in (podman or "").splitlines() if "=" in line)
        return "podman", lines.get("image", "").strip('"') or None
    return ("docker", None) if Path("/.dockerenv").exists() else (None, None)
