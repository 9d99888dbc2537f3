"""Small landing folders with known energies, written by the real drop writer.

A run of `seconds` at constant `watts`, sampled every 10 ms: its energy is watts × seconds, whatever computes it.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path

from collectors import contract
from collectors.drop import drop_rows
from collectors.ids import exp_key, run_key, stable_id

NS = 1_000_000_000
STEP_NS = 10_000_000
RANGE_UJ = 262_143_328_850
SOURCE = "alems-collect"
IDLE_WATTS = 2.0


def drop_session(landing: Path, days: Iterable[date], *, host: str = "lab-1", pairs_per_day: int = 1) -> None:
    """Per day: one experiment with linear (5 W, 1 s) and agentic (8 W, 2 s) pairs, hardware, environment, baseline."""
    for day in days:
        drop_day(landing, day, host=host, pairs=pairs_per_day)


def drop_day(landing: Path, day: date, *, host: str = "lab-1", pairs: int = 1, hour: int = 12) -> None:
    """One day's session; `hour` tells sessions of one day and host apart."""
    begin = datetime.combine(day, time(hour), UTC)
    begin_ns = int(begin.timestamp()) * NS
    source = {"source_system": SOURCE, "host": host, "recorded_at": begin}
    hw_id = stable_id("00000000000000aa", host)
    environment = dict.fromkeys(contract.ENVIRONMENT_COLUMNS) | {"python_version": "3.12.3", "os_name": "Linux"}
    env_id = stable_id(*(environment[name] for name in contract.ENVIRONMENT_COLUMNS))
    source_exp_id = f"session-{day}-{hour}/demo/task/model/local"
    experiment = exp_key(SOURCE, host, source_exp_id, begin)
    baseline_id = f"baseline-{host}-{day}-{hour}"

    def drop(dataset: contract.Dataset, rows: list[dict[str, object]]) -> None:
        drop_rows(landing, dataset, rows, host=host, producer="tests", date=day)

    drop(contract.HARDWARE_CONFIG, [source | {"hw_id": hw_id, "hardware_hash": "00000000000000aa", "hostname": host,
                                              "cpu_model": "Test CPU", "cpu_cores": 4}])  # fmt: skip
    drop(contract.ENVIRONMENT_CONFIG, [source | environment | {"env_id": env_id, "created_at": begin}])
    drop(contract.IDLE_BASELINES, [source | {
        "baseline_id": baseline_id, "hw_id": hw_id, "timestamp": begin.timestamp(), "package_power_watts": IDLE_WATTS,
        "package_std": 0.1, "package_autocorr_lag1": 0.0, "duration_seconds": 30, "sample_count": 30,
        "method": "idle_windows"}])  # fmt: skip
    drop(contract.EXPERIMENTS, [source | {
        "exp_key": experiment, "source_exp_id": source_exp_id, "name": "demo", "workflow_type": "comparison",
        "model_name": "model", "provider": "local", "task_name": "task", "created_at": begin, "status": "completed",
        "group_id": f"session-{day}-{hour}", "hw_id": hw_id, "env_id": env_id}])  # fmt: skip
    runs: list[dict[str, object]] = []
    samples: list[dict[str, object]] = []
    events: list[dict[str, object]] = []
    at_ns = begin_ns
    for number in range(1, pairs + 1):
        for workflow, watts, seconds in (("linear", 5.0, 1), ("agentic", 8.0, 2)):
            source_run_id = f"{source_exp_id}/{workflow}/{number}"
            key = run_key(SOURCE, host, source_run_id, at_ns)
            runs.append(source | {
                "run_key": key, "source_run_id": source_run_id, "exp_key": experiment, "hw_id": hw_id, "env_id": env_id,
                "baseline_id": baseline_id, "run_number": number, "workflow_type": workflow, "status": "completed",
                "exit_code": 0, "start_time_ns": at_ns, "end_time_ns": at_ns + seconds * NS})  # fmt: skip
            for step in range(-1, seconds * 100 + 2):
                energy_uj = round(watts * 1e6 * (step + 1) / 100)
                samples.append({
                    "run_key": key, "timestamp_ns": at_ns + step * STEP_NS, "package_index": 0,
                    "pkg_energy_uj": (7_000_000 + energy_uj) % RANGE_UJ, "pkg_range_uj": RANGE_UJ})  # fmt: skip
            if workflow == "agentic":
                for index, phase in enumerate(("planning", "execution")):
                    events.append({
                        "run_key": key, "step_index": index, "phase": phase, "event_type": "llm_call",
                        "start_time_ns": at_ns + index * NS, "end_time_ns": at_ns + (index + 1) * NS})  # fmt: skip
            at_ns += (seconds + 5) * NS
    drop(contract.RUNS, runs)
    drop(contract.ENERGY_SAMPLES, samples)
    drop(contract.ORCHESTRATION_EVENTS, events)
