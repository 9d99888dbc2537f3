"""The landing writer: whole files only, the contract's schema, nothing lost when the disk is full."""

import array
import datetime as dt
import errno
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import contract, uuid7
from collectors.dataset import TS, B, D, I, R, T
from collectors.drop import ContractBroken, Drop, DropFailed, drop_rows, safe_name

DAY = dt.date(2026, 3, 1)
INTERRUPTS = contract.INTERRUPT_SAMPLES


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def new_drop(landing: Path, **limits: float) -> Drop:
    return Drop(landing, INTERRUPTS, host="host-a", producer="test", date=DAY, **limits)  # type: ignore[arg-type]


def samples(n: int, start: int = 0) -> dict[str, list[int] | list[float]]:
    return {
        "run_key": [7] * n,
        "timestamp_ns": list(range(start, start + n)),
        "interrupts_per_sec": [float(i) for i in range(n)],
    }


def files(landing: Path) -> list[Path]:
    return sorted(p for p in landing.rglob("*") if p.is_file())


# What a file is


def test_a_file_stands_where_the_design_says_and_says_what_it_is(landing: Path) -> None:
    before = dt.datetime.now(dt.UTC)
    writer = new_drop(landing)
    assert writer.append(samples(3)) is None
    path = writer.flush()
    assert path is not None
    folder, name = path.relative_to(landing).parent, path.name
    assert str(folder) == "interrupt_samples/date=2026-03-01"
    assert name.startswith("host-a-")
    assert uuid.UUID(name.removeprefix("host-a-").removesuffix(".parquet")).version == 7
    file = pq.ParquetFile(path)
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    metadata = {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()}
    created_at = dt.datetime.fromisoformat(metadata.pop("alems.created_at"))
    assert before <= created_at <= dt.datetime.now(dt.UTC)
    assert metadata == {
        "alems.contract_version": "1",
        "alems.dataset": "interrupt_samples",
        "alems.producer": "test",
        "alems.producer_version": "0.1.0",
        "alems.host": "host-a",
    }
    assert file.schema_arrow.equals(INTERRUPTS.schema)
    assert file.read().to_pydict() == samples(3)
    assert writer.flush() is None, "nothing is left to write"


def test_every_dataset_has_a_drop_that_reads_back_with_its_schema(landing: Path) -> None:
    values = {I: 1, R: 1.5, T: "x", B: True, TS: dt.datetime.now(dt.UTC), D: dt.date(2026, 3, 1)}
    for dataset in contract.DATASETS.values():
        row = {c.name: values[c.type] for c in dataset.columns}
        required = {c.name: values[c.type] for c in dataset.columns if c.required}
        path = drop_rows(landing, dataset, [row, required], host="h", producer="test", date=DAY)
        assert path is not None
        table = pq.read_table(path)
        assert table.schema.equals(dataset.schema)
        assert table.to_pylist() == [row, {c.name: required.get(c.name) for c in dataset.columns}]


def test_no_records_make_no_file(landing: Path) -> None:
    assert drop_rows(landing, INTERRUPTS, [], host="h", producer="test", date=DAY) is None
    assert files(landing) == []


@pytest.mark.parametrize(
    ("host", "name"),
    [("lab-1.example.org", "lab-1.example.org"), ("../../etc", "_.._etc"), ("a/b\0c d", "a_b_c_d"), ("ö", "_"),
     ("", "host"), (".hidden", "hidden"), ("x" * 300, "x" * 150)],
)  # fmt: skip
def test_a_host_name_becomes_a_safe_file_name_and_is_kept_in_the_metadata(landing: Path, host: str, name: str) -> None:
    assert safe_name(host) == name
    path = drop_rows(landing, INTERRUPTS, [{"run_key": 1, "timestamp_ns": 1}], host=host, producer="t", date=DAY)
    assert path is not None
    assert path.parent == landing / "interrupt_samples" / "date=2026-03-01"
    assert path.name.startswith(f"{name}-")
    assert pq.read_schema(path).metadata[b"alems.host"] == host.encode()


# Buffering


def test_a_file_is_written_when_max_rows_are_there(landing: Path) -> None:
    writer = new_drop(landing, max_rows=10)
    written = [writer.append(samples(4, start=4 * i)) for i in range(6)]
    assert [path is not None for path in written] == [False, False, True, False, False, True]
    assert writer.rows_buffered == 0
    tables = [pq.read_table(path)["timestamp_ns"].to_pylist() for path in files(landing)]
    assert tables == [list(range(12)), list(range(12, 24))], "in order, and the file names sort by time"


