"""The `alems-collect` command: what it prints, where, and with which exit code."""

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

from collectors import cli
from collectors.sensors import idle_baseline
from collectors.sensors.idle_baseline import NoBaseline
from tests.unit.test_sensors_gpu import FakeNvml

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
    assert last.startswith(f"alems-collect: {tmp_path / 'file'}/") and "not written, File exists" in last
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
