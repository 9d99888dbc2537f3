"""The `alems-collect` command: what it prints, where, and with which exit code."""

import csv
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collectors import cli, contract
from collectors.countries import country_code
from collectors.sensors import idle_baseline, process_tree
from collectors.sensors.idle_baseline import NoBaseline
from tests.unit.test_sensors_gpu import FakeNvml
from tests.unit.test_session import landed as landed_rows

ROOT = Path(__file__).parents[2]
STORE = Path(__file__).parent.parent / "data/host_a.db"
RUN = ("run", "--experiment", "e", "--task", "t", "--workflow", "linear", "--model", "m", "--provider", "p")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Collect = Callable[..., Ended]


@pytest.fixture
def collect(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Collect:
    """`alems-collect` in this process, with a warehouse of its own."""
    monkeypatch.setenv("ALEMS_WAREHOUSE", str(tmp_path / "warehouse"))

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["alems-collect", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    return run


def landed(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "warehouse/landing").glob("*")}


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, collectors.cli; print([m for m in ('pyarrow', 'psutil', 'rich') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"


def test_doctor_speaks_plainly_to_a_pipe(collect: Collect) -> None:
    ended = collect("doctor")
    header, *lines = [line.split("\t") for line in ended.out.splitlines()]
    assert (ended.code, header) == (0, ["sensor", "measures", "available", "remarks"])
    assert {line[0] for line in lines} == {"rapl", "cpu_model", "cpu", "interrupts", "thermal", "gpu", "perf"}
    assert all(line[2] in ("yes", "no") and (line[2] == "yes" or line[3]) for line in lines)
    as_json = json.loads(collect("doctor", "--json").out)
    assert [finding["available"] for finding in as_json] == [line[2] == "yes" for line in lines]


def test_doctor_draws_a_table_for_a_person() -> None:
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "collectors.cli", "doctor"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(master, 65_536):
            shown += part
    except OSError:
        pass  # Linux says EIO when the last one has closed the terminal
    os.close(master)
    assert process.wait() == 0
    assert "┃" in shown.decode() and "\x1b[32myes" in shown.decode()


def test_run_passes_output_and_exit_code_on(collect: Collect, tmp_path: Path) -> None:
    ended = collect(*RUN, sys.executable, "-c", "print('--repeat 9'); raise SystemExit(3)", "--repeat", "9")
    assert (ended.code, ended.out) == (3, "--repeat 9\n")
    summary = ended.err.splitlines()[-2]
    assert summary.startswith("linear run 1 of t: failed, exit code 3; ")
    assert {"runs", "experiments", "energy_samples", "hardware_config"} <= landed(tmp_path)


def test_run_says_every_run(collect: Collect) -> None:
    ended = collect(*RUN, "--repeat", "2", "--", "true")
    assert ended.code == 0
    assert [line.split(";")[0] for line in ended.err.splitlines()[-3:-1]] == [
        "linear run 1 of t: completed",
        "linear run 2 of t: completed",
    ]
    assert ended.err.splitlines()[-1].startswith("Dropped in ")


SAYS = """
import os
from collectors.events import condition, step
with step("planning", "llm_call"): pass
with step("execution", "tool_call"): pass
condition("success", "yes")
open(os.environ["ALEMS_EVENTS"], "a").write("not JSON\\n")
"""


def test_run_says_how_many_events_there_were_and_what_was_rejected(collect: Collect) -> None:
    ended = collect(*RUN, "--", sys.executable, "-c", SAYS)
    assert ended.err.splitlines()[-2].endswith(
        ", 2 event(s), 2 event line(s) rejected, the first: condition success 'yes' is of type string; give it as bool"
    )
    assert collect(*RUN, "--", "true").err.splitlines()[-2].endswith(", 0 event(s)")


def test_compare_says_each_reason_once(collect: Collect) -> None:
    says = shlex.join([sys.executable, "-c", SAYS])
    ended = collect("compare", "--linear", says, "--agentic", says, "--repeat", "1", "--cooldown", "0")
    assert [line for line in ended.err.splitlines() if "rejected" in line] == [
        "2 event line(s) rejected: condition success 'yes' is of type string; give it as bool",
        "2 event line(s) rejected: bad JSON: Expecting value at character 1",
    ]


def test_a_busy_host_is_one_note(collect: Collect, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([20.0, 47.1, 19.0, 30.0])
    monkeypatch.setattr(process_tree, "_background_percent", lambda *_: next(shares))
    busy = [line for line in collect(*RUN, "--repeat", "2", "--", "true").err.splitlines() if "others" in line]
    assert busy == [
        "others took 47 % of the host's CPU during linear run 2, more than 20 %: its figures are marked as not valid "
        "(run_quality); end what else runs here"
    ]
    shares = iter([25.0, 47.1, 19.0, 30.0])
    arguments = ("compare", "--linear", "true", "--agentic", "true", "--repeat", "2", "--cooldown", "0")
    busy = [line for line in collect(*arguments).err.splitlines() if "others" in line]
    assert busy == [
        "others took up to 47 % of the host's CPU during 3 of 4 runs, more than 20 %: their figures are marked as not "
        "valid (run_quality); end what else runs here"
    ]


@pytest.mark.parametrize("country", ["Germany", "XX", "DEU", "", "US-", "US-CALI", "ß"])
def test_what_is_no_country_is_refused(collect: Collect, tmp_path: Path, country: str) -> None:
    ended = collect(*RUN, "--country", country, "--", "true")
    assert ended.code == 2 and "--country" in ended.err and repr(country) in ended.err and "DE or US-CA" in ended.err
    assert landed(tmp_path) == set()


@pytest.mark.parametrize(("country", "code"), [("de", "DE"), ("US-CA", "US-CA"), (" gb ", "GB"), ("fr-75", "FR-75")])
def test_a_country_is_written_in_capitals(country: str, code: str) -> None:
    assert country_code(country) == code


def test_every_country_of_the_registry_is_known() -> None:
    with (ROOT / "sql/registry/grid_factors.csv").open() as file:
        codes = {row["country_code"] for row in csv.DictReader(file)} - {"WORLD"}
    assert len(codes) > 200 and all(country_code(code) == code for code in codes)


@pytest.mark.parametrize("option", ["--experiment", "--task", "--model", "--provider"])
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_name_is_refused(collect: Collect, tmp_path: Path, option: str, text: str) -> None:
    arguments = list(RUN)
    arguments[arguments.index(option) + 1] = text
    ended = collect(*arguments, "--", "true")
    assert ended.code == 2 and option in ended.err and "is empty" in ended.err
    ended = collect("compare", "--linear", "true", "--agentic", "true", option, text)
    assert ended.code == 2 and option in ended.err and "is empty" in ended.err
    assert landed(tmp_path) == set()


@pytest.mark.parametrize(
    "arguments",
    [("otel", "none.x"), ("inferencex", "none.x"), ("dataset", "d", "none.x"), ("dataset", "d", "n.parquet")],
)
def test_a_file_that_is_not_there_is_one_line(collect: Collect, arguments: tuple[str, ...]) -> None:
    ended = collect(*arguments)
    assert (ended.code, ended.err) == (1, f"alems-collect: {arguments[-1]}: no such file; check the path\n")


def test_a_command_ended_by_a_signal_gives_the_code_of_a_shell(collect: Collect) -> None:
    assert collect(*RUN, "sh", "-c", "kill -SEGV $$").code == 128 + signal.SIGSEGV


def test_a_command_that_does_not_exist_is_one_clear_line(collect: Collect) -> None:
    ended = collect(*RUN, "no-such-command")
    assert ended.code == 127
    assert "failed, no-such-command: cannot be run, No such file or directory; " in ended.err.splitlines()[-2]


def test_compare_says_what_became_of_each_run(collect: Collect) -> None:
    fails = shlex.join([sys.executable, "-c", "raise SystemExit('no answer')"])
    ended = collect("compare", "--linear", "true", "--agentic", fails, "--repeat", "1", "--cooldown", "0")
    assert ended.code == 1
    header, *lines = [line.split("\t") for line in ended.out.splitlines()]
    rows: list[dict[str, Any]] = [dict(zip(header, line, strict=True)) for line in lines]
    assert [(row["pair"], row["workflow"], row["status"], row["error"]) for row in rows] == [
        ("1", "linear", "completed", ""),
        ("1", "agentic", "failed", "exit code 1: no answer"),
    ]
    arguments = ("compare", "--linear", "true", "--agentic", "true", "--repeat", "1", "--cooldown", "0", "--json")
    assert [row["status"] for row in json.loads(collect(*arguments).out)] == ["completed", "completed"]


# Sessions of several calls

AGENTIC = tuple("agentic" if argument == "linear" else argument for argument in RUN)
PAIR = ("compare", "--experiment", "e", "--task", "t", "--model", "m", "--provider", "p", "--cooldown", "0")


def numbers(landing: Path) -> list[tuple[str, int]]:
    return [(run["workflow_type"], run["run_number"]) for run in landed_rows(landing, contract.RUNS)]


def test_calls_of_one_session_make_pairs(collect: Collect, tmp_path: Path) -> None:
    landing = tmp_path / "warehouse/landing"
    assert collect(*RUN, "--session", "s", "--country", "de", "--repeat", "2", "--", "true").code == 0
    first = landed_rows(landing, contract.EXPERIMENTS)[-1]
    assert (first["status"], first["workflow_type"], first["runs_total"]) == ("completed", "linear", 2)
    assert collect(*AGENTIC, "--session", "s", "--", "false").code == 1
    assert collect(*AGENTIC, "--session", "s", "--", "true").code == 0
    assert numbers(landing) == [("linear", 1), ("linear", 2), ("agentic", 1), ("agentic", 2)]
    runs, experiments = (landed_rows(landing, dataset) for dataset in (contract.RUNS, contract.EXPERIMENTS))
    same = ("exp_key", "source_exp_id", "created_at", "group_id", "country_code")
    assert len({tuple(each[name] for name in same) for each in experiments}) == 1
    assert {run["exp_key"] for run in runs} == {first["exp_key"]}
    assert [run["is_cold_start"] for run in runs] == [True, False, True, False]
    last = experiments[-1]
    assert last["recorded_at"] == max(each["recorded_at"] for each in experiments)
    counts = ("workflow_type", "status", "runs_completed", "runs_total", "error_message", "started_at")
    assert [last[name] for name in counts] == ["comparison", "partial", 3, 4, "exit code 1", first["started_at"]]
    assert last["completed_at"] > first["completed_at"]

    assert collect(*PAIR, "--session", "s", "--linear", "true", "--agentic", "true", "--repeat", "1").code == 0
    assert sorted(numbers(landing)[4:]) == [("agentic", 3), ("linear", 3)]
    assert landed_rows(landing, contract.EXPERIMENTS)[-1]["runs_total"] == 6


def test_other_sessions_and_calls_without_one_stay_apart(collect: Collect, tmp_path: Path) -> None:
    for options in ((), ("--session", "a"), ("--session", "b"), ()):
        collect(*RUN, *options, "--", "true")
    assert numbers(tmp_path / "warehouse/landing") == [("linear", 1)] * 4
    experiments = landed_rows(tmp_path / "warehouse/landing", contract.EXPERIMENTS)
    assert len({each["group_id"] for each in experiments}) == len({each["exp_key"] for each in experiments}) == 4
    assert len(list((tmp_path / "warehouse/collector-state").glob("session-*.json"))) == 2


def test_of_two_calls_at_once_one_is_refused(collect: Collect, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "collectors.cli", *RUN, "--session", "s", "--", "sh", "-c", "echo up; read x"]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert other.stdout is not None and other.stdin is not None
    with other:
        assert other.stdout.readline() == b"up\n"
        ended = collect(*RUN, "--session", "s", "--", "true")
        assert ended.code == 1 and ended.err.splitlines()[-1] == (
            f"alems-collect: session s: process {other.pid} measures for it; let it end, or give another --session"
        )
        assert collect(*RUN, "--session", "t", "--", "true").code == 0
        other.stdin.close()
    assert collect(*RUN, "--session", "s", "--", "true").code == 0
    assert sorted(numbers(tmp_path / "warehouse/landing")) == [("linear", 1), ("linear", 1), ("linear", 2)]


def test_a_killed_call_takes_its_number_along(collect: Collect, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "collectors.cli", *RUN, "--session", "s", "--", "sh", "-c", "kill -9 $PPID"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert collect(*RUN, "--session", "s", "--", "true").code == 0
    landing = tmp_path / "warehouse/landing"
    assert numbers(landing) == [("linear", 2)]
    last = landed_rows(landing, contract.EXPERIMENTS)[-1]
    assert (last["status"], last["runs_completed"], last["runs_total"]) == ("partial", 1, 2)


@pytest.mark.parametrize("content", ["", "{", "[]", "\xff", '{"version": 1}', '{"version": 2, "id": "x"}', "half"])
def test_a_damaged_session_is_one_line_and_nothing_is_measured(collect: Collect, tmp_path: Path, content: str) -> None:
    collect(*RUN, "--session", "s", "--", "true")
    (path,) = (tmp_path / "warehouse/collector-state").glob("session-*.json")
    whole = path.read_text()
    path.write_bytes(whole[: len(whole) // 2].encode() if content == "half" else content.encode("latin-1"))
    ended = collect(*RUN, "--session", "s", "--", "true")
    last = ended.err.splitlines()[-1]
    assert ended.code == 1 and last.startswith(f"alems-collect: {path}: no state of a session (")
    assert last.endswith("; delete it to begin session s anew, whose runs then pair with none before")
    assert len(numbers(tmp_path / "warehouse/landing")) == 1


def test_an_experiment_of_a_session_is_of_one_country(collect: Collect, tmp_path: Path) -> None:
    collect(*RUN, "--session", "s", "--", "true")
    collect(*RUN, "--session", "s", "--country", "DE", "--", "true")
    ended = collect(*RUN, "--session", "s", "--country", "FR", "--", "true")
    assert (ended.code, ended.err.splitlines()[-1]) == (
        1,
        "alems-collect: t: its session has runs of it in DE and not FR; give --country DE, or another --session",
    )
    experiments = landed_rows(tmp_path / "warehouse/landing", contract.EXPERIMENTS)
    assert [each["country_code"] for each in experiments] == [None, None, "DE", "DE"]


def test_a_gpu_that_is_not_there_is_one_line(collect: Collect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    ended = collect(*RUN, "--gpu", "1", "--gpu", "4", "--", "true")
    assert (ended.code, ended.err.splitlines()[-1]) == (
        1,
        "alems-collect: --gpu: no GPU 4; this host has 0, GPU-0, 1, GPU-1",
    )
    assert landed(tmp_path) == set()


def test_compare_needs_two_commands(collect: Collect) -> None:
    ended = collect("compare", "--linear", "", "--agentic", "true")
    assert ended.code == 2 and "--linear and --agentic each need a command" in ended.err


def test_a_busy_host_gets_no_baseline_and_is_told_why(
    collect: Collect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NoBaseline("no idle baseline: the CPUs were 93 % busy")

    monkeypatch.setattr(idle_baseline, "measure", refuse)
    ended = collect("baseline")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == "alems-collect: no idle baseline: the CPUs were 93 % busy"
    assert landed(tmp_path) == set()


def test_a_baseline_is_shown(collect: Collect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured = {"timestamp": 1.8e9, "model_power_watts": 2.5, "package_power_watts": None, "sample_count": 7}
    monkeypatch.setattr(idle_baseline, "measure", lambda *_, **__: measured)
    ended = collect("baseline", "--seconds", "7")
    shown = dict(line.split("\t") for line in ended.out.splitlines())
    assert (shown["model_power_watts"], shown["sample_count"]) == ("2.5", "7")
    assert "package_power_watts" not in shown
    assert json.loads(collect("baseline", "--json").out)[0]["model_power_watts"] == 2.5
    assert landed(tmp_path) == {"hardware_config", "idle_baselines"}


def test_an_unwritable_landing_is_one_line(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = collect(*RUN, "--landing", str(tmp_path / "file"), "true")
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert last.startswith(f"alems-collect: {tmp_path / 'file'}/") and "not written, File exists; 1 row(s) of" in last
    assert "are lost; make " in last and last.endswith(" writable and start again") and "memory" not in last
    assert "Traceback" not in ended.err


def test_stores_are_imported(collect: Collect, tmp_path: Path) -> None:
    ended = collect("alems-store", str(STORE), "--json")
    rows = {row["dataset"]: row["rows"] for row in json.loads(ended.out)}
    assert ended.code == 0
    assert (rows["runs"], rows["experiments"]) == (20, rows["experiments"])
    assert {name for name, count in rows.items() if count} == landed(tmp_path)


def test_a_store_that_is_none_is_one_line(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no store")
    for name in ("x.db", "missing.db"):
        ended = collect("alems-store", str(tmp_path / name))
        assert (ended.code, ended.out) == (1, "")
        (line,) = ended.err.splitlines()
        assert line.startswith("alems-collect: ") and name in line
