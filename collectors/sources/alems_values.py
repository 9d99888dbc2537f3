"""What the values in an A-LEMS store mean: stored times, zeros that stand for a missing source, stored results."""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import pyarrow as pa

from collectors.dataset import TS, B, I, R, T

Row: TypeAlias = Mapping[str, Any]

RAPL_RANGE_UJ: Final = 262_143_328_850
"""Where a counter wraps: A-LEMS stores no range, and this is the kernel's max_energy_range_uj for client CPUs."""

# A-LEMS writes 0 where it had no source. In a run these cannot be 0; every zero not named here or below is kept
# (tool_calls of a linear run, major faults, retransmits, a C-state that was not entered, is_cold_start, …).
ZERO_IS_MISSING: Final = {
    "instructions": "a run executes some",
    "cycles": "a run takes some",
    "cache_references": "a run makes some",
    "frequency_mhz": "a CPU that runs has a frequency",
    "ring_bus_freq_mhz": "so has its ring bus",
    "baseline_temp_celsius": "no CPU idles at the freezing point",
    "wakeup_latency_us": "no wake-up takes no time",
    "swap_total_mb": "the memory reader's default; the other swap columns go with it",
    "rss_memory_mb": "a process occupies memory",
    "vms_memory_mb": "a process occupies address space",
    "dns_latency_ms": "no lookup takes no time",
    "api_latency_ms": "no call takes no time",
    "compute_time_ms": "no computation takes no time",
    "background_cpu_percent": "psutil's first call returns 0 whatever the load",
    "process_count": "a host has processes",
    "thermal_now_active": "written as 0 always, whatever the CPU did",
    "thermal_since_boot": "written as 0 always, whatever the CPU did",
}
# Readings of one source, of which one can be 0 but not all.
ALL_ZERO_IS_MISSING: Final = (
    ("page_faults", "major_page_faults", "minor_page_faults"),  # a program faults its pages in
    ("context_switches_voluntary", "context_switches_involuntary"),  # a run of seconds is switched
    ("kernel_time_ms", "user_time_ms"),  # a run takes CPU time
    ("c2_time_seconds", "c3_time_seconds", "c6_time_seconds", "c7_time_seconds"),  # turbostat gave none
    ("total_tokens", "prompt_tokens", "completion_tokens"),  # a prompt has tokens
    ("bytes_sent", "bytes_recv"),  # the interface counters were not read
)
# Zeros that are readings only where the same source gave this column, which it always fills.
ZERO_NEEDS: Final = {
    "cache_misses": "cache_references",
    "thread_migrations": "context_switches_voluntary",
    "run_queue_length": "context_switches_voluntary",
    "tcp_retransmits": "bytes_sent",
    "swap_end_free_mb": "swap_total_mb",
    "swap_start_used_mb": "swap_total_mb",
    "swap_end_used_mb": "swap_total_mb",
    "swap_start_cached_mb": "swap_total_mb",
    "swap_end_cached_mb": "swap_total_mb",
    "swap_end_percent": "swap_total_mb",
}
CPU_SAMPLE_ZERO_IS_MISSING: Final = ("cpu_busy_mhz", "cpu_avg_mhz", "package_power", "package_temp", "ipc")

RUN_RESULTS: Final = frozenset({
    "duration_ns", "total_energy_uj", "dynamic_energy_uj", "baseline_energy_uj", "avg_power_watts", "pkg_energy_uj",
    "core_energy_uj", "uncore_energy_uj", "dram_energy_uj", "ipc", "cache_miss_rate", "total_context_switches",
    "cpu_busy_mhz", "cpu_avg_mhz", "package_temp_celsius", "start_temp_c", "max_temp_c", "min_temp_c",
    "thermal_delta_c", "thermal_during_experiment", "experiment_valid", "interrupt_rate", "thermal_throttle_flag",
    "planning_time_ms", "execution_time_ms", "synthesis_time_ms", "phase_planning_ratio", "phase_execution_ratio",
    "phase_synthesis_ratio", "avg_step_time_ms", "orchestration_cpu_ms", "complexity_level", "complexity_score",
    "carbon_g", "water_ml", "methane_mg", "energy_per_instruction", "energy_per_cycle", "energy_per_token",
    "instructions_per_token", "interrupts_per_second", "run_state_hash",
})  # fmt: skip
"""Columns of A-LEMS's runs that the pipeline computes itself: they land as stored, in the reported_* columns."""

RAPL_NAMES: Final = {"pkg": "package", "core": "core", "uncore": "uncore", "dram": "dram"}
"""Our name of a domain -> how its name begins in rapl_domains, and its columns in idle_baselines."""

INT64: Final = range(-(2**63), 2**63)


class Misfit(ValueError):
    """A stored value that is not of its column's type: SQLite keeps whatever it is given."""


def utc_time(value: Any) -> dt.datetime | None:
    """A stored time: 'YYYY-MM-DD HH:MM:SS' or ISO 8601 (UTC unless it names a zone), or Unix seconds; else None."""
    try:
        if isinstance(value, int | float):
            return dt.datetime.fromtimestamp(value, dt.UTC)
        if isinstance(value, str):
            time = dt.datetime.fromisoformat(value.strip())
            return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def fit(value: Any, type_: pa.DataType) -> Any:
    """The value as the contract's type; a fraction where the contract counts is rounded. Raises Misfit."""
    if value is None:
        return None
    number = isinstance(value, int | float) and math.isfinite(value)
    if type_ == I and number and round(value) in INT64:
        return round(value)
    if type_ == R and number:
        return float(value)
    if type_ == B and value in (0, 1):
        return bool(value)
    if type_ == T and isinstance(value, str | int | float):
        return str(value)
    if type_ == TS and (time := utc_time(value)) is not None:
        return time
    raise Misfit(repr(value))


def without_false_zeros(run: dict[str, Any]) -> dict[str, Any]:
    """A run's readings with each zero that stands for a missing source replaced by None."""
    missing = {name for name in ZERO_IS_MISSING if run.get(name) == 0}
    for group in ALL_ZERO_IS_MISSING:
        if not any(run.get(name) for name in group):
            missing.update(group)
    for name, needed in ZERO_NEEDS.items():
        if run.get(name) == 0 and (needed in missing or run.get(needed) is None):
            missing.add(name)
    return {name: None if name in missing else value for name, value in run.items()}


def results_json(row: Row, left_out: set[str]) -> str | None:
    """What a store says of a row besides the columns left out, as JSON; None where it says nothing."""
    said = {
        name: value
        for name, value in row.items()
        if name not in left_out
        and (isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)))
    }
    return json.dumps(said, sort_keys=True, ensure_ascii=False) if said else None


def rapl_domains(hardware: Row) -> frozenset[str]:
    """The RAPL domains that a hardware row lists; where it lists none, those that it does not deny."""
    try:
        names = json.loads(hardware.get("rapl_domains") or "null")
    except (ValueError, TypeError):
        names = None
    if isinstance(names, list) and names:
        return frozenset(d for d, prefix in RAPL_NAMES.items() if any(str(n).startswith(prefix) for n in names))
    uncore = {"uncore"} if hardware.get("rapl_has_uncore") != 0 else set()
    dram = {"dram"} if hardware.get("rapl_has_dram") == 1 else set()  # A-LEMS's DRAM figure is 0 unless proven
    return frozenset({"pkg", "core"} | uncore | dram)


def hardware_hash(hardware: Row) -> str:
    """The hash that A-LEMS gives a class of hardware, for a row that lacks it."""
    named = {name: hardware.get(name) for name in ("cpu_model", "cpu_cores", "ram_gb", "gpu_model")}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
