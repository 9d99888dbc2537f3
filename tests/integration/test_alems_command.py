"""The `alems` command as a user types it: status, sql, backup, reset, and what it says when something is wrong."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from alems_pipeline.event_log import open_instance
from alems_pipeline.warehouse import Warehouse
from tests.small_landing import drop_day
from tests.warehouses import materialize, table_hashes, warehouse_with


def alems(home: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("alems"), *arguments],
        env={**os.environ, "ALEMS_WAREHOUSE": str(home)},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def home(example_landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse with the example stores and one foreign file."""
    home = warehouse_with(example_landing, tmp_path_factory.mktemp("published"))
    foreign = home / "landing" / "runs" / "date=2026-01-21" / "notes.parquet"
    foreign.write_bytes(b"not a Parquet file")
    (home / "landing" / "stray.parquet").write_bytes(b"of no day")
    materialize(home)
    return home


def test_status_names_the_quarantined_file_and_its_reason(home: Path) -> None:
    status = json.loads(alems(home, "status", "--json").stdout)
    quarantined, stray = status["quarantined_files"]
    assert quarantined["path"] == "runs/date=2026-01-21/notes.parquet"
    assert "no readable Parquet file" in quarantined["reason"]
    assert status["publication"]["age"].startswith("0:0") and status["pending"] == []
    counts = {row["dataset"]: row for row in status["datasets"]}
    assert counts["energy_samples"]["landed"] == 12705 + 12086
    printed = alems(home, "status").stdout
    assert "notes.parquet" in printed and "Pending: nothing" in printed
    assert (stray["path"], stray["landing_date"]) == ("stray.parquet", None)
    assert "2 file(s) (1 of them belong to no day)" in printed


def test_sql_prints_csv_to_a_pipe_and_json_on_request(home: Path) -> None:
    query = "SELECT workflow_type, count(*) AS n FROM runs GROUP BY ALL ORDER BY ALL"
    assert list(csv.reader(io.StringIO(alems(home, "sql", query).stdout))) == [
        ["workflow_type", "n"], ["agentic", "20"], ["linear", "20"]]  # fmt: skip
    answer = json.loads(alems(home, "sql", query, "--format", "json").stdout)
    assert answer == [{"workflow_type": "agentic", "n": 20}, {"workflow_type": "linear", "n": 20}]


def test_sql_prompt_answers_statements_until_the_end_of_its_input(home: Path) -> None:
    answer = alems(home, "sql", text="SELECT 1 AS one;\nSELECT nonsense;\nSELECT\n  2 AS two;\n")
    assert answer.stdout == "one\n1\ntwo\n2\n"
    assert "nonsense" in answer.stderr and answer.returncode == 0


def test_sql_cannot_write(home: Path) -> None:
    answer = alems(home, "sql", "DELETE FROM runs")
    assert answer.returncode == 1
    assert "read-only" in answer.stderr


def test_the_guides_sample_queries_run_from_the_cookbook(home: Path) -> None:
    cookbook = Path(__file__).resolve().parents[2] / "sql" / "cookbook"
    latest = alems(home, "sql", "--file", str(cookbook / "latest_experiment_with_hardware.sql"), "--format", "json")
    [experiment] = json.loads(latest.stdout)
    assert experiment["task_name"] == "factual_qa" and "i7-1165G7" in experiment["cpu_model"]
    tax = alems(home, "sql", "--file", str(cookbook / "average_tax_by_provider.sql"), "--format", "json")
    assert {row["provider"]: row["samples"] for row in json.loads(tax.stdout)} == {"cloud": 10, "local": 10}
    [run] = json.loads(alems(home, "sql", "SELECT min(run_id) AS run_id FROM runs", "--format", "json").stdout)
    samples = alems(
        home, "sql", "--file", str(cookbook / "energy_samples_of_a_run.sql"), "--param", f"run_id={run['run_id']}"
    )
    assert len(samples.stdout.splitlines()) == 402 + 1


def test_a_backup_is_whole_and_reads_its_own_lake(home: Path, tmp_path: Path) -> None:
    answer = alems(home, "backup", str(tmp_path / "copy"))
    assert answer.returncode == 0, answer.stderr
    copy = tmp_path / "copy" / "alems.duckdb"
    assert table_hashes(copy) == table_hashes(Warehouse(home).published_path)
    with duckdb.connect(str(copy), read_only=True) as con:
        [(view,)] = con.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'energy_samples'").fetchall()
    assert str(tmp_path / "copy" / "lake") in view and str(home / "lake") not in view
    again = alems(home, "backup", str(tmp_path / "copy"))
    assert again.returncode == 1 and "exists already" in again.stderr


