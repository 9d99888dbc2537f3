"""What the `alems` command refuses, and the one line that it says then."""

import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from alems_pipeline import cli, demo, sql_files
from alems_pipeline.cli_common import os_error_line


@pytest.fixture(autouse=True)
def _empty_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEMS_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def alems(monkeypatch: pytest.MonkeyPatch) -> "Alems":
    return Alems(monkeypatch)


class Alems:
    """The command, run in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what it said on stderr."""
        said = StringIO()
        self.monkeypatch.setattr(sys, "argv", ["alems", *arguments])
        self.monkeypatch.setattr(sys, "stderr", said)
        self.monkeypatch.setattr(cli, "err", Console(file=said, width=240))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.getvalue()


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--pairs", "-1"], ["--pairs", "0"]], ids=" ".join)
def test_demo_measures_at_least_a_second_and_a_pair(alems: Alems, arguments: list[str]) -> None:
    code, said = alems("demo", *arguments)
    assert code == 2
    assert f"Invalid value for '{arguments[0]}'" in said and "greater than or equal to 1" in said


def test_days_from_later_to_earlier_are_refused(alems: Alems) -> None:
    assert alems("materialize", "--from", "2026-12-01", "--to", "2026-11-01") == (
        1, "alems: --from 2026-12-01 --to 2026-11-01: ends before it begins; give the earlier day as --from\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sql", "--file", "nosuch.sql"], "nosuch.sql: no such file or folder; check the path"),
        (["sql", "--file", "."], ".: is a folder; give a file"),
        (["sql", "--file", "binary"], "binary: no text in UTF-8; give a file with a query"),
        (["evidence", "verify", "nofile"], "nofile: no such file or folder; check the path"),
        (["materialize", "--warehouse", "/proc/x"], "/proc/x: no such file or folder; check the path"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_of_the_system_is_path_reason_remedy(alems: Alems, arguments: list[str], message: str) -> None:
    Path("binary").write_bytes(b"\xff\xfe\x00")
    code, said = alems(*arguments)
    assert (code, said.splitlines()[-1]) == (1, f"alems: {message}")


@pytest.mark.parametrize("command", [["materialize"], ["status"], ["sql", "SELECT 1"], ["conditions", "ls"]])
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_is_no_warehouse(alems: Alems, monkeypatch: pytest.MonkeyPatch, command: list[str], below: str) -> None:
    file = Path("file").resolve()
    file.touch()
    monkeypatch.setenv("ALEMS_WAREHOUSE", str(file / below))
    assert alems(*command) == (
        1, f"alems: {file}: a file, a warehouse is a folder; give --warehouse FOLDER or set ALEMS_WAREHOUSE\n"
    )  # fmt: skip


def test_of_a_missing_folder_the_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised:
        (tmp_path / "a" / "b" / "c").open("w")
    assert os_error_line(raised.value) == f"{tmp_path / 'a'}: no such folder; make it, or give another path"


def test_of_a_renaming_the_target_is_named(tmp_path: Path) -> None:
    (tmp_path / "part").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as raised:
        (tmp_path / "part").replace(tmp_path / "folder")
    assert os_error_line(raised.value) == f"{tmp_path / 'folder'}: is a folder; give a file"


def test_an_unusual_error_keeps_its_words(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError) as raised:
        (tmp_path / "loop").open()
    assert os_error_line(raised.value) == (
        f"{tmp_path / 'loop'}: Too many levels of symbolic links; mend that, then run again"
    )
    assert os_error_line(FileNotFoundError("ours: says all")) == "ours: says all"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """What print_tax reads, with three runs of this host, one of another, and one that was imported."""
    with duckdb.connect() as con:
        con.execute("CREATE TABLE hardware_config (hw_id INT, hostname VARCHAR)")
        con.execute("INSERT INTO hardware_config VALUES (1, ?), (2, 'another')", [os.uname().nodename])
        con.execute("CREATE TABLE runs (run_id INT, hw_id INT, source_system VARCHAR, total_energy_uj BIGINT, "
                    "energy_lo_uj BIGINT, energy_hi_uj BIGINT)")  # fmt: skip
        con.execute("CREATE TABLE run_quality (run_id INT, experiment_valid BOOLEAN, reasons VARCHAR)")
        con.execute("CREATE TABLE experiments (exp_id INT, task_name VARCHAR)")
        con.execute("CREATE TABLE orchestration_tax_summary (exp_id INT, agentic_run_id INT, linear_run_id INT, "
                    "is_estimated BOOLEAN, tax_multiplier DOUBLE)")  # fmt: skip
        for run_id, hw_id, system in ((1, 1, "alems-collect"), (2, 1, "alems-collect"), (3, 1, "alems-collect"),
                                      (4, 2, "alems-collect"), (5, 1, "a-lems")):  # fmt: skip
            con.execute("INSERT INTO runs VALUES (?, ?, ?, 1, 1, 1)", [run_id, hw_id, system])
            con.execute("INSERT INTO run_quality VALUES (?, true, '[]')", [run_id])
        yield con


def notes(con: duckdb.DuckDBPyConnection) -> list[str]:
    printed = StringIO()
    demo.print_tax(con, Console(file=printed, width=240))
    return [line for line in printed.getvalue().splitlines() if "not valid" in line]


def test_demo_says_which_of_its_runs_are_unfit(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("UPDATE run_quality SET experiment_valid = false, reasons = '[\"no_baseline\", \"background_cpu\"]' "
                "WHERE run_id IN (1, 4, 5)")  # fmt: skip
    con.execute("UPDATE run_quality SET experiment_valid = false, reasons = '[\"gaps\", \"no_baseline\"]' "
                "WHERE run_id = 2")  # fmt: skip
    assert notes(con) == ["2 of 3 runs measured here are not valid: background_cpu 1, gaps 1, no_baseline 2."]


def test_demo_says_nothing_where_every_run_is_fit(con: duckdb.DuckDBPyConnection) -> None:
    assert notes(con) == []
    con.execute("DELETE FROM runs")
    assert notes(con) == []


def test_unmapped_names_are_counted_as_names_and_as_rows() -> None:
    [check] = [file for file in sql_files.layer_files("checks") if file.name == "keys_unmapped"]
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA ops; CREATE TABLE ops.unknown_metrics (metric VARCHAR)")
        con.execute("CREATE TABLE ops.unmapped_keys AS SELECT * FROM (VALUES ('model', 'a', 12), ('model', 'b', 3), "
                    "('hardware', '', 4)) AS t(kind, raw_value, n_rows)")  # fmt: skip
        said = [f"{problem} ({n})" for _, problem, n in con.execute(check.text).fetchall()]
    assert said == [
        "1 hardware name(s) that no registry knows, most often (none given) in 4 row(s); rows with any of them (4)",
        "2 model name(s) that no registry knows, most often a in 12 row(s); rows with any of them (15)",
    ]
