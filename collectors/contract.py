"""The landing contract: one Arrow schema per dataset that a collector may drop.

What a column means, its unit (in its name) and whether it may be missing stand here and nowhere else; the pipeline
validates against it and the data dictionary is made from it.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import pyarrow as pa

CONTRACT_VERSION: Final = 1

FIRST_DAY: Final = date(2019, 1, 1)
"""Nothing measured is older; a landing date before it, or after tomorrow, is a mistake."""

# Parquet key-value metadata of every drop.
META_VERSION: Final = "alems.contract_version"
META_DATASET: Final = "alems.dataset"
META_PRODUCER: Final = "alems.producer"
META_PRODUCER_VERSION: Final = "alems.producer_version"
META_HOST: Final = "alems.host"
META_CREATED_AT: Final = "alems.created_at"

I = pa.int64()  # noqa: E741
R = pa.float64()
T = pa.string()
B = pa.bool_()
TS = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `required` means never NULL."""

    name: str
    type: pa.DataType
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """One landing dataset.

    `kind`: 'record' datasets become rows of `stage.<name>` in the warehouse, 'sample' datasets stay in the lake.
    `key`: the columns that identify a row. `newest_wins`: a later record of the same key (by recorded_at) replaces the
    earlier one; otherwise a second row with the same key must be identical, else it is quarantined.
    """

    name: str
    kind: Literal["record", "sample"]
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    newest_wins: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with each column's meaning in its field metadata."""
        return pa.schema(
            [pa.field(c.name, c.type, nullable=not c.required, metadata={"doc": c.doc}) for c in self.columns]
        )

    @property
    def column_names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def has_run(self) -> bool:
        """Whether rows belong to a run, named by run_key."""
        return "run_key" in self.column_names


def _c(name: str, type_: pa.DataType, doc: str) -> Column:
    return Column(name, type_, doc)


def _nn(name: str, type_: pa.DataType, doc: str) -> Column:
    return Column(name, type_, doc, required=True)


RUN_KEY = _nn("run_key", I, "The run: stable id of (source_system, host, source_run_id, start_time_ns)")
SOURCE = (
    _nn("source_system", T, "What measured or recorded this: 'alems-collect', 'alems-store', …"),
    _nn("host", T, "Host that was measured"),
    _nn("recorded_at", TS, "When the collector wrote this record; of several records of one key the newest counts"),
)

EXPERIMENTS = Dataset(
    "experiments",
    "record",
    "One experiment: a session's runs of one task with one model.",
    ("exp_key",),
    (
        _nn("exp_key", I, "Stable id of (source_system, host, source_exp_id, created_at in UTC seconds)"),
        *SOURCE,
        _nn("source_exp_id", T, "The experiment's id in its source"),
        _nn("name", T, "Experiment name"),
        _c("description", T, "Free text"),
        _c("workflow_type", T, "linear, agentic or comparison"),
        _c("model_name", T, "Model name as the source writes it"),
        _c("provider", T, "Provider as the source writes it"),
        _c("task_name", T, "Task identifier"),
        _c("country_code", T, "ISO 3166 code of the grid region"),
        _c("created_at", TS, "When the experiment was created"),
        _c("group_id", T, "Session that the experiment belongs to"),
        _c("status", T, "pending, running, completed, partial or failed"),
        _c("started_at", TS, "Start of its first run"),
        _c("completed_at", TS, "End of its last run"),
        _c("error_message", T, "Why it failed"),
        _c("runs_completed", I, "Runs that ended well"),
        _c("runs_total", I, "Runs planned"),
        _c("optimization_enabled", I, "0 or 1"),
        _c("hw_id", I, "Hardware: stable id of (hardware_hash, hostname)"),
        _c("env_id", I, "Software environment: stable id of all its columns but created_at"),
    ),
    newest_wins=True,
)