def test_a_file_is_written_when_the_oldest_row_is_old(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    writer = new_drop(landing, max_seconds=60)
    assert writer.append(samples(1)) is None
    now = 159.9
    assert writer.append(samples(1, start=1)) is None
    now = 160.0
    assert writer.append(samples(1, start=2)) is not None
    assert writer.append(samples(1, start=3)) is None, "the next file's time begins with its first row"


@settings(deadline=None)  # a busy machine is no failure
@given(sizes=st.lists(st.integers(0, 40), max_size=12), max_rows=st.integers(1, 60))
def test_rows_read_back_as_written_however_they_came(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], max_rows: int
) -> None:
    landing = tmp_path_factory.mktemp("landing")
    writer = new_drop(landing, max_rows=max_rows)
    for i, size in enumerate(sizes):
        writer.append(samples(size, start=sum(sizes[:i])))
        assert writer.rows_buffered < max_rows
    writer.flush()
    read = [stamp for path in files(landing) for stamp in pq.read_table(path)["timestamp_ns"].to_pylist()]
    assert read == list(range(sum(sizes)))


def test_a_samplers_arrays_are_copied(landing: Path) -> None:
    stamps, rates = array.array("q", [1, 2]), array.array("d", [0.5, float("nan")])
    writer = new_drop(landing)
    writer.append({"run_key": [7, 7], "timestamp_ns": stamps, "interrupts_per_sec": rates})
    stamps[0] = 99
    stamps.append(3)  # fails where a buffer of the array is still lent out
    path = writer.flush()
    assert path is not None
    assert pq.read_table(path).to_pydict() == {
        "run_key": [7, 7],
        "timestamp_ns": [1, 2],
        "interrupts_per_sec": [0.5, None],
    }


def test_an_arrow_table_is_taken_with_narrower_types_and_another_order(landing: Path) -> None:
    writer = new_drop(landing)
    writer.write_table(
        pa.table({"timestamp_ns": pa.array([5], pa.int32()), "run_key": pa.chunked_array([[1]], pa.uint64())})
    )
    path = writer.flush()
    assert path is not None
    assert pq.read_table(path).to_pylist() == [{"run_key": 1, "timestamp_ns": 5, "interrupts_per_sec": None}]


# The contract

GOOD = {"run_key": [1, 2], "timestamp_ns": [10, 20]}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"run_key": [1]}, "interrupt_samples.timestamp_ns: missing, but it is required (Time of the sample"),
        (GOOD | {"run_key": [1, None]}, "interrupt_samples.run_key: NULL in row 1, but it is required"),
        (GOOD | {"run_key": [1, 1.5]}, "interrupt_samples.run_key: 1.5 is not int64"),
        (GOOD | {"run_key": [1.0, 2.0]}, "interrupt_samples.run_key: 1.0 is not int64"),
        (GOOD | {"run_key": [1, True]}, "interrupt_samples.run_key: True is not int64"),
        (GOOD | {"run_key": [2**63, 1]}, "interrupt_samples.run_key: 9223372036854775808 is not int64"),
        (GOOD | {"run_key": pa.array(["1", "2"])}, "interrupt_samples.run_key: '1' is not int64"),
        (GOOD | {"interrupts_per_sec": [1.5, "x"]}, "interrupt_samples.interrupts_per_sec: 'x' is not double"),
        (GOOD | {"interrupts_per_sec": [1.5]}, "interrupts_per_sec: 1 values where the other columns have 2"),
        (GOOD | {"interrupts": [1.5, 2.5]}, "interrupt_samples.interrupts: no such column in the landing contract"),
    ],
)
def test_what_breaks_the_contract_is_named_and_not_buffered(
    landing: Path, columns: dict[str, list[object]], says: str
) -> None:
    writer = new_drop(landing)
    writer.append(GOOD)
    with pytest.raises(ContractBroken) as raised:
        writer.append(columns)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert writer.rows_buffered == 2


def test_a_time_without_a_zone_is_refused(landing: Path) -> None:
    record = {
        "task_id": "t",
        "source_system": "s",
        "host": "h",
        "category": "c",
        "recorded_at": dt.datetime(2026, 1, 1),
    }
    with pytest.raises(ContractBroken, match=r"task_categories\.recorded_at: datetime.*is not timestamp\[us, tz=UTC\]"):
        drop_rows(landing, contract.TASK_CATEGORIES, [record], host="h", producer="t", date=DAY)


