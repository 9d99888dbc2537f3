"""Datasets and predictions as they are dropped: what is read, what is refused, and in which words."""

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from collectors.ids import stable_id
from collectors.sources import tabular
from collectors.sources.tabular import BadTable, drop_dataset, drop_predictions


def rows_of(landing: Path, dataset: str) -> list[dict[str, Any]]:
    paths = sorted((landing / dataset).rglob("*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def csv_file(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_csv_file_is_dropped_as_it_is(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'length,"a ""wide"" ä",kind\n1.5,2,b\n,3,a\n')
    summary = drop_dataset("shapes", path, tmp_path / "landing", targets=["kind"])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    assert (summary.digest, summary.n_samples, summary.n_targets) == (digest, 2, 1)
    [record] = rows_of(tmp_path / "landing", "ml_datasets")
    assert record["dataset_id"] == stable_id("shapes", digest)
    assert record["source"] == str(path)
    assert json.loads(record["columns_json"]) == [
        {"name": "length", "type": "DOUBLE", "role": "feature"},
        {"name": 'a "wide" ä', "type": "BIGINT", "role": "feature"},
        {"name": "kind", "type": "VARCHAR", "role": "target"},
    ]
    samples = rows_of(tmp_path / "landing", "ml_samples")
    assert [(row["sample_index"], json.loads(row["features_json"])) for row in samples] == [
        (0, {"length": 1.5, 'a "wide" ä': 2}),
        (1, {"length": None, 'a "wide" ä': 3}),
    ]
    targets = rows_of(tmp_path / "landing", "ml_targets")
    assert [(row["target_name"], row["class"], row["label"]) for row in targets] == [("kind", 1, "b"), ("kind", 0, "a")]


def test_every_type_of_parquet_keeps_its_value(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": pa.array([2**53 + 1], pa.int64()),
            "u": pa.array([2**64 - 1], pa.uint64()),
            "nan": pa.array([float("nan")]),
            "inf": pa.array([float("-inf")]),
            "d": pa.array([Decimal("1.10")], pa.decimal128(9, 2)),
            "t": pa.array([datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)], pa.timestamp("us", tz="UTC")),
            "ns": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")),
            "day": pa.array([date(2026, 1, 2)]),
            "word": pa.array(["x"]).dictionary_encode(),
            "list": pa.array([[1, 2]]),
        }
    )
    pq.write_table(table, tmp_path / "all.parquet")
    drop_dataset("all", tmp_path / "all.parquet", tmp_path / "landing")
    [sample] = rows_of(tmp_path / "landing", "ml_samples")
    assert json.loads(sample["features_json"]) == {
        "i": 2**53 + 1,
        "u": 2**64 - 1,
        "nan": None,
        "inf": "-Infinity",
        "d": "1.10",
        "t": "2026-01-02 03:04:05.678901+00:00",
        "ns": "2023-11-14 22:13:20.123456",
        "day": "2026-01-02",
        "word": "x",
        "list": [1, 2],
    }


def test_the_same_file_is_dropped_once_and_with_another_target_again(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a,b\n1,2\n")
    landing = tmp_path / "landing"
    assert drop_dataset("d", path, landing).n_samples == 1
    assert drop_dataset("d", path, landing).n_samples == 0
    assert drop_dataset("d", path, landing, targets=["b"]).n_samples == 1
    assert drop_dataset("d", path, landing, targets=["b"], again=True).n_samples == 1
    assert len(rows_of(landing, "ml_datasets")) == 3


@pytest.mark.parametrize(
    ("name", "text", "options", "reason"),
    [
        ("bad name", "a\n1\n", {}, "a dataset's name has letters"),
        ("d", "", {}, "not readable as CSV"),
        ("d", "a,b\n1,2\n3\n", {}, "not readable as CSV .*Expected 2 columns, got 1"),
        ("d", "a,A\n1,2\n", {}, "column 'A' stands twice"),
        ("d", "a,\n1,2\n", {}, "a column has no name"),
        ("d", "a\n", {}, "no rows"),
        ("d", "a\n1\n", {"targets": ["b"]}, "no column 'b'; it has a"),
        ("d", "a\n1\n", {"targets": ["a"]}, "no features"),
        ("d", "a,Sample_Index\n1,2\n", {}, "cannot be called 'Sample_Index'"),
        ("d", "a,n\n1,0\n2,0\n", {"index": "n"}, "two rows for sample 0"),
        ("d", "a,n\n1,-1\n", {"index": "n"}, "-1 in 'n'"),
        ("d", "a,n\n1,x\n", {"index": "n"}, "'x' in 'n'"),
    ],
)
def test_what_is_no_dataset_is_refused_and_nothing_of_it_counts(
    tmp_path: Path, name: str, text: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadTable, match=reason):
        drop_dataset(name, csv_file(tmp_path, text), tmp_path / "landing", **options)
    assert not rows_of(tmp_path / "landing", "ml_datasets")
    assert not rows_of(tmp_path / "landing", "ml_samples")


COLUMNS = {
    "int then float": (["7"] * 30, ["0.5"] * 30),
    "empty then int": ([""] * 30, ["3"] * 30),
    "int then text": (["7"] * 30, ["x7"] * 30),
    "date then time": (["2026-01-02"] * 30, ["2026-01-02 03:04:05"] * 30),
    "time then finer": (["2026-01-02 03:04:05"] * 30, ["2026-01-02 03:04:05.123456"] * 30),
    "date then number": (["2026-01-02"] * 30, ["12"] * 30),
    "truth": (["true"] * 30, ["false"] * 30),
    "quoted": (['"a ""b"", c\nd"'] * 30, ['"1"'] * 30),
    "nan": (["nan", "NULL", "-inf"] * 10, ["1"] * 30),
    "great": (["9223372036854775807"] * 30, ["92233720368547758080"] * 30),
    "zeros": (["007"] * 30, ["8"] * 30),
    "zone then finer": (["2026-01-02T03:04:05Z"] * 30, ["2026-01-02T03:04:05.5Z"] * 30),
    "finer then zone": (["2026-01-02T03:04:05.5Z"] * 30, ["2026-01-02T03:04:05Z"] * 30),
    "zone then none": (["2026-01-02T03:04:05Z"] * 30, ["2026-01-02T03:04:05"] * 30),
    "zone": (["2026-01-02T03:04:05Z"] * 30, ["2026-01-02T03:04:06Z"] * 30),
    "nothing": ([""] * 30, [""] * 30),
}


def test_a_csv_file_that_is_read_in_portions_is_what_arrow_reads_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [list(zip(*(both[n] for both in COLUMNS.values()), strict=True)) for n in (0, 1)]
    lines = [",".join(COLUMNS), *(",".join(row) for row in halves[0] + halves[1])]
    path = csv_file(tmp_path, "\n".join(lines) + "\n")
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    at_once = pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(block_size=1 << 20), parse)
    monkeypatch.setattr(tabular, "CSV_BLOCK_BYTES", 1000)
    schema, n_rows = tabular._survey_csv(path)
    assert (schema, n_rows) == (at_once.schema, 60)
    portions = list(tabular._csv_batches(path, schema, None))
    assert len(portions) > 5
    assert pa.Table.from_batches(portions).equals(at_once)