HARDWARE_CONFIG = Dataset(
    "hardware_config",
    "record",
    "One host's hardware.",
    ("hw_id",),
    (
        _nn("hw_id", I, "Stable id of (hardware_hash, hostname)"),
        *SOURCE,
        _nn(
            "hardware_hash",
            T,
            "Hardware class: first 16 hex digits of the SHA-256 of cpu_model, cpu_cores, ram_gb, gpu_model",
        ),
        _nn("hostname", T, "Host name"),
        _c("cpu_model", T, "CPU model name"),
        _c("cpu_cores", I, "Physical cores"),
        _c("cpu_threads", I, "Logical CPUs"),
        _c("cpu_architecture", T, "x86_64, aarch64, …"),
        _c("cpu_vendor", T, "GenuineIntel, AuthenticAMD, …"),
        _c("cpu_family", I, "CPU family id"),
        _c("cpu_model_id", I, "CPU model id"),
        _c("cpu_stepping", I, "CPU stepping"),
        _c("has_avx2", B, "AVX2 present"),
        _c("has_avx512", B, "AVX-512F present"),
        _c("has_vmx", B, "Hardware virtualisation present"),
        _c("gpu_model", T, "Model of the first GPU"),
        _c("gpu_driver", T, "GPU driver version"),
        _c("gpu_count", I, "Number of GPUs"),
        _c("gpu_power_available", B, "GPU power readable"),
        _c("ram_gb", R, "Installed memory, GiB"),
        _c("kernel_version", T, "Kernel release"),
        _c("microcode_version", T, "CPU microcode"),
        _c("rapl_domains", T, "JSON list of the RAPL domains present"),
        _c("rapl_has_dram", B, "RAPL measures DRAM"),
        _c("rapl_has_uncore", B, "RAPL measures uncore"),
        _c("system_manufacturer", T, "DMI system vendor"),
        _c("system_product", T, "DMI product name"),
        _c("system_type", T, "laptop, desktop, server, vm, …"),
        _c("virtualization_type", T, "none, kvm, vmware, docker, …"),
        _c("detected_at", TS, "When the fingerprint was taken"),
        _c("created_at", TS, "When the source first recorded it"),
    ),
    newest_wins=True,
)

ENVIRONMENT_COLUMNS: Final = (
    "env_hash", "python_version", "python_implementation", "os_name", "os_version", "kernel_version", "llm_framework",
    "framework_version", "git_commit", "git_branch", "git_dirty", "numpy_version", "torch_version",
    "transformers_version", "container_runtime", "container_image",
)  # fmt: skip
"""The natural key of an environment, in the order in which it is hashed to env_id."""

ENVIRONMENT_CONFIG = Dataset(
    "environment_config",
    "record",
    "One software environment.",
    ("env_id",),
    (
        _nn("env_id", I, "Stable id of all columns from env_hash to container_image"),
        *SOURCE,
        _c("env_hash", T, "A-LEMS's own hash over python_version, git_commit, numpy_version, os_name; not unique"),
        _c("python_version", T, "Python version"),
        _c("python_implementation", T, "CPython, PyPy, …"),
        _c("os_name", T, "Linux, Darwin, …"),
        _c("os_version", T, "OS version"),
        _c("kernel_version", T, "Kernel release"),
        _c("llm_framework", T, "LLM framework of the measured program"),
        _c("framework_version", T, "Its version"),
        _c("git_commit", T, "Commit of the measured program's working tree"),
        _c("git_branch", T, "Its branch"),
        _c("git_dirty", B, "Uncommitted changes present"),
        _c("numpy_version", T, "NumPy version"),
        _c("torch_version", T, "PyTorch version"),
        _c("transformers_version", T, "transformers version"),
        _c("container_runtime", T, "docker, podman, …"),
        _c("container_image", T, "Container image"),
        _c("created_at", TS, "When the source first recorded it"),
    ),
    newest_wins=True,
)

