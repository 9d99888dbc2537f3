"""The landing contract: one Arrow schema per dataset that a collector may drop.

What a column means, its unit (in its name) and whether it may be missing stand here and nowhere else; the pipeline
validates against it and the data dictionary is made from it.
"""

from datetime import date
from typing import Final

from collectors.contract_conditions import CONDITION_DATASETS, RCDB_REJECTS
from collectors.contract_datasets import ML_DATASETS
from collectors.contract_inference import INFERENCE_DATASETS, INFERENCE_REJECTS
from collectors.contract_outcomes import OUTCOME_DATASETS
from collectors.contract_tracking import TRACKING_DATASETS
from collectors.contract_usage import USAGE_DATASETS, USAGE_REJECTS
from collectors.dataset import RUN_KEY, SOURCE, TS, B, I, R, T, optional, required
from collectors.dataset import Column as Column
from collectors.dataset import Dataset as Dataset

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

EXPERIMENTS = Dataset(
    "experiments",
    "record",
    "One experiment: a session's runs of one task with one model.",
    ("exp_key",),
    (
        required("exp_key", I, "Stable id of (source_system, host, source_exp_id, created_at in UTC seconds)"),
        *SOURCE,
        required("source_exp_id", T, "The experiment's id in its source"),
        required("name", T, "Experiment name"),
        optional("description", T, "Free text"),
        optional("workflow_type", T, "linear, agentic or comparison"),
        optional("model_name", T, "Model name as the source writes it"),
        optional("provider", T, "Provider as the source writes it"),
        optional("task_name", T, "Task identifier"),
        optional("country_code", T, "ISO 3166 code of the grid region"),
        optional("created_at", TS, "When the experiment was created"),
        optional("group_id", T, "Session that the experiment belongs to"),
        optional("status", T, "pending, running, completed, partial or failed"),
        optional("started_at", TS, "Start of its first run"),
        optional("completed_at", TS, "End of its last run"),
        optional("error_message", T, "Why it failed"),
        optional("runs_completed", I, "Runs that ended well"),
        optional("runs_total", I, "Runs planned"),
        optional("optimization_enabled", I, "0 or 1"),
        optional("hw_id", I, "Hardware: stable id of (hardware_hash, hostname)"),
        optional("env_id", I, "Software environment: stable id of all its columns but created_at"),
    ),
    newest_wins=True,
)

HARDWARE_CONFIG = Dataset(
    "hardware_config",
    "record",
    "One host's hardware.",
    ("hw_id",),
    (
        required("hw_id", I, "Stable id of (hardware_hash, hostname)"),
        *SOURCE,
        required(
            "hardware_hash",
            T,
            "Hardware class: first 16 hex digits of the SHA-256 of cpu_model, cpu_cores, ram_gb, gpu_model",
        ),
        required("hostname", T, "Host name"),
        optional("cpu_model", T, "CPU model name"),
        optional("cpu_cores", I, "Physical cores"),
        optional("cpu_threads", I, "Logical CPUs"),
        optional("cpu_architecture", T, "x86_64, aarch64, …"),
        optional("cpu_vendor", T, "GenuineIntel, AuthenticAMD, …"),
        optional("cpu_family", I, "CPU family id"),
        optional("cpu_model_id", I, "CPU model id"),
        optional("cpu_stepping", I, "CPU stepping"),
        optional("has_avx2", B, "AVX2 present"),
        optional("has_avx512", B, "AVX-512F present"),
        optional("has_vmx", B, "Hardware virtualisation present"),
        optional("gpu_model", T, "Model of the first GPU"),
        optional("gpu_driver", T, "GPU driver version"),
        optional("gpu_count", I, "Number of GPUs"),
        optional("gpu_power_available", B, "GPU power readable"),
        optional("ram_gb", R, "Installed memory, GiB"),
        optional("kernel_version", T, "Kernel release"),
        optional("microcode_version", T, "CPU microcode"),
        optional("rapl_domains", T, "JSON list of the RAPL domains present"),
        optional("rapl_has_dram", B, "RAPL measures DRAM"),
        optional("rapl_has_uncore", B, "RAPL measures uncore"),
        optional("system_manufacturer", T, "DMI system vendor"),
        optional("system_product", T, "DMI product name"),
        optional("system_type", T, "laptop, desktop, server, vm, …"),
        optional("virtualization_type", T, "none, kvm, vmware, docker, …"),
        optional("detected_at", TS, "When the fingerprint was taken"),
        optional("created_at", TS, "When the source first recorded it"),
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
        required("env_id", I, "Stable id of all columns from env_hash to container_image"),
        *SOURCE,
        optional("env_hash", T, "A-LEMS's hash over python_version, git_commit, numpy_version, os_name; not unique"),
        optional("python_version", T, "Python version"),
        optional("python_implementation", T, "CPython, PyPy, …"),
        optional("os_name", T, "Linux, Darwin, …"),
        optional("os_version", T, "OS version"),
        optional("kernel_version", T, "Kernel release"),
        optional("llm_framework", T, "LLM framework of the measured program"),
        optional("framework_version", T, "Its version"),
        optional("git_commit", T, "Commit of the measured program's working tree"),
        optional("git_branch", T, "Its branch"),
        optional("git_dirty", B, "Uncommitted changes present"),
        optional("numpy_version", T, "NumPy version"),
        optional("torch_version", T, "PyTorch version"),
        optional("transformers_version", T, "transformers version"),
        optional("container_runtime", T, "docker, podman, …"),
        optional("container_image", T, "Container image"),
        optional("created_at", TS, "When the source first recorded it"),
    ),
    newest_wins=True,
)

