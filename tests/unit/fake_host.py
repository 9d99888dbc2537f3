"""A builder of fake /sys and /proc trees, as the kernel lays them out, for tests of the sensors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

RANGE_UJ = 262_143_328_850
"""max_energy_range_uj of current Intel servers and laptops."""


class FakeHost:
    """Trees under `root`; a host has nothing but what a test gives it. Methods may be called again to change values.

    Files are rewritten in place, as the kernel's keep their inode: a sensor that keeps them open sees the new value.
    """

    def __init__(self, root: Path) -> None:
        self.sys = root / "sys"
        self.proc = root / "proc"
        self.sys.mkdir(parents=True)
        self.proc.mkdir()

    def write(self, path: Path, content: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
        return path

    # RAPL

    def zone(self, zone_id: str, name: str, energy_uj: object, range_uj: object = RANGE_UJ) -> Path:
        """A powercap zone, such as ('intel-rapl:0:1', 'dram', 5_000_000); flat, as /sys/class/powercap shows them."""
        zone = self.sys / "class/powercap" / zone_id
        self.write(zone / "name", name)
        self.write(zone / "max_energy_range_uj", range_uj)
        self.write(zone / "energy_uj", energy_uj)
        return zone

    def laptop(self) -> None:
        """The four counters of a current Intel laptop."""
        for n, (zone, name) in enumerate((("0", "package-0"), ("0:0", "core"), ("0:1", "uncore"), ("1", "psys"))):
            self.zone(f"intel-rapl:{zone}", name, 1_000_000 + n)

    def two_socket_server(self) -> None:
        """Two packages with core, uncore and dram, psys, and the MMIO driver's duplicates of package 0."""
        self.write(self.sys / "class/powercap/intel-rapl/enabled", 1)
        for socket in (0, 1):
            base = 1_000_000 * (socket + 1)
            self.zone(f"intel-rapl:{socket}", f"package-{socket}", base)
            self.zone(f"intel-rapl:{socket}:0", "core", base + 1)
            self.zone(f"intel-rapl:{socket}:1", "uncore", base + 2)
            self.zone(f"intel-rapl:{socket}:2", "dram", base + 3, 65_712_999_613)
        self.zone("intel-rapl:2", "psys", 9_000_000)
        self.zone("intel-rapl-mmio:0", "package-0", 77)
        self.zone("intel-rapl-mmio:0:0", "dram", 78)

    # /proc

    def stat(self, *cpus: Sequence[int], interrupts: int = 0) -> None:
        """/proc/stat; each CPU: (user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice) ticks."""
        total = [sum(column) for column in zip(*cpus, strict=True)]
        lines = [f"cpu  {' '.join(map(str, total))}"]
        lines += [f"cpu{n} {' '.join(map(str, ticks))}" for n, ticks in enumerate(cpus)]
        lines += [f"intr {interrupts} 0 9 {'0 ' * 300}", "ctxt 5", "btime 1700000000", "processes 9"]
        lines += ["procs_running 1", "procs_blocked 0", "softirq 7 1 2"]
        self.write(self.proc / "stat", "\n".join(lines))

    def meminfo(self, **kib: int) -> None:
        self.write(self.proc / "meminfo", "\n".join(f"{name}:   {value} kB" for name, value in kib.items()))

    def loadavg(self, running: int) -> None:
        self.write(self.proc / "loadavg", f"0.50 0.40 0.30 {running}/321 4242")

    def cpuinfo(self, *cpus: Mapping[str, object]) -> None:
        blocks = ["\n".join(f"{key}\t: {value}" for key, value in cpu.items()) for cpu in cpus]
        self.write(self.proc / "cpuinfo", "\n\n".join(blocks) + "\n")

    def process(
        self,
        pid: int,
        parent: int,
        *,
        rss: int = 0,
        vms: int = 0,
        peak_rss: int = 0,
        children: Sequence[int] | None = None,
    ) -> None:
        """A process with its memory in KiB; with `children`, the kernel lists them, else only parents are known."""
        folder = self.proc / str(pid)
        self.write(folder / "stat", f"{pid} (a (b) c) S {parent} 1 1 0 -1")
        memory = f"VmPeak:\t{vms} kB\nVmSize:\t{vms} kB\nVmHWM:\t{peak_rss or rss} kB\nVmRSS:\t{rss} kB"
        self.write(folder / "status", f"Name:\ta\n{memory if rss else 'Threads: 1'}")
        if children is not None:
            self.write(folder / f"task/{pid}/children", " ".join(map(str, children)))

    # CPU

    def cpufreq(self, policy: int, khz: int, cpus: Sequence[int], governor: str = "powersave") -> Path:
        folder = self.sys / f"devices/system/cpu/cpufreq/policy{policy}"
        self.write(folder / "affected_cpus", " ".join(map(str, cpus)))
        self.write(folder / "scaling_governor", governor)
        return self.write(folder / "scaling_cur_freq", khz)

    def idle_states(self, cpu: int, **state_us: int) -> None:
        """cpuidle states of a CPU in their order: POLL=…, C1=…, C1E=…; µs since boot."""
        for n, (name, time_us) in enumerate(state_us.items()):
            folder = self.sys / f"devices/system/cpu/cpu{cpu}/cpuidle/state{n}"
            self.write(folder / "name", name)
            self.write(folder / "time", time_us)

    def topology(self, cpu: int, package: int, core: int) -> None:
        folder = self.sys / f"devices/system/cpu/cpu{cpu}/topology"
        self.write(folder / "physical_package_id", package)
        self.write(folder / "core_id", core)

    def throttle_count(self, cpu: int, core: int, package: int = 0) -> None:
        folder = self.sys / f"devices/system/cpu/cpu{cpu}/thermal_throttle"
        self.write(folder / "core_throttle_count", core)
        self.write(folder / "package_throttle_count", package)

    # Temperatures

    def thermal_zone(self, zone: int, kind: str, millidegrees: object, trips: Mapping[str, int] | None = None) -> Path:
        """A thermal zone; `trips` maps a trip point's type to its millidegrees."""
        folder = self.sys / f"class/thermal/thermal_zone{zone}"
        self.write(folder / "type", kind)
        for n, (trip, temperature) in enumerate((trips or {}).items()):
            self.write(folder / f"trip_point_{n}_type", trip)
            self.write(folder / f"trip_point_{n}_temp", temperature)
        return self.write(folder / "temp", millidegrees)

    def hwmon(self, chip: int, name: str, temperatures: Mapping[str, int]) -> None:
        """A hwmon chip with its temperatures by label; an empty label is none."""
        folder = self.sys / f"class/hwmon/hwmon{chip}"
        self.write(folder / "name", name)
        for n, (label, millidegrees) in enumerate(temperatures.items(), start=1):
            self.write(folder / f"temp{n}_input", millidegrees)
            if label:
                self.write(folder / f"temp{n}_label", label)

    def dmi(self, **facts: object) -> None:
        for name, fact in facts.items():
            self.write(self.sys / "class/dmi/id" / name, fact)


def unreadable(path: Path) -> None:
    """Make reading a file fail, for root as well: a directory stands in its place."""
    path.unlink()
    path.mkdir()