IDLE_BASELINES = Dataset(
    "idle_baselines",
    "record",
    "Idle power of a host.",
    ("source_system", "host", "baseline_id"),
    (
        _nn("baseline_id", T, "The baseline's id in its source"),
        *SOURCE,
        _c("hw_id", I, "Hardware measured"),
        _nn("timestamp", R, "When it was measured, Unix seconds"),
        _c("package_power_watts", R, "Mean idle power of all packages"),
        _c("core_power_watts", R, "Mean idle power of the cores"),
        _c("uncore_power_watts", R, "Mean idle power of the uncore"),
        _c("dram_power_watts", R, "Mean idle power of DRAM"),
        _c("gpu_power_watts", R, "Mean idle power of all GPUs"),
        _c("model_power_watts", R, "Mean idle power by the CPU-time model, on hosts without a counter"),
        _c("duration_seconds", I, "Length of the measurement"),
        _c("sample_count", I, "Windows averaged"),
        _c("package_std", R, "Standard deviation of the windows, W (of the modelled power where no counter exists)"),
        _c("core_std", R, "Standard deviation of the windows, W"),
        _c("uncore_std", R, "Standard deviation of the windows, W"),
        _c("dram_std", R, "Standard deviation of the windows, W"),
        _c("package_autocorr_lag1", R, "Lag-1 autocorrelation of the windows of package (or modelled) power"),
        _c("governor", T, "CPU frequency governor"),
        _c("turbo", T, "enabled or disabled"),
        _c("background_cpu", R, "CPU utilisation while idle, percent"),
        _c("process_count", I, "Processes present"),
        _c("method", T, "How it was measured"),
    ),
    newest_wins=True,
)

RUN_READINGS: Final = (
    _c("instructions", I, "Instructions retired by the measured processes"),
    _c("cycles", I, "CPU cycles of the measured processes"),
    _c("cache_misses", I, "Last-level cache misses"),
    _c("cache_references", I, "Last-level cache references"),
    _c("page_faults", I, "Page faults, major and minor"),
    _c("major_page_faults", I, "Page faults that read from disk"),
    _c("minor_page_faults", I, "Page faults served from memory"),
    _c("context_switches_voluntary", I, "Voluntary context switches"),
    _c("context_switches_involuntary", I, "Involuntary context switches"),
    _c("thread_migrations", I, "Moves of a thread to another CPU"),
    _c("run_queue_length", R, "Mean number of runnable tasks on the host"),
    _c("kernel_time_ms", R, "CPU time in the kernel"),
    _c("user_time_ms", R, "CPU time in user mode"),
    _c("frequency_mhz", R, "Mean CPU frequency"),
    _c("ring_bus_freq_mhz", R, "Ring bus frequency"),
    _c("baseline_temp_celsius", R, "Package temperature before the run"),
    _c("thermal_now_active", B, "The CPU was being throttled when the run began"),
    _c("thermal_since_boot", B, "The CPU had been throttled since boot when the run began"),
    _c("c2_time_seconds", R, "Time in core C2 during the run, mean over CPUs"),
    _c("c3_time_seconds", R, "Time in core C3 during the run, mean over CPUs"),
    _c("c6_time_seconds", R, "Time in core C6 during the run, mean over CPUs"),
    _c("c7_time_seconds", R, "Time in core C7 or deeper during the run, mean over CPUs"),
    _c("swap_total_mb", R, "Swap size"),
    _c("swap_end_free_mb", R, "Swap free at the end"),
    _c("swap_start_used_mb", R, "Swap used at the start"),
    _c("swap_end_used_mb", R, "Swap used at the end"),
    _c("swap_start_cached_mb", R, "Swap cached at the start"),
    _c("swap_end_cached_mb", R, "Swap cached at the end"),
    _c("swap_end_percent", R, "Swap used at the end, percent"),
    _c("wakeup_latency_us", R, "Wake-up latency of the scheduler"),
    _c("rss_memory_mb", R, "Peak resident memory of the measured processes"),
    _c("vms_memory_mb", R, "Peak virtual memory of the measured processes"),
    _c("dns_latency_ms", R, "DNS latency"),
    _c("api_latency_ms", R, "LLM API latency as the source gives it for the run"),
    _c("compute_time_ms", R, "Local compute time as the source gives it for the run"),
    _c("total_tokens", I, "Tokens as the source gives them for the run"),
    _c("prompt_tokens", I, "Prompt tokens as the source gives them for the run"),
    _c("completion_tokens", I, "Completion tokens as the source gives them for the run"),
    _c("bytes_sent", I, "Bytes sent by the measured processes"),
    _c("bytes_recv", I, "Bytes received by the measured processes"),
    _c("tcp_retransmits", I, "TCP segments sent again"),
    _c("governor", T, "CPU frequency governor"),
    _c("turbo_enabled", B, "Turbo allowed"),
    _c("is_cold_start", B, "First run of its workload in the session, without a warm-up"),
    _c("background_cpu_percent", R, "CPU use of everything but the measured processes, percent of the host"),
    _c("process_count", I, "Processes present at the start"),
    _c("llm_calls", I, "LLM calls as the source gives them for the run"),
    _c("tool_calls", I, "Tool calls as the source gives them for the run"),
    _c("tools_used", I, "Different tools used"),
    _c("steps", I, "Steps of the workflow as the source gives them"),
)
"""What a collector reads at the start and end of a run; each is NULL where the host or the source does not give it."""