IDLE_BASELINES = Dataset(
    "idle_baselines",
    "record",
    "Idle power of a host.",
    ("source_system", "host", "baseline_id"),
    (
        required("baseline_id", T, "The baseline's id in its source"),
        *SOURCE,
        optional("hw_id", I, "Hardware measured"),
        required("timestamp", R, "When it was measured, Unix seconds"),
        optional("package_power_watts", R, "Mean idle power of all packages"),
        optional("core_power_watts", R, "Mean idle power of the cores"),
        optional("uncore_power_watts", R, "Mean idle power of the uncore"),
        optional("dram_power_watts", R, "Mean idle power of DRAM"),
        optional("gpu_power_watts", R, "Mean idle power of all GPUs"),
        optional("model_power_watts", R, "Mean idle power by the CPU-time model, on hosts without a counter"),
        optional("duration_seconds", I, "Length of the measurement"),
        optional("sample_count", I, "Windows averaged"),
        optional("package_std", R, "Standard deviation of the windows, W (of modelled power without a counter)"),
        optional("core_std", R, "Standard deviation of the windows, W"),
        optional("uncore_std", R, "Standard deviation of the windows, W"),
        optional("dram_std", R, "Standard deviation of the windows, W"),
        optional("package_autocorr_lag1", R, "Lag-1 autocorrelation of the windows of package (or modelled) power"),
        optional("governor", T, "CPU frequency governor"),
        optional("turbo", T, "enabled or disabled"),
        optional("background_cpu", R, "CPU utilisation while idle, percent"),
        optional("process_count", I, "Processes present"),
        optional("method", T, "How it was measured"),
    ),
    newest_wins=True,
)

