"""The session's rules: which sensor, which baseline, in which order, how often written."""

import json
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from collectors import baselines, contract
from collectors.clock import NS, Clock
from collectors.doctor import examine
from collectors.drop import conform
from collectors.measure import describe_exit, pause_ns
from collectors.process import Interruptions
from collectors.sampler import Sampler
from collectors.sensors.cpu_model import ModelWatts
from collectors.session import Session, Subject, alternating
from tests.unit.fake_host import FakeHost, unreadable
from tests.unit.test_sensors_gpu import FakeNvml

HW_ID = 4711


def landed(landing: Path, dataset: contract.Dataset) -> list[dict[str, Any]]:
    """All rows of a dataset, in the order in which their files were written."""
    files = sorted(landing.glob(f"{dataset.name}/date=*/*.parquet"), key=lambda path: path.name)
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host whose counters stand still: two RAPL packages, one idle CPU, no temperatures."""
    fake = FakeHost(tmp_path / "host")
    fake.two_socket_server()
    fake.stat((10, 0, 0, 100, 0, 0, 0, 0, 0, 0))
    return fake


# Sensors


def test_a_host_with_counters_is_measured_by_them(host: FakeHost, tmp_path: Path) -> None:
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    assert (session.energy_sensor.name, session.is_estimated) == ("rapl", False)
    assert [sensor.name for sensor in session.host.sensors] == ["rapl", "cpu", "interrupts"]
    assert not any("ESTIMATED" in message for message in told)


def test_what_is_missing_is_one_line_that_points_to_the_doctor(host: FakeHost, tmp_path: Path) -> None:
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    session.run_command(Subject("e"), "linear", ["true"], repeat=2)
    assert len(told) == 2 and told[1].startswith("No idle baseline")
    findings = [finding for finding in examine(host.sys, host.proc) if finding.remarks and finding.sensor != "rapl"]
    missing = ", ".join(finding.sensor for finding in findings if finding.sensor != "cpu_model")
    assert told[0] == f"Missing here, whole or in part: {missing}; `alems-collect doctor` says why for each"


def test_a_counter_of_energy_that_cannot_be_read_is_told_in_full(host: FakeHost, tmp_path: Path) -> None:
    host.write(host.sys / "class/powercap/intel-rapl:1/energy_uj", "nonsense")
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    assert not session.is_estimated
    assert any("RAPL" in message and "intel-rapl:1" in message for message in told)


def test_an_unknown_phase_is_told_at_once(host: FakeHost, tmp_path: Path) -> None:
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    program = "from collectors.events import step\nwith step('plan', 'llm_call'): pass"
    results = session.run_command(Subject("e"), "linear", [sys.executable, "-c", program], repeat=2)
    assert [result.rows["orchestration_events"] for result in results] == [1, 1]
    assert [message for message in told if "phase" in message] == [
        "phase 'plan' of a step: unknown, so the step counts to the phase around it, if any; "
        "give planning, execution, waiting, synthesis"
    ]


def test_a_host_without_counters_says_once_that_energy_is_estimated(host: FakeHost, tmp_path: Path) -> None:
    for energy in host.sys.glob("class/powercap/*/energy_uj"):
        unreadable(energy)
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    assert session.is_estimated
    (message,) = [message for message in told if "ESTIMATED" in message]
    assert "12 W" in message and "energy_uj" in message, "the model, and why nothing is measured"
    assert len(told) == len(set(told))


def test_an_estimate_is_by_the_watts_that_were_given_and_so_is_its_baseline(host: FakeHost, tmp_path: Path) -> None:
    for energy in host.sys.glob("class/powercap/*/energy_uj"):
        unreadable(energy)
    landing, watts = tmp_path / "landing", ModelWatts(busy=20.0, idle=0.5)
    told: list[str] = []
    session = Session(landing, tell=told.append, watts=watts, sys=host.sys, proc=host.proc)
    assert "20 W per busy CPU, 0.5 W per idle one" in next(message for message in told if "ESTIMATED" in message)
    session.energy_sensor.open()
    host.stat((110, 0, 0, 300, 0, 0, 0, 0, 0, 0))  # 1 s busy and 2 s idle more
    assert session.energy_sensor.read() == [(0, 21_000_000)]
    session.energy_sensor.close()
    baselines.keep(landing, baseline_record(model_power_watts=0.5, package_power_watts=None), model=watts)
    assert baselines.newest(landing, HW_ID, model=watts) is not None
    assert baselines.newest(landing, HW_ID, model=ModelWatts()) is None, "of another model"
    with pytest.raises(ValueError, match="idle ≤ busy"):
        ModelWatts(busy=1.0, idle=2.0)


def test_the_doctor_says_why_and_how(host: FakeHost) -> None:
    findings = {finding.sensor: finding for finding in examine(host.sys, host.proc)}
    assert set(findings) == {"rapl", "cpu_model", "cpu", "interrupts", "thermal", "gpu", "perf"}
    assert findings["rapl"].available and findings["rapl"].measures == "energy_samples, 100 Hz"
    assert not findings["thermal"].available and "modprobe" in findings["thermal"].remarks
    assert all(finding.remarks for finding in findings.values() if not finding.available)


# Baselines


def baseline_record(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "baseline_id": "b1",
        "source_system": "alems-collect",
        "host": "h",
        "recorded_at": now,
        "hw_id": HW_ID,
        "timestamp": now.timestamp(),
        "package_power_watts": 3.5,
        "model_power_watts": None,
    } | changes


def test_a_kept_baseline_comes_back_as_it_was(tmp_path: Path) -> None:
    record = baseline_record()
    baselines.keep(tmp_path / "landing", record, model=None)
    assert baselines.newest(tmp_path / "landing", HW_ID, model=None) == record
    assert conform(contract.IDLE_BASELINES, {name: [value] for name, value in record.items()}).num_rows == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"baseline-{HW_ID}.json"]


def test_the_newest_baseline_is_kept(tmp_path: Path) -> None:
    for name in ("b1", "b2"):
        baselines.keep(tmp_path / "landing", baseline_record(baseline_id=name), model=None)
    found = baselines.newest(tmp_path / "landing", HW_ID, model=None)
    assert found is not None and found["baseline_id"] == "b2"


def ago(**span: int) -> float:
    return (datetime.now(UTC) - timedelta(**span)).timestamp()


@pytest.mark.parametrize(
    ("record", "usable"),
    [
        (baseline_record(), True),
        (baseline_record(timestamp=ago(hours=23)), True),
        (baseline_record(timestamp=ago(hours=25)), False),
        (baseline_record(timestamp=ago(hours=-1)), False),
        (baseline_record(package_power_watts=None, model_power_watts=2.0), False),
    ],
    ids=["new", "23 hours", "25 hours", "from the future", "estimated, where energy is counted now"],
)
def test_only_a_young_baseline_of_the_same_kind_counts(tmp_path: Path, record: dict[str, Any], usable: bool) -> None:
    baselines.keep(tmp_path / "landing", record, model=None)
    assert (baselines.newest(tmp_path / "landing", HW_ID, model=None) is not None) == usable
    assert baselines.newest(tmp_path / "landing", HW_ID + 1, model=None) is None, "of other hardware"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"timestamp": "now"}', json.dumps({"timestamp": 1})])
def test_a_broken_baseline_file_is_none(tmp_path: Path, content: str) -> None:
    baselines.keep(tmp_path / "landing", baseline_record(), model=None)
    (tmp_path / f"collector-state/baseline-{HW_ID}.json").write_text(content)
    assert baselines.newest(tmp_path / "landing", HW_ID, model=None) is None


def test_a_measured_baseline_serves_this_session_and_the_next(host: FakeHost, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    steps: list[tuple[int, int]] = []
    session = Session(landing, sys=host.sys, proc=host.proc)
    record = session.run_baseline(seconds=1, on_progress=lambda state: steps.append((state.done, state.total)))
    (row,) = landed(landing, contract.IDLE_BASELINES)
    assert row == dict.fromkeys(contract.IDLE_BASELINES.column_names) | record
    assert (row["package_power_watts"], row["hw_id"]) == (0.0, session.hardware["hw_id"]), "its counters stand still"
    assert steps == [(1, 1)]
    assert [h["hw_id"] for h in landed(landing, contract.HARDWARE_CONFIG)] == [session.hardware["hw_id"]]

    told: list[str] = []
    for each in (session, Session(landing, tell=told.append, sys=host.sys, proc=host.proc)):
        each.run_command(Subject("e"), "linear", ["true"])
    assert {run["baseline_id"] for run in landed(landing, contract.RUNS)} == {record["baseline_id"]}
    assert not any("No idle baseline" in message for message in told)


def test_energy_and_baseline_are_of_the_gpus_that_were_named(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    landing = tmp_path / "landing"
    told: list[str] = []

    def session(*gpus: str) -> Session:
        return Session(landing, tell=told.append, gpus=gpus, sys=host.sys, proc=host.proc)

    record = session("1").run_baseline(seconds=1)
    session("GPU-1").run_command(Subject("e"), "linear", ["true"])
    assert {row["gpu_index"] for row in landed(landing, contract.GPU_SAMPLES)} == {1}
    session("0").run_command(Subject("e"), "linear", ["true"])
    session().run_command(Subject("e"), "linear", ["true"])
    assert [run["baseline_id"] for run in landed(landing, contract.RUNS)] == [record["baseline_id"], None, None]
    assert any("No idle baseline of this host with --gpu 0 from" in message for message in told)
    assert {row["gpu_count"] for row in landed(landing, contract.HARDWARE_CONFIG)} == {2}, "the host has both"
    with pytest.raises(OSError, match="--gpu: no GPU 2; this host has 0, GPU-0, 1, GPU-1"):
        session("2")


def test_without_a_baseline_the_way_to_one_is_told_once(host: FakeHost, tmp_path: Path) -> None:
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    session.run_command(Subject("e"), "linear", ["true"], repeat=2)
    assert [run["baseline_id"] for run in landed(tmp_path / "landing", contract.RUNS)] == [None, None]
    assert sum("alems-collect baseline" in message for message in told) == 1


# Runs


def test_pairs_alternate() -> None:
    assert list(alternating(3)) == [
        (1, "linear"),
        (1, "agentic"),
        (2, "agentic"),
        (2, "linear"),
        (3, "linear"),
        (3, "agentic"),
    ]


def test_a_longer_run_is_written_less_often() -> None:
    assert pause_ns(0) == 10 * NS
    assert pause_ns(200 * NS) == 10 * NS
    assert pause_ns(3600 * NS) == 180 * NS
    assert pause_ns(86_400 * NS) == 300 * NS


def test_an_exit_code_in_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-signal.SIGKILL) == "ended by signal 9 (Killed)"
    assert describe_exit(-40).startswith("ended by signal 40 ("), "a real-time signal has no name in Python"


def test_a_sensor_that_fails_when_opened_is_left_out(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Sampler.start

    def refuse_cpu(sampler: Sampler) -> None:
        if sampler.sensor.name == "cpu":
            raise OSError("gone")
        start(sampler)

    monkeypatch.setattr(Sampler, "start", refuse_cpu)
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    results = session.run_command(Subject("e"), "linear", ["true"], repeat=2)
    assert [result.status for result in results] == ["completed", "completed"]
    assert all("cpu_samples" not in result.rows and result.rows["energy_samples"] >= 4 for result in results)
    assert told.count("cpu: not sampled, gone") == 1


def test_a_source_that_breaks_is_told_and_not_fatal(host: FakeHost, tmp_path: Path) -> None:
    told: list[str] = []
    session = Session(tmp_path / "landing", tell=told.append, sys=host.sys, proc=host.proc)
    host.write(host.proc / "stat", "nonsense")
    (result,) = session.run_command(Subject("e"), "linear", ["true"])
    assert result.status == "completed"
    assert result.rows["energy_samples"] >= 4, "two packages, before and after"
    assert any(message.startswith("cpu: not sampled, ") for message in told)


# Signals


def test_a_signal_ends_a_wait_at_once_and_is_remembered() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruptions() as interruptions:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        interruptions.sleep(3600)
        assert interruptions.signal == signal.SIGTERM, "the first one counts"
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_thread_leaves_signals_alone() -> None:
    handlers: list[object] = []

    def measure_elsewhere() -> None:
        with Interruptions():
            handlers.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=measure_elsewhere)
    thread.start()
    thread.join()
    assert handlers == [before]


def test_the_clock_of_a_session_is_utc(tmp_path: Path, host: FakeHost) -> None:
    session = Session(tmp_path / "landing", sys=host.sys, proc=host.proc)
    assert isinstance(session.clock, Clock)
    assert abs(session.clock.now_ns() / NS - datetime.now(UTC).timestamp()) < 1
