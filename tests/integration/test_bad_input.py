"""Whatever lands, the day is built: nothing crashes, nothing is lost, and each file that cannot be used says why."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alems_pipeline import landing
from alems_pipeline.landing import Inspected, LandingFile
from collectors.contract import CONTRACT_VERSION
from tests.unit.landing_data import (
    DAY,
    START_NS,
    build,
    content,
    drop,
    energy_rows,
    metadata,
    place,
    quarantined,
    query,
    run,
    samples,
    writing,
)

N_MUTATED = 1_000
RUN = run()
OTHERS = [run(str(number), START_NS + number) for number in range(2, 40)]


def good_files(home: Path) -> dict[str, Path]:
    """A small valid file of several datasets."""
    start = RUN["start_time_ns"]
    key = RUN["run_key"]
    event = {"run_key": key, "event_type": "llm_call", "start_time_ns": start, "end_time_ns": start + 9}
    cpu = [{"run_key": key, "timestamp_ns": start + n, "cpu_util_percent": n / 3, "extra_metrics_json": "{}"}
           for n in range(50)]  # fmt: skip
    return {
        "runs": drop(home, "runs", [RUN, *OTHERS]),
        "energy_samples": drop(home, "energy_samples", energy_rows(RUN, range(0, 7_000, 7)), row_group_size=300),
        "cpu_samples": drop(home, "cpu_samples", cpu),
        "orchestration_events": drop(home, "orchestration_events", [{**event, "step_index": n} for n in range(30)]),
    }


def reasons(home: Path) -> dict[str, str]:
    """Why each quarantined file is, by name."""
    found = query(home, "SELECT path, reason FROM ops.landing_files WHERE status = 'quarantined'")
    return {Path(path).name: reason for path, reason in found}


def assert_nothing_lost(home: Path) -> None:
    """Every file is in the ledger, and every row of the accepted ones is in the books, the lake or quarantine."""
    files = landing.scan_day(home / "landing", DAY)
    ledger = query(home, "SELECT path, status, reason FROM ops.landing_files ORDER BY path")
    assert [path for path, *_ in ledger] == [file.path for file in files]
    for path, status, reason in ledger:
        assert (status == "quarantined") == bool(reason), path
        assert "\n" not in (reason or ""), path
    books = query(home, "SELECT * EXCLUDE (landing_date) FROM ops.landing_days ORDER BY dataset")
    landed = query(home, "SELECT dataset, count(*), sum(n_rows) FROM ops.landing_files WHERE status = 'accepted' "
                         "GROUP BY dataset ORDER BY dataset")  # fmt: skip
    assert [(dataset, n_files, n_landed) for dataset, n_files, n_landed, *_ in books] == landed
    for dataset, _, n_landed, n_stored, n_merged, n_duplicate, n_quarantined in books:
        assert n_landed == n_stored + n_merged + n_duplicate + n_quarantined, dataset
        assert n_quarantined == len(quarantined(home, dataset)), dataset
        is_sample = dataset.endswith("_samples")
        stored = (
            len(samples(home, dataset)) if is_sample else query(home, f"SELECT count(*) FROM stage.{dataset}")[0][0]
        )
        assert n_stored == stored, dataset


def test_files_that_cannot_be_used_are_set_aside_and_the_rest_is_built(tmp_path: Path) -> None:
    good = good_files(tmp_path)
    whole = good["energy_samples"].read_bytes()
    table = pq.ParquetFile(good["energy_samples"]).read()
    place(tmp_path, "energy_samples", name="truncated.parquet").write_bytes(whole[:-200])
    place(tmp_path, "energy_samples", name="beginning.parquet").write_bytes(whole[: len(whole) // 2])
    place(tmp_path, "energy_samples", name="empty.parquet").write_bytes(b"")
    place(tmp_path, "energy_samples", name="foreign.parquet").write_bytes(b"run,power\n1,2\n" * 100)
    write_as(tmp_path, "renamed", table.rename_columns(
        ["time" if name == "timestamp_ns" else name for name in table.column_names]))  # fmt: skip
    position = table.schema.get_field_index("pkg_energy_uj")
    write_as(tmp_path, "wrong-type", table.set_column(
        position, "pkg_energy_uj", table["pkg_energy_uj"].cast(pa.string())))  # fmt: skip
    write_as(tmp_path, "newer", table, contract_version=str(CONTRACT_VERSION + 1))
    pq.write_table(table.replace_schema_metadata(None), place(tmp_path, "energy_samples", name="nobody.parquet"))
    shutil.copy(good["cpu_samples"], place(tmp_path, "energy_samples", name="misplaced.parquet"))
    build(tmp_path)
    damaged = "no readable Parquet file ("
    expected = {
        "truncated": damaged,
        "beginning": damaged,
        "empty": "empty: 0 bytes; a drop is written whole or not at all",
        "foreign": damaged,
        "renamed": "column 'timestamp_ns' is missing and required by the contract of energy_samples",
        "wrong-type": "column 'pkg_energy_uj' is string, the contract says int64",
        "newer": f"contract version {CONTRACT_VERSION + 1} is newer than {CONTRACT_VERSION}, known here",
        "nobody": "no alems.contract_version in its metadata",
        "misplaced": "says that it is 'cpu_samples' and lies in 'energy_samples'",
    }
    found = reasons(tmp_path)
    assert found.keys() == {f"{name}.parquet" for name in expected}
    assert [name for name, words in expected.items() if not found[f"{name}.parquet"].startswith(words)] == []
    assert_nothing_lost(tmp_path)
    assert [row["pkg_energy_uj"] for row in samples(tmp_path)] == list(range(0, 7_000, 7))


def write_as(home: Path, name: str, table: pa.Table, **changes: str) -> None:
    path = place(home, "energy_samples", name=f"{name}.parquet")
    pq.write_table(table.replace_schema_metadata(metadata("energy_samples", **changes)), path)


def test_a_file_without_permission_is_explained_and_read_once_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        good_files(home)
        secret = drop(home, "energy_samples", energy_rows(OTHERS[0], [1, 2]))
        secret.chmod(0)
        with monkeypatch.context() as patched:
            if os.geteuid() == 0:  # root may read all
                patched.setattr(landing, "inspect", _as_nobody(landing.inspect))
            build(home)
        assert reasons(home) == {
            secret.name: "not readable: Permission denied; let this user read the file, it is then tried again"
        }
        assert len(samples(home)) == 1_000
        secret.chmod(0o644)
        with writing(home) as con:
            files = landing.scan(home / "landing")
            assert [file.source for file in landing.pending(con, files)] == [secret]
            assert landing.days_to_build(con, files) == [DAY]
        build(home)
        assert reasons(home) == {}
        assert_nothing_lost(home)


def _as_nobody(inspect: Callable[[LandingFile], Inspected]) -> Callable[[LandingFile], Inspected]:
    def inspect_as_nobody(file: LandingFile) -> Inspected:
        os.seteuid(65534)
        try:
            return inspect(file)
        finally:
            os.seteuid(0)

    return inspect_as_nobody


def test_bad_times_and_numbers_are_set_aside_row_by_row(tmp_path: Path) -> None:
    key, start, end = RUN["run_key"], RUN["start_time_ns"], RUN["end_time_ns"]
    drop(tmp_path, "runs", [RUN])
    times: dict[str, int] = {"good": start, "negative": -start, "zero": 0, "early": start - 10**12,
                             "late": end + 10**12, "last": 2**63 - 1, "first": -(2**63)}  # fmt: skip
    for dataset, values in {
        "energy_samples": {"package_index": 0, "pkg_energy_uj": 1},
        "cpu_samples": {},
        "interrupt_samples": {},
        "thermal_samples": {},
        "gpu_samples": {"gpu_index": 0},
    }.items():
        drop(tmp_path, dataset, [{"run_key": key, "timestamp_ns": at, **values} for at in times.values()])
    numbers = [float("nan"), float("inf"), float("-inf"), -1.0, 5.0]
    drop(tmp_path, "interrupt_samples", [
        {"run_key": key, "timestamp_ns": start + n, "interrupts_per_sec": value} for n, value in enumerate(numbers, 1)
    ])  # fmt: skip
    build(tmp_path)
    assert_nothing_lost(tmp_path)
    stored = dict(query(tmp_path, "SELECT dataset, n_stored FROM ops.landing_days WHERE dataset <> 'runs'"))
    assert stored == {
        "energy_samples": 1, "cpu_samples": 1, "interrupt_samples": 2, "thermal_samples": 1, "gpu_samples": 1,
    }  # fmt: skip


def mutated(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    """A file as a bad disk, a broken copy or a wrong program would leave it."""
    changed = bytearray(whole)
    kind = chance.randrange(5)
    if kind == 0:
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del changed[chance.randrange(len(changed)) :]
    elif kind == 2:
        at, length = chance.randrange(len(changed)), chance.randint(1, 200)
        changed[at : at + length] = chance.randbytes(length)
    elif kind == 3:
        at, length = chance.randrange(len(changed)), chance.randint(1, 200)
        source = chance.randrange(len(other))
        changed[at : at + length] = other[source : source + length]
    else:
        # The footer alone: types, counts, offsets, statistics.
        length = int.from_bytes(whole[-8:-4], "little")
        for _ in range(chance.randint(1, 4)):
            changed[len(changed) - 8 - 1 - chance.randrange(length)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def test_a_thousand_mutated_files_do_not_break_the_day(tmp_path: Path) -> None:
    chance = random.Random(20260121)
    originals = {name: path.read_bytes() for name, path in good_files(tmp_path).items()}
    for number in range(N_MUTATED):
        dataset = chance.choice(list(originals))
        path = place(tmp_path, dataset, name=f"mutated-{number:04d}.parquet")
        path.write_bytes(mutated(chance, originals[dataset], chance.choice(list(originals.values()))))
    build(tmp_path)
    assert_nothing_lost(tmp_path)
    assert len(reasons(tmp_path)) > N_MUTATED // 3
    whole = content(tmp_path)
    runs = query(tmp_path, "SELECT count(*) FROM stage.runs WHERE landing_date = DATE '2026-01-21'")
    assert runs[0][0] >= len(OTHERS)
    build(tmp_path)
    assert content(tmp_path) == whole