RUNS = Dataset(
    "runs",
    "record",
    "One measured run. Its energy is not here: the pipeline computes it from the samples.",
    ("run_key",),
    (
        RUN_KEY,
        *SOURCE,
        _nn("source_run_id", T, "The run's id in its source"),
        _nn("exp_key", I, "The experiment it belongs to"),
        _c("hw_id", I, "Hardware it ran on"),
        _c("env_id", I, "Software environment"),
        _c("baseline_id", T, "Baseline that the source names for it"),
        _c(
            "run_number",
            I,
            "Position within its experiment; a linear and an agentic run with the same number are a pair",
        ),
        _nn("workflow_type", T, "linear or agentic"),
        _nn("status", T, "completed, partial or failed"),
        _c("exit_code", I, "Exit code of the measured command; negative: ended by that signal"),
        _c("error_message", T, "Why it failed"),
        _nn("start_time_ns", I, "Start of the workload, ns UTC"),
        _nn("end_time_ns", I, "End of the workload, ns UTC"),
        _c("command", T, "The measured command"),
        *RUN_READINGS,
        _c("max_sample_interval_ns", I, "Longest interval between energy samples that the source plans for"),
        _c("reported_total_energy_uj", I, "Total energy that an imported store had written"),
        _c("reported_dynamic_energy_uj", I, "Dynamic energy that an imported store had written"),
        _c("reported_json", T, "JSON of all further figures that an imported store had written for the run"),
    ),
    newest_wins=True,
)

ORCHESTRATION_EVENTS = Dataset(
    "orchestration_events",
    "record",
    "One step of a run.",
    ("run_key", "start_time_ns", "end_time_ns", "step_index", "phase", "event_type"),
    (
        RUN_KEY,
        _c("source_event_id", T, "The event's id in its source"),
        _c("step_index", I, "Position in the run, from 0"),
        _c("phase", T, "planning, execution, waiting or synthesis"),
        _nn("event_type", T, "llm_call, tool_call, waiting, …"),
        _nn("start_time_ns", I, "Start, ns UTC"),
        _nn("end_time_ns", I, "End, ns UTC"),
        _c("power_watts", R, "Power that the source gives for the event"),
        _c("cpu_util_percent", R, "CPU utilisation that the source gives for the event"),
        _c("interrupt_rate", R, "Interrupts per second that the source gives for the event"),
        _c("detail_json", T, "JSON of whatever else the source says of the event"),
    ),
)

