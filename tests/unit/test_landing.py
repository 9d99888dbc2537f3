"""Which landing files are there, which are new, and what each is found to be."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alems_pipeline import landing, sql_files
from alems_pipeline.landing import LandingFile
from collectors.contract import CONTRACT_VERSION, ENERGY_SAMPLES, RUNS
from tests.unit.landing_data import DAY, HOST, drop, drop_table, energy_rows, metadata, place, run, table_of

TODAY = date(2026, 1, 22)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        sql_files.run_ddl(connection)
        yield connection


def scan(home: Path) -> list[LandingFile]:
    return landing.scan(home / "landing", today=TODAY)


def problem(home: Path, path: str) -> str | None:
    """The problem of the file at a path below landing; its folder and content are made."""
    (home / "landing" / path).parent.mkdir(parents=True, exist_ok=True)
    (home / "landing" / path).write_bytes(b"x")
    [file] = [file for file in scan(home) if file.path == path]
    assert (file.landing_date is None) == (file.problem is not None)
    return file.problem


# ---- which files are there


def test_a_drop_has_its_dataset_day_and_size(tmp_path: Path) -> None:
    path = drop(tmp_path, "runs", [run()])
    [file] = scan(tmp_path)
    assert (file.dataset, file.landing_date, file.problem) == ("runs", DAY, None)
    assert (file.source, file.bytes) == (path, path.stat().st_size)
    assert file.path == f"runs/date=2026-01-21/{path.name}"


def test_no_landing_folder_is_no_files(tmp_path: Path) -> None:
    assert scan(tmp_path) == []
    assert landing.scan_day(tmp_path / "landing", DAY) == []


def test_drops_being_written_are_left_out(tmp_path: Path) -> None:
    place(tmp_path, "runs", name="lab-1.parquet.tmp").write_bytes(b"half")
    assert scan(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("stray.parquet", "not <dataset>/date="),
        ("runs/x.parquet", "not <dataset>/date="),
        ("runs/date=2026-01-21/deeper/x.parquet", "not <dataset>/date="),
        ("runs/date=2026-01-21/x.csv", "not <dataset>/date="),
        ("weather/date=2026-01-21/x.parquet", "dataset 'weather' is not in the contract"),
        ("runs/2026-01-21/x.parquet", "is no date"),
        ("runs/date=2026-02-30/x.parquet", "is no date"),
        ("runs/date=today/x.parquet", "is no date"),
        ("runs/date=2018-12-31/x.parquet", "outside 2019-01-01 … tomorrow"),
        ("runs/date=2026-01-24/x.parquet", "outside 2019-01-01 … tomorrow"),
        ("runs/date=2026-01-21/a\nb.parquet", "not plain UTF-8"),
    ],
)
def test_a_file_in_no_known_place_is_listed_with_the_reason(tmp_path: Path, path: str, words: str) -> None:
    assert words in (problem(tmp_path, path) or "")


@pytest.mark.parametrize("day", ["2019-01-01", "2026-01-23"])
def test_the_first_day_and_tomorrow_are_days(tmp_path: Path, day: str) -> None:
    assert problem(tmp_path, f"runs/date={day}/x.parquet") is None


def test_a_name_that_is_no_utf8_can_be_shown(tmp_path: Path) -> None:
    folder = place(tmp_path, "runs").parent
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.parquet")).write_bytes(b"x")
    [file] = scan(tmp_path)
    assert file.path.encode() == rb"runs/date=2026-01-21/\xff.parquet"
    assert "not plain UTF-8" in (file.problem or "")


def test_links_stay_inside_landing(tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    outside.write_bytes(b"x")
    inside = drop(tmp_path, "runs", [run()])
    folder = inside.parent
    (folder / "a.parquet").symlink_to(outside)
    (folder / "b.parquet").symlink_to(inside)
    (folder / "c.parquet").symlink_to(tmp_path / "nowhere.parquet")
    (tmp_path / "landing" / "cpu_samples").symlink_to(tmp_path)
    problems = {Path(file.path).name: file.problem for file in scan(tmp_path)}
    assert "leads out" in (problems["a.parquet"] or "")
    assert problems["b.parquet"] is None
    assert "leads out" in (problems["c.parquet"] or "")
    assert "leads out" in (problems["cpu_samples"] or "")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(place(tmp_path, "runs", name="pipe.parquet"))
    [file] = scan(tmp_path)
    assert "not a regular file" in (file.problem or "")


def test_scan_day_is_scan_of_that_day(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [run()])
    drop(tmp_path, "energy_samples", energy_rows(run(), [1]))
    drop(tmp_path, "runs", [run()], date(2026, 1, 22))
    problem(tmp_path, "runs/date=2026-01-21/notes.txt")
    of_day = [file for file in scan(tmp_path) if file.landing_date == DAY]
    assert landing.scan_day(tmp_path / "landing", DAY, today=TODAY) == of_day
    assert len(of_day) == 2


# ---- which of them are new


def register(con: duckdb.DuckDBPyConnection, files: list[LandingFile]) -> None:
    for day in {file.landing_date for file in files if file.landing_date}:
        of_day = [landing.inspect(file) for file in files if file.landing_date == day]
        landing.register_day(con, day, of_day)
    landing.register_unplaced(con, files)


def test_files_are_pending_until_they_are_registered(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    drop(tmp_path, "runs", [run()])
    problem(tmp_path, "stray.parquet")
    files = scan(tmp_path)
    assert landing.pending(con, files) == files
    assert landing.days_to_build(con, files) == [DAY]
    register(con, files)
    assert landing.pending(con, files) == []
    assert landing.days_to_build(con, files) == []
    ledger = con.execute("SELECT path, landing_date, status FROM ops.landing_files ORDER BY path").fetchall()
    assert ledger == [(files[0].path, DAY, "accepted"), ("stray.parquet", None, "quarantined")]


def test_registering_again_replaces(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    drop(tmp_path, "runs", [run()])
    problem(tmp_path, "stray.parquet")
    register(con, scan(tmp_path))
    register(con, scan(tmp_path))
    assert con.execute("SELECT count(*) FROM ops.landing_files").fetchall() == [(2,)]


def test_a_file_that_was_copied_again_is_pending(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    path = drop(tmp_path, "runs", [run()])
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    register(con, scan(tmp_path))
    path.write_bytes(whole)
    assert [file.source for file in landing.pending(con, scan(tmp_path))] == [path]


def test_a_day_that_was_in_the_future_is_pending_once_it_comes(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    drop(tmp_path, "runs", [run()], date(2026, 1, 30))
    register(con, scan(tmp_path))
    assert landing.pending(con, scan(tmp_path)) == []
    later = landing.scan(tmp_path / "landing", today=date(2026, 1, 30))
    assert landing.days_to_build(con, later) == [date(2026, 1, 30)]


def test_a_file_that_could_not_be_read_is_tried_again_once_it_can(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, "runs", [run()])
    [file] = scan(tmp_path)
    with monkeypatch.context() as patched:
        _forbid(patched, file.source)
        inspected = landing.inspect(file)
        assert inspected.reason == (
            "not readable: Permission denied; let this user read the file, it is then tried again"
        )
        landing.register_day(con, DAY, [inspected])
        assert landing.pending(con, [file]) == []
    assert landing.pending(con, [file]) == [file]


def _forbid(patched: pytest.MonkeyPatch, path: Path) -> None:
    """What a file without read permission is to a user who is not root."""

    def refuse(name: str) -> Any:
        raise PermissionError(13, "Permission denied", name)

    patched.setattr(landing.pa, "OSFile", refuse)
    patched.setattr(landing.os, "access", lambda name, mode: name != path)


def test_a_quarantined_file_that_was_removed_makes_its_day_be_built(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    good = drop(tmp_path, "runs", [run()])
    bad = place(tmp_path, "runs", name="bad.parquet")
    bad.write_bytes(b"x")
    register(con, scan(tmp_path))
    bad.unlink()
    assert landing.days_to_build(con, scan(tmp_path)) == [DAY]
    register(con, scan(tmp_path))
    good.unlink()
    assert landing.days_to_build(con, scan(tmp_path)) == [], "clearing out landing does not empty the lake"


def test_a_stray_file_that_was_removed_is_forgotten(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    problem(tmp_path, "a.parquet")
    problem(tmp_path, "b.parquet")
    register(con, scan(tmp_path))
    (tmp_path / "landing" / "a.parquet").unlink()
    landing.forget_removed(con, scan(tmp_path))
    assert con.execute("SELECT path FROM ops.landing_files").fetchall() == [("b.parquet",)]


def test_ranges_are_contiguous_days() -> None:
    days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 1, 30), date(2026, 2, 3), date(2026, 2, 3)]
    assert landing.ranges(days) == [(date(2026, 1, 30), date(2026, 2, 1)), (date(2026, 2, 3), date(2026, 2, 3))]
    assert landing.ranges([]) == []


# ---- what a file holds


def inspected(path: Path, home: Path) -> landing.Inspected:
    [file] = [file for file in scan(home) if file.source == path]
    return landing.inspect(file)


def test_a_good_file_is_accepted_with_what_its_footer_says(tmp_path: Path) -> None:
    found = inspected(drop(tmp_path, "runs", [run("1"), run("2")]), tmp_path)
    assert (found.reason, found.n_rows, found.n_row_groups) == (None, 2, 1)
    assert (found.host, found.producer, found.contract_version) == (HOST, "alems-collect", CONTRACT_VERSION)
    assert found.created_at is not None
    assert found.created_at.isoformat() == "2026-01-21T13:00:00+00:00"


def test_unknown_columns_are_named_and_missing_ones_are_null(tmp_path: Path) -> None:
    table = table_of("runs", [run()]).append_column("mood", pa.array(["fine"])).drop_columns(["ring_bus_freq_mhz"])
    found = inspected(drop_table(tmp_path, "runs", table), tmp_path)
    assert (found.reason, found.unknown_columns) == (None, ("mood",))
    [(_, read)] = landing.read_batches(found.file, [0])
    assert read.schema.names == RUNS.column_names
    assert read["ring_bus_freq_mhz"].to_pylist() == [None]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None], pa.int32()),
        pa.array([1, None], pa.uint16()),
        pa.array([1, None], pa.int64()).dictionary_encode(),
        pa.nulls(2),
    ],
    ids=lambda values: str(values.type),
)
def test_values_are_read_as_the_contract_has_them(tmp_path: Path, values: pa.Array) -> None:
    table = table_of("energy_samples", energy_rows(run(), [1, 2]))
    position = table.schema.get_field_index("core_energy_uj")
    path = drop_table(tmp_path, "energy_samples", table.set_column(position, "core_energy_uj", values))
    found = inspected(path, tmp_path)
    assert found.reason is None
    [(_, read)] = landing.read_batches(found.file, [0])
    assert read.schema.types == ENERGY_SAMPLES.schema.types
    assert read["core_energy_uj"].to_pylist() == values.to_pylist()


def test_what_is_lossless() -> None:
    text, real, whole, moment = pa.string(), pa.float64(), pa.int64(), pa.timestamp("us", tz="UTC")
    fine = [
        (pa.large_string(), text), (pa.string_view(), text), (pa.dictionary(pa.int32(), text), text),
        (pa.float32(), real), (pa.int32(), real), (pa.int8(), whole), (pa.uint32(), whole),
        (pa.timestamp("ms", tz="UTC"), moment), (pa.timestamp("us", tz="Europe/Berlin"), moment),
    ]  # fmt: skip
    lossy = [
        (whole, text), (text, whole), (whole, real), (pa.uint64(), whole), (real, whole), (pa.bool_(), whole),
        (pa.timestamp("us"), moment), (pa.timestamp("ns", tz="UTC"), moment), (pa.binary(), text), (whole, pa.bool_()),
    ]  # fmt: skip
    assert [pair for pair in fine if not landing.lossless(*pair)] == []
    assert [pair for pair in lossy if landing.lossless(*pair)] == []


def write_with(home: Path, changes: dict[str, str], without: str = "") -> Path:
    path = place(home, "runs")
    values = {key: value for key, value in metadata("runs", **changes).items() if key != without}
    pq.write_table(table_of("runs", [run()]).replace_schema_metadata(values), path)
    return path


@pytest.mark.parametrize(
    ("changes", "without", "words"),
    [
        ({"contract_version": "7"}, "", f"contract version 7 is newer than {CONTRACT_VERSION}"),
        ({"contract_version": "one"}, "", "contract version 'one' is no number"),
        ({"dataset": "experiments"}, "", "says that it is 'experiments' and lies in 'runs'"),
        ({}, "alems.contract_version", "not dropped by a collector"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, str], without: str, words: str
) -> None:
    assert words in (inspected(write_with(tmp_path, changes, without), tmp_path).reason or "")


def test_a_bad_creation_time_is_only_left_out(tmp_path: Path) -> None:
    found = inspected(write_with(tmp_path, {"created_at": "yesterday"}), tmp_path)
    assert (found.reason, found.created_at) == (None, None)


def test_columns_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    table = table_of("runs", [run()])

    def reason(changed: pa.Table) -> str:
        return inspected(drop_table(tmp_path, "runs", changed), tmp_path).reason or ""

    assert reason(table.drop_columns(["status"])).startswith("column 'status' is missing")
    renamed = table.rename_columns([{"status": "state"}.get(name, name) for name in table.column_names])
    assert reason(renamed).startswith("column 'status' is missing")
    position = table.schema.get_field_index("run_number")
    wrong = table.set_column(position, "run_number", pa.array(["1"]))
    assert reason(wrong).startswith("column 'run_number' is string, the contract says int64")
    assert reason(table.append_column("STATUS", pa.array(["x"]))).startswith("column 'status' stands twice")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty: 0 bytes"), (b"x", "no readable Parquet file"), (b"PAR1" * 50, "no readable Parquet file")],
)
def test_bytes_that_are_no_parquet_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = place(tmp_path, "runs")
    path.write_bytes(content)
    assert words in (inspected(path, tmp_path).reason or "")


def test_text_that_is_no_utf8_makes_the_file_unusable(tmp_path: Path) -> None:
    table = table_of("runs", [run()])
    broken = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    position = table.schema.get_field_index("command")
    path = drop_table(tmp_path, "runs", table.set_column(position, "command", broken))
    found = inspected(path, tmp_path)
    with pytest.raises(landing.Unusable, match="no readable Parquet file"):
        list(landing.read_batches(found.file, [0]))