def test_a_time_of_another_zone_is_the_same_instant(landing: Path) -> None:
    at = dt.datetime(2026, 1, 1, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    record = {"task_id": "t", "source_system": "s", "host": "h", "category": "c", "recorded_at": at}
    path = drop_rows(landing, contract.TASK_CATEGORIES, [record], host="h", producer="t", date=DAY)
    assert path is not None
    assert pq.read_table(path)["recorded_at"].to_pylist() == [dt.datetime(2025, 12, 31, 20, tzinfo=dt.UTC)]


# Whole files only


def test_bytes_reach_the_disk_before_the_name_and_the_name_before_the_return(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[tuple[str, str]] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        synced = Path(f"/proc/self/fd/{descriptor}").readlink()
        assert not list(landing.rglob("*.parquet")) or synced.is_dir(), "no reader sees the file before it is whole"
        log.append(("fsync", synced.name))
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        log.append(("rename", self.name))
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    writer = new_drop(landing)
    writer.append(samples(1))
    path = writer.flush()
    assert path is not None
    part = f"{path.name}.tmp"
    assert log[-3:] == [("fsync", part), ("rename", part), ("fsync", "date=2026-03-01")]
    assert ("fsync", "interrupt_samples") in log, "a new folder is synced in its parent"


ENDLESS_DROPS = """
import pathlib, sys
from datetime import date
from collectors import contract
from collectors.drop import Drop
drop = Drop(pathlib.Path(sys.argv[1]), contract.INTERRUPT_SAMPLES, host="h", producer="t", date=date(2026, 3, 1))
while True:
    drop.append({"run_key": [1] * 50_000, "timestamp_ns": list(range(50_000))})
    print(drop.flush(), flush=True)
"""


@pytest.mark.parametrize("n_files", [1, 2, 5])
def test_a_kill_leaves_only_whole_files(landing: Path, n_files: int) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS_DROPS, str(landing)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        announced = [process.stdout.readline() for _ in range(n_files)]
        process.send_signal(signal.SIGKILL)
    assert all(announced)
    found = sorted(landing.rglob("*.parquet"))
    assert len(found) >= n_files
    assert {pq.read_table(path).num_rows for path in found} == {50_000}


def test_stale_parts_of_this_host_are_removed_and_nothing_else(landing: Path) -> None:
    folder = landing / "interrupt_samples" / "date=2020-01-01"
    folder.mkdir(parents=True)
    old = dt.datetime.now().timestamp() - 2 * 86_400
    uid = uuid7.uuid7()
    stale = folder / f"host-stale-{uid}.parquet.tmp"
    kept = [
        folder / f"host-stale-{uid}.parquet",
        folder / f"host-stale-2-{uid}.parquet.tmp",  # another host whose name begins alike
        folder / "host-stale-notes.parquet.tmp",
    ]
    for path in (stale, *kept):
        path.touch()
        os.utime(path, (old, old))
    young = folder / f"host-stale-{uuid7.uuid7()}.parquet.tmp"
    young.touch()
    Drop(landing, INTERRUPTS, host="host-stale", producer="t", date=DAY)
    assert files(landing) == sorted([*kept, young])


# A full disk


def test_a_full_disk_loses_nothing(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = new_drop(landing, max_rows=4)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        (landing / "interrupt_samples" / "date=2026-03-01").mkdir(parents=True)
        with pytest.raises(DropFailed) as raised:
            writer.append(samples(5))
    message = str(raised.value)
    assert raised.value.errno == errno.ENOSPC
    assert str(landing) in message
    assert "disk full; 5 row(s) of interrupt_samples are kept in memory; free space there and write again" in message
    assert files(landing) == [], "nothing half-written"
    assert writer.rows_buffered == 5
    path = writer.append(samples(1, start=5))
    assert path is not None
    assert pq.read_table(path)["timestamp_ns"].to_pylist() == [0, 1, 2, 3, 4, 5]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    landing = small_disk / "landing"
    writer = new_drop(landing)
    writer.append({"run_key": [1] * 8, "timestamp_ns": [1] * 8})
    assert writer.flush() is not None
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200 << 10))
    noise = [int.from_bytes(os.urandom(7), "big") for _ in range(5_000)]
    writer.append({"run_key": noise, "timestamp_ns": noise})
    with pytest.raises(DropFailed, match="disk full; 5000 row"):
        writer.flush()
    assert list(landing.rglob("*.tmp")) == []
    ballast.unlink()
    path = writer.flush()
    assert path is not None
    assert pq.read_table(path)["run_key"].to_pylist() == noise


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.write_text("a file where the folder should be")
    writer = new_drop(landing)
    writer.append(samples(2))
    with pytest.raises(DropFailed, match=r"not written, .*; 2 row\(s\) of interrupt_samples are kept in memory"):
        writer.flush()


# UUIDs


def test_uuid7_is_of_rfc_9562(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uuid7, "_last", 0)
    monkeypatch.setattr("time.time_ns", lambda: 0x017F22E279B0 * 1_000_000)  # the RFC's own example
    made = uuid7.uuid7()
    assert str(made).startswith("017f22e2-79b0-7")
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_uuid7_rises_within_a_process_even_when_the_clock_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5_000_000, 4_000_000, 3_000_000] * 1000)
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000 + next(times))
    made = [str(uuid7.uuid7()) for _ in range(3000)]
    assert made == sorted(set(made))


def test_uuid7_is_unique_across_threads() -> None:
    made: list[uuid.UUID] = []
    threads = [threading.Thread(target=lambda: made.extend(uuid7.uuid7() for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000