LLM_INTERACTIONS = Dataset(
    "llm_interactions",
    "record",
    "One call of a language model.",
    ("run_key", "source_interaction_id"),
    (
        RUN_KEY,
        _nn("source_interaction_id", T, "The call's id in its source; for live runs its position in the run"),
        _c("step_index", I, "Step that made the call"),
        _c("workflow_type", T, "linear or agentic"),
        _c("prompt", T, "Prompt, where the source keeps it"),
        _c("response", T, "Response, where the source keeps it"),
        _c("model_name", T, "Model"),
        _c("provider", T, "Provider"),
        _c("prompt_tokens", I, "Prompt tokens"),
        _c("completion_tokens", I, "Completion tokens"),
        _c("total_tokens", I, "All tokens"),
        _c("api_latency_ms", R, "Latency of the API call"),
        _c("compute_time_ms", R, "Compute time"),
        _c("app_throughput_kbps", R, "Application throughput"),
        _c("total_time_ms", R, "Whole duration of the call"),
        _c("preprocess_ms", R, "Time before the call"),
        _c("non_local_ms", R, "Time spent waiting for somebody else's computer"),
        _c("local_compute_ms", R, "Time spent computing on the measured host"),
        _c("postprocess_ms", R, "Time after the call"),
        _c("cpu_percent_during_wait", R, "CPU utilisation while waiting"),
        _c("bytes_sent_approx", I, "Bytes sent"),
        _c("bytes_recv_approx", I, "Bytes received"),
        _c("tcp_retransmits", I, "TCP segments sent again"),
        _c("error_message", T, "Error"),
        _c("status", T, "success or error"),
        _c("created_at", TS, "When the call was made"),
    ),
)

RUN_CONDITIONS = Dataset(
    "run_conditions",
    "record",
    "A named value that a measured program attached to its run.",
    ("run_key", "name"),
    (
        RUN_KEY,
        _nn("name", T, "Condition name"),
        _nn("value_type", T, "string, int, float or bool"),
        _c("text_value", T, "Value of a string"),
        _c("int_value", I, "Value of an int"),
        _c("float_value", R, "Value of a float"),
        _c("bool_value", B, "Value of a bool"),
        _nn("recorded_at", TS, "When it was attached; the newest value of a name counts"),
    ),
    newest_wins=True,
)

REPORTED_TAX = Dataset(
    "reported_tax",
    "record",
    "A row of an imported store's own orchestration_tax_summary.",
    ("linear_run_key", "agentic_run_key"),
    (
        _nn("linear_run_key", I, "The linear run"),
        _nn("agentic_run_key", I, "The agentic run"),
        *SOURCE,
        _c("linear_dynamic_uj", I, "As stored"),
        _c("agentic_dynamic_uj", I, "As stored"),
        _c("orchestration_tax_uj", I, "As stored"),
        _c("tax_percent", R, "As stored: share of the agentic run"),
        _c("linear_orchestration_uj", I, "As stored"),
        _c("agentic_orchestration_uj", I, "As stored"),
    ),
    newest_wins=True,
)

TASK_CATEGORIES = Dataset(
    "task_categories",
    "record",
    "The category of a task.",
    ("task_id",),
    (
        _nn("task_id", T, "Task identifier"),
        *SOURCE,
        _nn("category", T, "reasoning, coding, …"),
    ),
    newest_wins=True,
)

REJECTED_LINES = Dataset(
    "rejected_lines",
    "record",
    "A line of a program's event file that could not be understood; kept here, counted as quarantined.",
    ("run_key", "line_number"),
    (
        RUN_KEY,
        _nn("line_number", I, "Line in the event file, from 1"),
        _nn("reason", T, "What is wrong with it"),
        _nn("line", T, "The line, at most 4,000 characters"),
    ),
)

TIMESTAMP = _nn("timestamp_ns", I, "Time of the sample, ns UTC")

ENERGY_DOMAINS: Final = ("pkg", "core", "uncore", "dram", "psys")

ENERGY_SAMPLES = Dataset(
    "energy_samples",
    "sample",
    "Raw energy counters of one CPU package, as read: cumulative, wrapping at their range.",
    ("run_key", "timestamp_ns", "package_index"),
    (
        RUN_KEY,
        TIMESTAMP,
        _nn("package_index", I, "CPU package, from 0; psys and the model stand on package 0"),
        *(_c(f"{d}_energy_uj", I, f"RAPL {d} counter") for d in ENERGY_DOMAINS),
        *(_c(f"{d}_range_uj", I, f"Value at which the {d} counter wraps") for d in ENERGY_DOMAINS),
        _c("model_energy_uj", I, "Cumulative estimate by the CPU-time model, on hosts without a counter"),
    ),
)

