"""The warehouse's two files: one transaction at a time goes in, whole snapshots come out."""

import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from alems_pipeline.warehouse import NestedWrite, NotPublished, PublishRefused, Warehouse, WarehouseBusy

OPS_DDL = (Path(__file__).parent.parent.parent / "sql" / "ddl" / "ops.sql").read_text()


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "home")
    with warehouse.write() as con:
        con.execute(OPS_DDL)
        con.execute("CREATE TABLE notes (n INTEGER PRIMARY KEY)")
    return warehouse


def notes(warehouse: Warehouse) -> list[int]:
    with warehouse.write() as con:
        return [n for (n,) in con.execute("SELECT n FROM notes ORDER BY n").fetchall()]


def published(warehouse: Warehouse) -> list[int]:
    with warehouse.read() as con:
        return [n for (n,) in con.execute("SELECT n FROM notes ORDER BY n").fetchall()]


def insert(warehouse: Warehouse, n: int) -> None:
    with warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (?)", [n])


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python process, past its first printed line; killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


WRITER = """
import sys
from alems_pipeline.warehouse import Warehouse
with Warehouse(sys.argv[1]).write() as con:
    con.execute("INSERT INTO notes VALUES (100)")
    print("ready", flush=True)
    sys.stdin.readline()
"""

READER = """
import sys
from alems_pipeline.warehouse import Warehouse
with Warehouse(sys.argv[1]).read() as con:
    print("ready", flush=True)
    while sys.stdin.readline():
        print(con.execute("SELECT list(n ORDER BY n) FROM notes").fetchone()[0], flush=True)
"""


def ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


# write()