@pytest.mark.parametrize("text", ["größe\n1\n", "a\nca\u00e9\n"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_csv_file_in_another_encoding_is_refused_with_the_right_one(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(
        BadTable, match=r"data\.csv: not readable as CSV .*; give a Parquet file, or a CSV file saved as UTF-8"
    ):
        drop_dataset("d", path, tmp_path / "landing")


def test_a_csv_file_is_never_whole_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv_file(tmp_path, "a,b\n" + "1.25,some text that takes its place\n" * 400_000)
    monkeypatch.setattr(tabular, "CSV_BLOCK_BYTES", 1 << 16)
    before = pa.total_allocated_bytes()
    table = tabular._Table(path)
    most = max(pa.total_allocated_bytes() - before for _ in table.batches())
    assert table.n_rows == 400_000
    assert most < path.stat().st_size / 4


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadTable, match="not readable as Parquet"):
        drop_dataset("d", path, tmp_path / "landing")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    drop_dataset("d", csv_file(tmp_path, "a,kind\n1,x\n2,y\n3,x\n"), tmp_path / "landing", targets=["kind"])
    return tmp_path / "landing"


def test_predictions_name_their_run_and_samples(landing: Path, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "sample_index,prediction\n2,x\n0,y\n", "p.csv")
    assert drop_predictions("d", path, landing, run_uuid="r1", model="m", version=3) == 2
    rows = rows_of(landing, "ml_predictions")
    assert [(row["sample_index"], row["label"], row["run_uuid"], row["model_version"]) for row in rows] == [
        (2, "x", "r1", 3),
        (0, "y", "r1", 3),
    ]


def test_predictions_of_all_samples_need_no_index(landing: Path, tmp_path: Path) -> None:
    assert drop_predictions("d", csv_file(tmp_path, "p\n0.5\n1.0\n2.0\n", "p.csv"), landing, run_uuid="r1") == 3
    rows = rows_of(landing, "ml_predictions")
    assert [(row["sample_index"], row["class"], row["value"]) for row in rows] == [
        (0, None, 0.5),
        (1, 1, 1.0),
        (2, 2, 2.0),
    ]


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("p\nx\n", {}, "1 predictions for 3 samples of d; say by a column sample_index"),
        ("p,q\nx,y\n", {}, "which column holds the predictions.* p, q"),
        ("p\nx\n", {"run_uuid": None}, "--run-uuid, or --model and --model-version"),
        ("p\nx\n", {"digest": "ffff"}, "no such dataset"),
        ("p\nx\n", {"columns": ["z"]}, "no column 'z'; it has p"),
        ("sample_index,p\n1,x\n1,y\n", {}, "two rows for sample 1"),
    ],
)
def test_what_are_no_predictions_is_refused(
    landing: Path, tmp_path: Path, text: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadTable, match=reason):
        drop_predictions("d", csv_file(tmp_path, text, "p.csv"), landing, **({"run_uuid": "r1"} | options))
    assert not rows_of(landing, "ml_predictions")


def test_predictions_are_for_the_newest_of_a_name(landing: Path, tmp_path: Path) -> None:
    newer = csv_file(tmp_path, "a,kind\n1,x\n", "newer.csv")
    drop_dataset("d", newer, landing, targets=["kind"])
    drop_predictions("d", csv_file(tmp_path, "p\nx\n", "p.csv"), landing, run_uuid="r1")
    [row] = rows_of(landing, "ml_predictions")
    assert row["dataset_id"] == stable_id("d", hashlib.sha256(newer.read_bytes()).hexdigest()[:32])


def test_predictions_for_numbered_samples_say_which_they_are_for(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    drop_dataset("n", csv_file(tmp_path, "id,a\n5,1\n7,2\n"), landing, index="id")
    with pytest.raises(BadTable, match="2 predictions for 2 numbered samples of n; say by a column sample_index"):
        drop_predictions("n", csv_file(tmp_path, "p\nx\ny\n", "p.csv"), landing, run_uuid="r1")
    assert drop_predictions("n", csv_file(tmp_path, "id,p\n7,y\n", "q.csv"), landing, run_uuid="r1", index="id") == 1
