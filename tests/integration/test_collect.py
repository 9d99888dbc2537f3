"""Real commands measured for real, what lands of them, and what signals and kills leave behind."""

import errno
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
import pyarrow.parquet as pq
import pytest

from collectors import contract, ids, measure
from collectors.contract import DATASETS
from collectors.drop import DropFailed
from collectors.measure import Recording
from collectors.session import Session, Subject

PYTHON = sys.executable
SUBJECT = Subject("e1", "t1", "m1", "p1", "DE")
PATIENCE_S = 30.0

Rows = list[dict[str, Any]]


def python(source: str) -> list[str]:
    return [PYTHON, "-c", textwrap.dedent(source)]


def landed(landing: Path, dataset: contract.Dataset) -> Rows:
    """All rows of a dataset; every file must be whole and of the contract's schema."""
    rows: Rows = []
    for file in sorted(landing.glob(f"{dataset.name}/date=*/*.parquet"), key=lambda path: path.name):
        table = pq.read_table(file, partitioning=None)
        assert table.schema.remove_metadata() == dataset.schema.remove_metadata(), file
        rows += table.to_pylist()
    return rows


def the_run(landing: Path) -> dict[str, Any]:
    (run,) = landed(landing, contract.RUNS)
    return run


def assert_enclosed(landing: Path, run: dict[str, Any]) -> None:
    """The run lies inside its energy samples, and all samples name it."""
    samples = [s for s in landed(landing, contract.ENERGY_SAMPLES) if s["run_key"] == run["run_key"]]
    times = [sample["timestamp_ns"] for sample in samples]
    assert times == sorted(times)
    assert times[0] <= run["start_time_ns"] <= run["end_time_ns"] <= times[-1]
    counter = "model_energy_uj" if samples[0]["pkg_energy_uj"] is None else "pkg_energy_uj"
    assert len(samples) >= 2 and all(sample[counter] is not None for sample in samples)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


# What lands


def test_everything_about_a_run_lands_by_contract(landing: Path) -> None:
    session = Session(landing)
    (result,) = session.run_command(
        SUBJECT,
        "agentic",
        python(
            """
            from collectors.events import condition, llm_call, step
            condition("temperature", 0.5)
            with step("planning", "llm_call"):
                llm_call(prompt_tokens=10, completion_tokens=5, local_compute_ms=1.5)
            with step("execution", "tool_call", tool="sum"):
                sum(range(3_000_000))
            with open(__import__("os").environ["ALEMS_EVENTS"], "a") as file:
                file.write("not JSON\\n")
            """
        ),
    )

    run = the_run(landing)
    assert result.status == run["status"] == "completed"
    assert (run["exit_code"], run["error_message"], run["run_number"]) == (0, None, 1)
    assert run["run_key"] == result.run_key
    assert run["run_key"] == ids.run_key("alems-collect", run["host"], run["source_run_id"], run["start_time_ns"])
    assert run["user_time_ms"] > 10 and run["rss_memory_mb"] > 1 and run["minor_page_faults"] > 100
    assert run["is_cold_start"] is True
    assert_enclosed(landing, run)

    (experiment, final) = landed(landing, contract.EXPERIMENTS)
    assert [experiment["status"], final["status"]] == ["running", "completed"]
    assert experiment["exp_key"] == final["exp_key"] == run["exp_key"]
    assert final["recorded_at"] > experiment["recorded_at"]
    names = ("name", "task_name", "model_name", "provider", "country_code", "workflow_type", "group_id")
    assert [final[name] for name in names] == ["e1", "t1", "m1", "p1", "DE", "agentic", session.id]
    assert final["source_exp_id"] == f"{session.id}/e1/t1/m1/p1"
    assert (final["runs_completed"], final["runs_total"]) == (1, 1)
    assert final["exp_key"] == ids.exp_key("alems-collect", final["host"], final["source_exp_id"], final["created_at"])

    (hardware,) = landed(landing, contract.HARDWARE_CONFIG)
    (environment,) = landed(landing, contract.ENVIRONMENT_CONFIG)
    assert (run["hw_id"], run["env_id"]) == (hardware["hw_id"], environment["env_id"])
    assert environment["python_version"] == ".".join(map(str, sys.version_info[:3]))

    first, second = landed(landing, contract.ORCHESTRATION_EVENTS)
    assert (first["phase"], second["event_type"]) == ("planning", "tool_call")
    assert run["start_time_ns"] < first["start_time_ns"] < second["end_time_ns"] < run["end_time_ns"]
    assert second["end_time_ns"] - second["start_time_ns"] > 1_000_000, "three million additions"
    (call,) = landed(landing, contract.LLM_INTERACTIONS)
    assert (call["total_tokens"], call["workflow_type"], call["model_name"]) == (15, "agentic", "m1")
    (condition,) = landed(landing, contract.RUN_CONDITIONS)
    assert (condition["name"], condition["float_value"]) == ("temperature", 0.5)
    (rejected,) = landed(landing, contract.REJECTED_LINES)
    assert (rejected["line"], rejected["line_number"]) == ("not JSON", 5)

    run_keys = {row["run_key"] for name in result.rows for row in landed(landing, DATASETS[name])}
    assert run_keys == {run["run_key"]}
    assert result.rows == {name: len(landed(landing, DATASETS[name])) for name in result.rows}
    days = {path.parent.name for path in landing.glob("*/date=*/*")}
    assert days == {f"date={ids.utc_from_ns(run['start_time_ns']).date()}"}