RUN_READINGS: Final = (
    optional("instructions", I, "Instructions retired by the measured processes"),
    optional("cycles", I, "CPU cycles of the measured processes"),
    optional("cache_misses", I, "Last-level cache misses"),
    optional("cache_references", I, "Last-level cache references"),
    optional("page_faults", I, "Page faults, major and minor"),
    optional("major_page_faults", I, "Page faults that read from disk"),
    optional("minor_page_faults", I, "Page faults served from memory"),
    optional("context_switches_voluntary", I, "Voluntary context switches"),
    optional("context_switches_involuntary", I, "Involuntary context switches"),
    optional("thread_migrations", I, "Moves of a thread to another CPU"),
    optional("run_queue_length", R, "Mean number of runnable tasks on the host"),
    optional("kernel_time_ms", R, "CPU time in the kernel"),
    optional("user_time_ms", R, "CPU time in user mode"),
    optional("frequency_mhz", R, "Mean CPU frequency"),
    optional("ring_bus_freq_mhz", R, "Ring bus frequency"),
    optional("baseline_temp_celsius", R, "Package temperature before the run"),
    optional("thermal_now_active", B, "The CPU was being throttled when the run began"),
    optional("thermal_since_boot", B, "The CPU had been throttled since boot when the run began"),
    optional("c2_time_seconds", R, "Time in core C2 during the run, mean over CPUs"),
    optional("c3_time_seconds", R, "Time in core C3 during the run, mean over CPUs"),
    optional("c6_time_seconds", R, "Time in core C6 during the run, mean over CPUs"),
    optional("c7_time_seconds", R, "Time in core C7 or deeper during the run, mean over CPUs"),
    optional("swap_total_mb", R, "Swap size"),
    optional("swap_end_free_mb", R, "Swap free at the end"),
    optional("swap_start_used_mb", R, "Swap used at the start"),
    optional("swap_end_used_mb", R, "Swap used at the end"),
    optional("swap_start_cached_mb", R, "Swap cached at the start"),
    optional("swap_end_cached_mb", R, "Swap cached at the end"),
    optional("swap_end_percent", R, "Swap used at the end, percent"),
    optional("wakeup_latency_us", R, "Wake-up latency of the scheduler"),
    optional("rss_memory_mb", R, "Peak resident memory of the measured processes"),
    optional("vms_memory_mb", R, "Peak virtual memory of the measured processes"),
    optional("dns_latency_ms", R, "DNS latency"),
    optional("api_latency_ms", R, "LLM API latency as the source gives it for the run"),
    optional("compute_time_ms", R, "Local compute time as the source gives it for the run"),
    optional("total_tokens", I, "Tokens as the source gives them for the run"),
    optional("prompt_tokens", I, "Prompt tokens as the source gives them for the run"),
    optional("completion_tokens", I, "Completion tokens as the source gives them for the run"),
    optional("bytes_sent", I, "Bytes sent by the measured processes"),
    optional("bytes_recv", I, "Bytes received by the measured processes"),
    optional("tcp_retransmits", I, "TCP segments sent again"),
    optional("governor", T, "CPU frequency governor"),
    optional("turbo_enabled", B, "Turbo allowed"),
    optional("is_cold_start", B, "First run of its workload in the session, without a warm-up"),
    optional("background_cpu_percent", R, "CPU use of everything but the measured processes, percent of the host"),
    optional("process_count", I, "Processes present at the start"),
    optional("llm_calls", I, "LLM calls as the source gives them for the run"),
    optional("tool_calls", I, "Tool calls as the source gives them for the run"),
    optional("tools_used", I, "Different tools used"),
    optional("steps", I, "Steps of the workflow as the source gives them"),
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
        required("source_run_id", T, "The run's id in its source"),
        required("exp_key", I, "The experiment it belongs to"),
        optional("hw_id", I, "Hardware it ran on"),
        optional("env_id", I, "Software environment"),
        optional("baseline_id", T, "Baseline that the source names for it"),
        optional(
            "run_number",
            I,
            "Position within its experiment; a linear and an agentic run with the same number are a pair",
        ),
        required("workflow_type", T, "linear or agentic"),
        required("status", T, "completed, partial or failed"),
        optional("exit_code", I, "Exit code of the measured command; negative: ended by that signal"),
        optional("error_message", T, "Why it failed"),
        required("start_time_ns", I, "Start of the workload, ns UTC"),
        required("end_time_ns", I, "End of the workload, ns UTC"),
        optional("command", T, "The measured command"),
        *RUN_READINGS,
        optional("max_sample_interval_ns", I, "Longest interval between energy samples that the source plans for"),
        optional("reported_total_energy_uj", I, "Total energy that an imported store had written"),
        optional("reported_dynamic_energy_uj", I, "Dynamic energy that an imported store had written"),
        optional("reported_json", T, "JSON of all further figures that an imported store had written for the run"),
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
        optional("source_event_id", T, "The event's id in its source"),
        optional("step_index", I, "Position in the run, from 0"),
        optional("phase", T, "planning, execution, waiting or synthesis"),
        required("event_type", T, "llm_call, tool_call, waiting, …"),
        required("start_time_ns", I, "Start, ns UTC"),
        required("end_time_ns", I, "End, ns UTC"),
        optional("power_watts", R, "Power that the source gives for the event"),
        optional("cpu_util_percent", R, "CPU utilisation that the source gives for the event"),
        optional("interrupt_rate", R, "Interrupts per second that the source gives for the event"),
        optional("detail_json", T, "JSON of whatever else the source says of the event"),
    ),
)