def test_a_write_is_committed_and_closed(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (1)")
    with pytest.raises(duckdb.ConnectionException):
        con.execute("SELECT 1")
    assert notes(warehouse) == [1]


def test_any_error_rolls_back_and_closes(warehouse: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (1)")
        con.execute("CREATE TABLE half (n INTEGER)")
        _ = 1 / 0
    with pytest.raises(duckdb.ConnectionException):
        con.execute("SELECT 1")
    assert notes(warehouse) == []
    with warehouse.write() as con:
        assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'").fetchone() == (0,)


def test_an_error_of_duckdb_rolls_back_and_is_the_one_that_is_raised(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.ConstraintException, match=r"[Dd]uplicate key"), warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (1)")
        con.execute("INSERT INTO notes VALUES (1)")
    assert notes(warehouse) == []


def test_a_swallowed_error_of_duckdb_still_commits_nothing(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.TransactionException), warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (1)")
        with suppress(duckdb.ConstraintException):
            con.execute("INSERT INTO notes VALUES (1)")
    assert notes(warehouse) == []


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_an_error_is_not_hidden_by_a_rollback_that_cannot_be_made(warehouse: Warehouse, ending: str) -> None:
    with pytest.raises(ZeroDivisionError), warehouse.write() as con:
        con.execute(ending)
        _ = 1 / 0
    assert notes(warehouse) == [], "the lock is free again"


def test_a_nested_write_raises_instead_of_waiting_for_itself(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (1)")
        with pytest.raises(NestedWrite, match=r"build\.duckdb: write\(\) inside write\(\)"), warehouse.write():
            pass
        with pytest.raises(NestedWrite), Warehouse(warehouse.home).write(wait=False):
            pass
        con.execute("INSERT INTO notes VALUES (2)")
    assert notes(warehouse) == [1, 2], "the outer write is unharmed"


def test_another_process_is_named_and_waited_for(warehouse: Warehouse) -> None:
    with python(WRITER, str(warehouse.home)) as other:
        busy = rf"build\.duckdb: being written by process {other.pid}; try again when it has ended"
        with pytest.raises(WarehouseBusy, match=busy), warehouse.write(wait=False):
            pass
        told: list[str] = []

        def let_it_end(message: str) -> None:
            told.append(message)
            ask(other)

        with warehouse.write(on_wait=let_it_end) as con:
            assert con.execute("SELECT n FROM notes").fetchall() == [(100,)]
        assert told == [f"{warehouse.build_path}: being written by process {other.pid}; waiting"]


def test_a_killed_writer_leaves_neither_lock_nor_rows(warehouse: Warehouse) -> None:
    with python(WRITER, str(warehouse.home)) as other:
        other.kill()
        other.wait()
        with warehouse.write(wait=False) as con:
            assert con.execute("SELECT n FROM notes").fetchall() == []


def test_another_thread_waits_for_its_turn(warehouse: Warehouse) -> None:
    waiting = threading.Event()

    def write() -> None:
        with warehouse.write(on_wait=lambda _: waiting.set()) as con:
            con.execute("INSERT INTO notes SELECT max(n) + 1 FROM notes")

    thread = threading.Thread(target=write)
    with warehouse.write() as con:
        thread.start()
        assert waiting.wait(timeout=30)
        con.execute("INSERT INTO notes VALUES (1)")
    thread.join()
    assert notes(warehouse) == [1, 2]


def test_days_are_cut_in_utc(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    warehouse.publish("code")
    for connection in (warehouse.write(), warehouse.read()):
        with connection as con:
            assert con.execute("SELECT '2026-01-01 23:30:00+00'::TIMESTAMPTZ::DATE::VARCHAR").fetchone() == (
                "2026-01-01",
            )


def test_the_build_file_has_the_storage_that_1_5_reads(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        row = con.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal").fetchone()
    assert row is not None
    assert "v1.5.0" in str(row[0])


# publish() and read()


def test_nothing_published_is_an_error_that_says_what_to_do(warehouse: Warehouse) -> None:
    with pytest.raises(NotPublished, match=r"alems\.duckdb: nothing has been published yet; run `alems materialize`"):
        published(warehouse)


def test_a_publication_is_the_whole_build_file_read_only(warehouse: Warehouse) -> None:
    insert(warehouse, 1)
    made = warehouse.publish("code")
    assert made.path == warehouse.published_path
    assert made.path.read_bytes() == warehouse.build_path.read_bytes()
    assert made.bytes == made.path.stat().st_size
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o444
    assert not list(warehouse.home.glob("*.wal")) + list(warehouse.home.glob("*.part"))
    assert published(warehouse) == [1]
    with warehouse.read() as con:
        assert con.execute("SELECT published_at FROM ops.publications").fetchall() == [(made.published_at,)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            con.execute("INSERT INTO notes VALUES (2)")


def test_readers_see_nothing_of_a_write_until_it_is_published(warehouse: Warehouse) -> None:
    insert(warehouse, 1)
    warehouse.publish("code")
    insert(warehouse, 2)
    assert published(warehouse) == [1]
    with warehouse.write() as con:
        con.execute("INSERT INTO notes VALUES (3)")
        assert published(warehouse) == [1], "a reader does not wait for a writer"
    warehouse.publish("code")
    assert published(warehouse) == [1, 2, 3]


def test_a_reader_keeps_the_snapshot_that_it_opened(warehouse: Warehouse) -> None:
    insert(warehouse, 1)
    warehouse.publish("code")
    with python(READER, str(warehouse.home)) as early:
        assert ask(early) == "[1]"
        insert(warehouse, 2)
        warehouse.publish("code")
        assert ask(early) == "[1]"
        with python(READER, str(warehouse.home)) as late:
            assert ask(late) == "[1, 2]"
        assert ask(early) == "[1]"


CARELESS_ANALYST = """
import os, sys
import duckdb
con = duckdb.connect(sys.argv[1])
con.execute("SET checkpoint_threshold = '1TB'; INSERT INTO notes VALUES (666)")
os._exit(0)  # a crash: nothing is checkpointed
"""


def test_a_log_left_by_somebody_who_wrote_does_not_break_later_readers(warehouse: Warehouse) -> None:
    insert(warehouse, 1)
    published_path = warehouse.publish("code").path
    published_path.chmod(0o644)
    subprocess.run([sys.executable, "-c", CARELESS_ANALYST, str(published_path)], check=True)
    wal = warehouse.home / "alems.duckdb.wal"
    assert wal.stat().st_size > 0
    insert(warehouse, 2)
    warehouse.publish("code")
    assert not wal.exists()
    assert published(warehouse) == [1, 2]


def record_check(warehouse: Warehouse, *, blocking: bool, n_failed: int) -> None:
    with warehouse.write() as con:
        con.execute(
            "INSERT OR REPLACE INTO ops.check_results VALUES ('orphans', ?, ?, 'runs: 2 without experiment', now())",
            [blocking, n_failed],
        )


def test_an_open_blocking_failure_keeps_the_old_file_published(warehouse: Warehouse) -> None:
    insert(warehouse, 1)
    warehouse.publish("code")
    before = warehouse.published_path.read_bytes()
    insert(warehouse, 2)
    record_check(warehouse, blocking=True, n_failed=2)
    with pytest.raises(PublishRefused) as raised:
        warehouse.publish("code")
    assert "1 blocking check(s) failed: orphans: runs: 2 without experiment" in str(raised.value)
    assert "run `alems materialize`" in str(raised.value)
    assert warehouse.published_path.read_bytes() == before
    record_check(warehouse, blocking=False, n_failed=2)
    warehouse.publish("code")
    assert published(warehouse) == [1, 2], "a warning does not keep it"
    record_check(warehouse, blocking=True, n_failed=0)
    warehouse.publish("code")


def test_a_publication_that_cannot_be_copied_leaves_the_old_file(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(warehouse, 1)
    warehouse.publish("code")
    insert(warehouse, 2)

    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:1000])
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as disk:
        disk.setattr("shutil.copyfile", full)
        with pytest.raises(OSError, match="No space left on device"):
            warehouse.publish("code")
    assert not (warehouse.home / "alems.duckdb.part").exists()
    assert published(warehouse) == [1]
    warehouse.publish("code")
    assert published(warehouse) == [1, 2]


def test_publishing_waits_for_the_writer_and_refuses_to_wait_for_itself(warehouse: Warehouse) -> None:
    with warehouse.write(), pytest.raises(NestedWrite):
        warehouse.publish("code")
    assert not warehouse.published_path.exists()