def test_a_command_has_a_group_of_its_own_and_knows_its_run(landing: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    command = python(
        f"""
        import os
        facts = os.getpid() == os.getpgrp(), os.environ["ALEMS_RUN_KEY"], os.path.exists(os.environ["ALEMS_EVENTS"])
        open({str(report)!r}, "w").write(repr(facts))
        """
    )
    (result,) = Session(landing).run_command(SUBJECT, "linear", command)
    assert report.read_text() == repr((True, str(result.run_key), False))


def test_a_failing_command_is_a_failed_run_and_the_next_follows(landing: Path) -> None:
    session = Session(landing)
    fails = python("import sys; print('so far'); sys.exit('it broke')")
    results = session.run_command(SUBJECT, "linear", fails, repeat=2, quiet=True)
    results += session.run_command(SUBJECT, "linear", ["true"])
    results += session.run_command(SUBJECT, "linear", python("import os; os.abort()"), quiet=True)

    rows = landed(landing, contract.RUNS)
    assert [(r["run_number"], r["status"], r["exit_code"]) for r in rows] == [
        (1, "failed", 1),
        (2, "failed", 1),
        (3, "completed", 0),
        (4, "failed", -signal.SIGABRT),
    ]
    assert [r.exit_code for r in results] == [r["exit_code"] for r in rows]
    assert rows[0]["error_message"] == "exit code 1: it broke"
    assert len({row["exp_key"] for row in rows}) == 1, "one experiment: same session, name, task, model and provider"
    for row in rows:
        assert_enclosed(landing, row)
    final = landed(landing, contract.EXPERIMENTS)[-1]
    assert (final["status"], final["runs_completed"], final["runs_total"]) == ("partial", 1, 4)


def test_a_command_that_cannot_be_started_ends_the_series(landing: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no program")
    for name, code in (("no-such-command", 127), (str(tmp_path / "data"), 126)):
        results = Session(landing).run_command(SUBJECT, "linear", [name], repeat=3)
        assert [(r.status, r.exit_code, r.started) for r in results] == [("failed", code, False)]
        run = landed(landing, contract.RUNS)[-1]
        assert (run["status"], run["exit_code"]) == ("failed", code)
        assert run["error_message"].startswith(f"{name}: cannot be run, ")
        assert_enclosed(landing, run)
        assert landed(landing, contract.EXPERIMENTS)[-1]["status"] == "failed"


def test_an_event_file_that_cannot_be_read_costs_the_events_only(landing: Path) -> None:
    told: list[str] = []
    command = python("import os; os.mkdir(os.environ['ALEMS_EVENTS'])")
    (result,) = Session(landing, tell=told.append).run_command(SUBJECT, "linear", command)
    assert result.status == the_run(landing)["status"] == "completed"
    assert any("not read, Is a directory" in message for message in told)


def test_samples_wait_in_memory_while_the_disk_is_full(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    flush = Recording.flush
    failures = 0

    def full_at_first(recording: Recording) -> None:
        nonlocal failures
        if failures:
            return flush(recording)
        failures += 1
        fifo.write_text("go on")
        raise DropFailed(errno.ENOSPC, "disk full")

    monkeypatch.setattr(Recording, "flush", full_at_first)
    monkeypatch.setattr(measure, "DRAIN_EVERY_S", 0.01)
    monkeypatch.setattr(measure, "FLUSH_EVERY_S", (0.05, 0.05))
    told: list[str] = []
    (result,) = Session(landing, tell=told.append).run_command(SUBJECT, "linear", ["cat", str(fifo)], quiet=True)
    assert result.status == "completed"
    assert any("disk full" in message for message in told)
    run = landed(landing, contract.RUNS)[-1]
    assert (run["status"], failures) == ("completed", 1)
    assert_enclosed(landing, run)


def test_pairs_are_warmed_up_alternate_and_share_their_numbers(landing: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write = "import os, sys; open(sys.argv[1], 'a').write(sys.argv[2] + str(int('ALEMS_EVENTS' in os.environ)) + ' ')"
    progress: list[tuple[int, int]] = []
    results = Session(landing).compare(
        SUBJECT,
        [PYTHON, "-c", write, str(log), "L"],
        [PYTHON, "-c", write, str(log), "A"],
        repeat=2,
        on_progress=lambda state: progress.append((state.done, state.total)),
    )
    assert log.read_text().split() == ["L0", "A0", "L1", "A1", "A1", "L1"], "warm-ups are not measured"
    assert progress == [(done, 6) for done in range(6)]
    rows = landed(landing, contract.RUNS)
    assert [(r["workflow_type"], r["run_number"]) for r in rows] == [
        ("linear", 1),
        ("agentic", 1),
        ("agentic", 2),
        ("linear", 2),
    ]
    assert not any(row["is_cold_start"] for row in rows)
    assert {result.status for result in results} == {"completed"}
    final = landed(landing, contract.EXPERIMENTS)[-1]
    assert (final["workflow_type"], final["status"], final["runs_total"]) == ("comparison", "completed", 4)


def test_pairs_stay_pairs_where_one_form_was_measured_before(landing: Path) -> None:
    session = Session(landing)
    session.run_command(SUBJECT, "linear", ["true"])
    session.compare(SUBJECT, ["true"], ["true"], repeat=1)
    assert [(r["workflow_type"], r["run_number"]) for r in landed(landing, contract.RUNS)] == [
        ("linear", 1),
        ("linear", 2),
        ("agentic", 2),
    ]
    assert landed(landing, contract.EXPERIMENTS)[-1]["workflow_type"] == "comparison"


# Signals


@contextmanager
def collector(landing: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`alems-collect` as a process with a readable output; killed at the end if it still runs."""
    process = subprocess.Popen(
        [PYTHON, "-m", "collectors.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # select() must see what has come
        env={**os.environ, "ALEMS_WAREHOUSE": str(landing.parent)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_line(stream: IO[bytes] | None) -> str:
    """The next line of a process, or a failed test rather than one that hangs."""
    assert stream is not None
    assert select.select([stream], [], [], PATIENCE_S)[0], "nothing came"
    return stream.readline().decode().strip()


RUN = ("run", "--experiment", "e", "--task", "t", "--workflow", "linear", "--model", "m", "--provider", "p")

OBEDIENT = """
import signal, sys
from collectors.events import step
with step("planning", "waiting"):
    try:
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM}) if "term" in sys.argv else signal.pause()
    except KeyboardInterrupt:
        pass
print("ended by itself", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command_and_what_was_measured_is_kept(landing: Path, number: signal.Signals) -> None:
    # Through a shell: the signal goes to the whole group, not to the shell alone.
    block = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
    program = (block if number == signal.SIGTERM else "") + OBEDIENT
    kind = "term" if number == signal.SIGTERM else "int"
    shell = 'trap : INT TERM; "$@"; exit 0'
    command = ["sh", "-c", shell, "sh", PYTHON, "-c", program, kind]
    with collector(landing, *RUN, "--repeat", "3", "--", *command) as process:
        assert read_line(process.stdout) == "ready"
        process.send_signal(number)
        assert read_line(process.stdout) == "ended by itself"
        assert process.wait(PATIENCE_S) == 128 + number
    run = the_run(landing)
    assert (run["status"], run["error_message"], run["exit_code"]) == ("partial", "interrupted", 0)
    assert_enclosed(landing, run)
    (event,) = landed(landing, contract.ORCHESTRATION_EVENTS)
    assert event["phase"] == "planning"
    final = landed(landing, contract.EXPERIMENTS)[-1]
    assert (final["status"], final["runs_completed"], final["runs_total"]) == ("partial", 0, 3)


STUBBORN = """
import os, signal
signal.signal(signal.SIGINT, lambda number, frame: os.write(1, b"no\\n"))
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_a_second_signal_kills_the_command(landing: Path) -> None:
    with collector(landing, *RUN, "--", PYTHON, "-c", STUBBORN) as process:
        assert read_line(process.stdout) == "ready"
        process.send_signal(signal.SIGINT)
        assert read_line(process.stdout) == "no"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
    run = the_run(landing)
    assert (run["status"], run["exit_code"]) == ("partial", -signal.SIGKILL)
    assert_enclosed(landing, run)


def test_a_signal_ends_a_comparison_between_runs(landing: Path, tmp_path: Path) -> None:
    """It comes while the linear run is measured: the agentic one is not begun."""
    count = tmp_path / "count"
    linear = f"""
import pathlib, signal
count = pathlib.Path({str(count)!r})
count.write_text(count.read_text() + "x" if count.exists() else "x")
if count.read_text() == "xx":
    pathlib.Path({str(tmp_path / "fifo")!r}).open("w").write("measured\\n")
    signal.pause()
"""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "linear.py").write_text(linear)
    arguments = ("compare", "--linear", f"{PYTHON} {tmp_path / 'linear.py'}", "--agentic", "true", "--cooldown", "0")
    with collector(landing, *arguments) as process:
        with (tmp_path / "fifo").open("rb", buffering=0) as fifo:
            assert read_line(fifo) == "measured"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    run = the_run(landing)
    assert (run["workflow_type"], run["status"], run["exit_code"]) == ("linear", "partial", -signal.SIGTERM)
    assert landed(landing, contract.EXPERIMENTS)[-1]["status"] == "partial"


# Kills

KILLED = """
import sys
from pathlib import Path
from collectors import measure
from collectors.session import Session, Subject

measure.DRAIN_EVERY_S = 0.02
measure.FLUSH_EVERY_S = (0.05, 0.05)
flush = measure.Recording.flush

def flush_and_say(recording):
    print("flushing", flush=True)
    flush(recording)

measure.Recording.flush = flush_and_say
Session(Path(sys.argv[1])).run_command(Subject("e"), "linear", ["sleep", "60"])
"""


@pytest.mark.parametrize("flushes", [1, 2, 4])
def test_a_kill_leaves_whole_files_and_a_partial_run(landing: Path, flushes: int) -> None:
    process = subprocess.Popen([PYTHON, "-c", KILLED, str(landing)], stdout=subprocess.PIPE, bufsize=0)
    for _ in range(flushes):
        assert read_line(process.stdout) == "flushing"
    commands = psutil.Process(process.pid).children()
    process.kill()  # in the middle of writing
    for command in commands:
        command.kill()
    process.communicate()

    for dataset in DATASETS.values():
        landed(landing, dataset)  # each file is whole
    runs = landed(landing, contract.RUNS)
    assert len(runs) >= flushes - 1
    for run in runs:
        assert (run["status"], run["exit_code"]) == ("partial", None)
        assert run["error_message"] == "the collector did not see the end of this run"
    if runs:
        samples = landed(landing, contract.ENERGY_SAMPLES)
        assert {sample["run_key"] for sample in samples} == {runs[-1]["run_key"]}
        assert min(sample["timestamp_ns"] for sample in samples) <= runs[-1]["start_time_ns"]
        assert runs[-1]["end_time_ns"] > runs[-1]["start_time_ns"]
    assert [experiment["status"] for experiment in landed(landing, contract.EXPERIMENTS)] == ["running"]