LLM_INTERACTIONS = Dataset(
    "llm_interactions",
    "record",
    "One call of a language model.",
    ("run_key", "source_interaction_id"),
    (
        RUN_KEY,
        required("source_interaction_id", T, "The call's id in its source; for live runs its position in the run"),
        optional("step_index", I, "Step that made the call"),
        optional("workflow_type", T, "linear or agentic"),
        optional("prompt", T, "Prompt, where the source keeps it"),
        optional("response", T, "Response, where the source keeps it"),
        optional("model_name", T, "Model"),
        optional("provider", T, "Provider"),
        optional("prompt_tokens", I, "Prompt tokens"),
        optional("completion_tokens", I, "Completion tokens"),
        optional("total_tokens", I, "All tokens"),
        optional("api_latency_ms", R, "Latency of the API call"),
        optional("compute_time_ms", R, "Compute time"),
        optional("app_throughput_kbps", R, "Application throughput"),
        optional("total_time_ms", R, "Whole duration of the call"),
        optional("preprocess_ms", R, "Time before the call"),
        optional("non_local_ms", R, "Time spent waiting for somebody else's computer"),
        optional("local_compute_ms", R, "Time spent computing on the measured host"),
        optional("postprocess_ms", R, "Time after the call"),
        optional("cpu_percent_during_wait", R, "CPU utilisation while waiting"),
        optional("bytes_sent_approx", I, "Bytes sent"),
        optional("bytes_recv_approx", I, "Bytes received"),
        optional("tcp_retransmits", I, "TCP segments sent again"),
        optional("error_message", T, "Error"),
        optional("status", T, "success or error"),
        optional("created_at", TS, "When the call was made"),
    ),
)

RUN_CONDITIONS = Dataset(
    "run_conditions",
    "record",
    "A named value that a measured program attached to its run.",
    ("run_key", "name"),
    (
        RUN_KEY,
        required("name", T, "Condition name"),
        required("value_type", T, "string, int, float or bool"),
        optional("text_value", T, "Value of a string"),
        optional("int_value", I, "Value of an int"),
        optional("float_value", R, "Value of a float"),
        optional("bool_value", B, "Value of a bool"),
        required("recorded_at", TS, "When it was attached; the newest value of a name counts"),
    ),
    newest_wins=True,
)

REPORTED_TAX = Dataset(
    "reported_tax",
    "record",
    "A row of an imported store's own orchestration_tax_summary.",
    ("linear_run_key", "agentic_run_key"),
    (
        required("linear_run_key", I, "The linear run"),
        required("agentic_run_key", I, "The agentic run"),
        *SOURCE,
        optional("linear_dynamic_uj", I, "As stored"),
        optional("agentic_dynamic_uj", I, "As stored"),
        optional("orchestration_tax_uj", I, "As stored"),
        optional("tax_percent", R, "As stored: share of the agentic run"),
        optional("linear_orchestration_uj", I, "As stored"),
        optional("agentic_orchestration_uj", I, "As stored"),
    ),
    newest_wins=True,
)

TASK_CATEGORIES = Dataset(
    "task_categories",
    "record",
    "The category of a task.",
    ("task_id",),
    (
        required("task_id", T, "Task identifier"),
        *SOURCE,
        required("category", T, "reasoning, coding, …"),
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
        required("line_number", I, "Line in the event file, from 1"),
        required("reason", T, "What is wrong with it"),
        required("line", T, "The line, at most 4,000 characters"),
    ),
)

TIMESTAMP = required("timestamp_ns", I, "Time of the sample, ns UTC")