def test_reset_keeps_landing_and_materialize_makes_it_again(tmp_path: Path) -> None:
    from datetime import date

    home = tmp_path / "warehouse"
    drop_day(home / "landing", date(2026, 3, 1))
    materialize(home)
    before = table_hashes(Warehouse(home).published_path)
    assert alems(home, "reset", text="n\n").returncode != 0
    assert Warehouse(home).published_path.exists()
    assert alems(home, "reset", "--yes").returncode == 0
    assert sorted(path.name for path in home.iterdir() if not path.name.endswith(".lock")) == ["landing"]
    answer = alems(home, "materialize")
    assert answer.returncode == 0, answer.stderr
    assert table_hashes(Warehouse(home).published_path) == before
    assert "Nothing new" in alems(home, "materialize").stdout


@pytest.mark.parametrize("job", ["lake", "warehouse"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_materialize_in_one_line(
    three_day_landing: Path, tmp_path: Path, number: signal.Signals, job: str
) -> None:
    home = warehouse_with(three_day_landing, tmp_path)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("alems"), "materialize"],
        env={**os.environ, "ALEMS_WAREHOUSE": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Days 1 and 2 are a run, day 4 is one, the tables are the third, which takes seconds.
    while len(list((home / ".dagster" / "history" / "runs").glob("*-*.db"))) < {"lake": 1, "warehouse": 3}[job]:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert said == "alems: interrupted; nothing was published, `alems materialize` goes on from here\n"
    assert process.returncode == 128 + number
    with open_instance(home / ".dagster") as instance:
        latest, *before = [run.status.value for run in instance.get_runs()]
    assert set(before) <= {"SUCCESS"}
    assert latest == "FAILURE" or (job == "lake" and latest == "SUCCESS")  # a day is soon built
    assert not Warehouse(home).published_path.exists()


def test_what_was_interrupted_goes_on(three_day_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(three_day_landing, tmp_path)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("alems"), "materialize"],
        env={**os.environ, "ALEMS_WAREHOUSE": str(home)},
    )
    while not (home / "build.duckdb").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert alems(home, "materialize").stdout.endswith(f"Published {Warehouse(home).published_path}\n")


def test_a_warehouse_without_landing_publishes_empty_tables(tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    answer = alems(home, "materialize")
    assert answer.returncode == 0, answer.stderr
    counted = alems(home, "sql", "--format", "csv", "SELECT (SELECT count(*) FROM runs), count(*) FROM energy_samples")
    assert counted.stdout.splitlines()[1:] == ["0,0"], counted.stderr


def test_days_asked_for_are_built_again(tmp_path: Path) -> None:
    from datetime import date

    home = tmp_path / "warehouse"
    drop_day(home / "landing", date(2026, 3, 1))
    materialize(home)
    answer = alems(home, "materialize", "--from", "2026-03-01", "--to", "2026-03-01")
    assert answer.returncode == 0, answer.stderr
    assert "1 day(s) asked for" in answer.stdout


@pytest.mark.parametrize("command", [["sql", "SELECT 1"], ["backup", "somewhere"]], ids=lambda command: command[0])
def test_without_a_published_file_the_message_says_what_to_do(tmp_path: Path, command: list[str]) -> None:
    answer = alems(tmp_path / "warehouse", *command)
    assert answer.returncode == 1
    assert "nothing has been published yet; run `alems materialize`" in answer.stderr


def test_a_failed_blocking_check_publishes_nothing_and_says_so(tmp_path: Path) -> None:
    """A defect planted in a stage table: the old publication stays, the message names the check."""
    from datetime import date

    home = tmp_path / "warehouse"
    drop_day(home / "landing", date(2026, 3, 1))
    materialize(home)
    before = table_hashes(Warehouse(home).published_path)
    with Warehouse(home).write() as con:
        con.execute("UPDATE ops.landing_days SET n_landed = n_landed + 1 WHERE dataset = 'runs'")
        con.execute("UPDATE ops.day_builds SET built_at = now()")
    answer = alems(home, "materialize")
    assert answer.returncode == 1
    assert "landed_sums" in answer.stderr
    assert table_hashes(Warehouse(home).published_path) == before