CPU_SAMPLES = Dataset(
    "cpu_samples",
    "sample",
    "CPU telemetry.",
    ("run_key", "timestamp_ns"),
    (
        RUN_KEY,
        TIMESTAMP,
        _c("cpu_util_percent", R, "Utilisation of all CPUs"),
        _c("cpu_busy_mhz", R, "Mean frequency while busy"),
        _c("cpu_avg_mhz", R, "Mean frequency over busy and idle time"),
        *(_c(f"c{n}_residency", R, f"Core C{n} residency, percent") for n in (1, 2, 3, 6, 7)),
        *(_c(f"pkg_c{n}_residency", R, f"Package C{n} residency, percent") for n in (8, 9, 10)),
        _c("package_power", R, "Package power that the source gives, W"),
        _c("dram_power", R, "DRAM power that the source gives, W"),
        _c("gpu_rc6", R, "Integrated GPU RC6 residency, percent"),
        _c("package_temp", R, "Package temperature, °C"),
        _c("ipc", R, "Instructions per cycle"),
        _c("extra_metrics_json", T, "JSON of further metrics"),
    ),
)

INTERRUPT_SAMPLES = Dataset(
    "interrupt_samples",
    "sample",
    "Interrupt rate of the host.",
    ("run_key", "timestamp_ns"),
    (RUN_KEY, TIMESTAMP, _c("interrupts_per_sec", R, "Interrupts per second since the previous sample")),
)

THERMAL_SAMPLES = Dataset(
    "thermal_samples",
    "sample",
    "Temperatures of the host.",
    ("run_key", "timestamp_ns"),
    (
        RUN_KEY,
        TIMESTAMP,
        _c("sample_time_s", R, "Seconds since the start of the run"),
        _c("cpu_temp", R, "CPU package temperature, °C"),
        _c("system_temp", R, "Board temperature, °C"),
        _c("wifi_temp", R, "Wi-Fi adapter temperature, °C"),
        _c("throttle_event", I, "1 where a zone is at or above its passive trip point or the CPU counts a throttling"),
        _c("all_zones_json", T, "JSON of every zone's temperature, °C"),
        _c("sensor_count", I, "Zones read"),
    ),
)

GPU_SAMPLES = Dataset(
    "gpu_samples",
    "sample",
    "GPU telemetry by NVML.",
    ("run_key", "timestamp_ns", "gpu_index"),
    (
        RUN_KEY,
        TIMESTAMP,
        _nn("gpu_index", I, "GPU, from 0"),
        _c("gpu_uuid", T, "GPU UUID"),
        _c("energy_mj", I, "Total-energy counter, mJ since the driver was loaded"),
        _c("power_mw", I, "Power, mW"),
        _c("util_percent", R, "GPU utilisation"),
        _c("memory_used_mb", R, "GPU memory used, MiB"),
        _c("temp_c", R, "GPU temperature, °C"),
        _c("sm_clock_mhz", R, "SM clock"),
    ),
)

DATASETS: Final[dict[str, Dataset]] = {
    d.name: d
    for d in (
        EXPERIMENTS,
        HARDWARE_CONFIG,
        ENVIRONMENT_CONFIG,
        IDLE_BASELINES,
        RUNS,
        ORCHESTRATION_EVENTS,
        LLM_INTERACTIONS,
        RUN_CONDITIONS,
        REPORTED_TAX,
        TASK_CATEGORIES,
        REJECTED_LINES,
        ENERGY_SAMPLES,
        CPU_SAMPLES,
        INTERRUPT_SAMPLES,
        THERMAL_SAMPLES,
        GPU_SAMPLES,
    )
}
RECORD_DATASETS: Final = [d for d in DATASETS.values() if d.kind == "record"]
SAMPLE_DATASETS: Final = [d for d in DATASETS.values() if d.kind == "sample"]