ENERGY_DOMAINS: Final = ("pkg", "core", "uncore", "dram", "psys")

ENERGY_SAMPLES = Dataset(
    "energy_samples",
    "sample",
    "Raw energy counters of one CPU package, as read: cumulative, wrapping at their range.",
    ("run_key", "timestamp_ns", "package_index"),
    (
        RUN_KEY,
        TIMESTAMP,
        required("package_index", I, "CPU package, from 0; psys and the model stand on package 0"),
        *(optional(f"{d}_energy_uj", I, f"RAPL {d} counter") for d in ENERGY_DOMAINS),
        *(optional(f"{d}_range_uj", I, f"Value at which the {d} counter wraps") for d in ENERGY_DOMAINS),
        optional("model_energy_uj", I, "Cumulative estimate by the CPU-time model, on hosts without a counter"),
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
        optional("cpu_util_percent", R, "Utilisation of all CPUs"),
        optional("cpu_busy_mhz", R, "Mean frequency while busy"),
        optional("cpu_avg_mhz", R, "Mean frequency over busy and idle time"),
        *(optional(f"c{n}_residency", R, f"Core C{n} residency, percent") for n in (1, 2, 3, 6, 7)),
        *(optional(f"pkg_c{n}_residency", R, f"Package C{n} residency, percent") for n in (8, 9, 10)),
        optional("package_power", R, "Package power that the source gives, W"),
        optional("dram_power", R, "DRAM power that the source gives, W"),
        optional("gpu_rc6", R, "Integrated GPU RC6 residency, percent"),
        optional("package_temp", R, "Package temperature, °C"),
        optional("ipc", R, "Instructions per cycle"),
        optional("extra_metrics_json", T, "JSON of further metrics"),
    ),
)

INTERRUPT_SAMPLES = Dataset(
    "interrupt_samples",
    "sample",
    "Interrupt rate of the host.",
    ("run_key", "timestamp_ns"),
    (RUN_KEY, TIMESTAMP, optional("interrupts_per_sec", R, "Interrupts per second since the previous sample")),
)

THERMAL_SAMPLES = Dataset(
    "thermal_samples",
    "sample",
    "Temperatures of the host.",
    ("run_key", "timestamp_ns"),
    (
        RUN_KEY,
        TIMESTAMP,
        optional("sample_time_s", R, "Seconds since the start of the run"),
        optional("cpu_temp", R, "CPU package temperature, °C"),
        optional("system_temp", R, "Board temperature, °C"),
        optional("wifi_temp", R, "Wi-Fi adapter temperature, °C"),
        optional("throttle_event", I, "1 where a zone is at its passive trip point or the CPU counts a throttling"),
        optional("all_zones_json", T, "JSON of every zone's temperature, °C"),
        optional("sensor_count", I, "Zones read"),
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
        required("gpu_index", I, "GPU, from 0"),
        optional("gpu_uuid", T, "GPU UUID"),
        optional("energy_mj", I, "Total-energy counter, mJ since the driver was loaded"),
        optional("power_mw", I, "Power, mW"),
        optional("util_percent", R, "GPU utilisation"),
        optional("memory_used_mb", R, "GPU memory used, MiB"),
        optional("temp_c", R, "GPU temperature, °C"),
        optional("sm_clock_mhz", R, "SM clock"),
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
        *OUTCOME_DATASETS,
        *USAGE_DATASETS,
        *ML_DATASETS,
        *TRACKING_DATASETS,
        *CONDITION_DATASETS,
        *INFERENCE_DATASETS,
        ENERGY_SAMPLES,
        CPU_SAMPLES,
        INTERRUPT_SAMPLES,
        THERMAL_SAMPLES,
        GPU_SAMPLES,
    )
}
REJECTS: Final = (REJECTED_LINES, USAGE_REJECTS, RCDB_REJECTS, INFERENCE_REJECTS)
"""Datasets of what could not be understood where it was collected: quarantined whole, each row with its own reason."""
RECORD_DATASETS: Final = [d for d in DATASETS.values() if d.kind == "record"]
SAMPLE_DATASETS: Final = [d for d in DATASETS.values() if d.kind == "sample"]
