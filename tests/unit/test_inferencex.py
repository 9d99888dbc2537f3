"""alems-collect inferencex: every form of artifact lands as it is, and hostile input is refused with its reason."""

import gzip
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from collectors.cli import app
from collectors.contract_inference import INFERENCE_ARTIFACTS
from collectors.drop import drop_rows
from collectors.sources.artifact_files import Limits
from collectors.sources.inferencex import ArtifactsSummary, Told, collect
from tests.inference_warehouse import REAL, real_row, zip_of

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
EVAL_META = {"hw": "b200-nv", "model_prefix": "dsr1", "framework": "sglang", "precision": "fp8", "tp": 8, "conc": 64}
EVAL = {
    "results": {"gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.95}},
    "n-samples": {"gsm8k": {"effective": 1319}},
    "lm_eval_version": "0.4.9",
}


def landed(landing: Path, dataset: str = "inference_artifacts") -> list[dict[str, Any]]:
    tables = [pq.read_table(path, partitioning=None) for path in sorted(landing.rglob(f"{dataset}/**/*.parquet"))]
    return pa.concat_tables(tables).to_pylist() if tables else []


def reasons(landing: Path) -> dict[str, str]:
    """Path below what was given -> reason."""
    return {row["artifact_path"]: row["reason"] for row in landed(landing, "inference_rejects")}


def collect_bytes(tmp_path: Path, content: bytes, name: str = "a.zip", **kwargs: Any) -> ArtifactsSummary:
    (tmp_path / name).write_bytes(content)
    return collect([tmp_path / name], tmp_path / "landing", now=NOW, **kwargs)


def test_all_real_artifacts_land_as_they_are(tmp_path: Path) -> None:
    summary = collect(REAL, tmp_path, now=NOW)
    assert summary.rows == {"benchmark": 95, "changelog": 1} and not summary.rejected
    by_path = {(row["artifact_path"], row["run_name"]): row for row in landed(tmp_path)}
    for file in REAL:
        for entry in json.loads(file.read_text())["rows"]:
            name = f"commit {entry['commit']}" if "29003473063" not in entry["path"] else "29003473063"
            row = by_path[entry["path"], name]
            assert json.loads(row["raw"]) == entry["data"]
            assert row["created_at"].date().isoformat() == entry["date"]
    again = collect(REAL, tmp_path, now=NOW)
    assert not again.rows and not again.files and again.unchanged == len(REAL)


def test_a_run_as_ci_writes_it(tmp_path: Path) -> None:
    """The layout of a backup: a folder per run, a ZIP per artifact, the run's description beside them."""
    run = tmp_path / "2026-08-30" / "Full_Sweep_29003473099" / "artifacts"
    run.mkdir(parents=True)
    artifacts = {
        "bmk_dsr1_1k1k_fp8_51234567890.zip": {"agg_1k1k.json": real_row(), "agg_1k8k.json": real_row(osl=8192)},
        "results_all_51234567891.zip": {"agg_bmk.json": [real_row(conc=8), real_row(conc=16)]},
        "run-stats_51234567892.zip": {"run_stats.json": {"h200-nv_0": {"n_success": 3, "total": 4}}},
        "eval_dsr1_51234567893.zip": {"meta_env.json": EVAL_META, "results_1.json": EVAL, "samples_gsm8k.jsonl": "{}"},
        "eval_results_all_51234567894.zip": {
            "agg_eval_all.json": [{"task": "gsm8k", "hw": "h200", "model_prefix": "dsr1", "em_strict": 0.9}]
        },
        "changelog-metadata_51234567895.zip": {"changelog.json": {"base_ref": "a", "head_ref": "b", "entries": []}},
        "server_logs_dsr1_1k1k_fp8_51234567896.zip": {"server.log": "ready\n", "more/worker.out": "up\x00\n"},
    }  # fmt: skip
    for name, members in artifacts.items():
        (run / name).write_bytes(zip_of(members))
    (run / "artifacts_metadata.json").write_text(
        json.dumps(
            [{"id": 1, "created_at": "2026-08-30T10:00:00Z", "workflow_run": {"id": 29003473099, "head_sha": "e0"}}]
        )
    )
    summary = collect([tmp_path / "2026-08-30"], tmp_path / "landing", now=NOW)
    others = dict.fromkeys(("run_stats", "eval", "eval_aggregate", "changelog", "workflow_run"), 1)
    assert summary.rows == {"benchmark": 4, "server_log": 2, **others}
    assert not summary.rejected and summary.others == 1  # the samples
    rows = landed(tmp_path / "landing")
    assert {(row["run_name"], row["github_run_id"], row["run_attempt"]) for row in rows} == {
        ("29003473099", 29003473099, 1)
    }
    assert {row["created_at"] for row in rows} == {datetime(2026, 8, 30, 10, tzinfo=UTC)}
    by_kind = {row["kind"]: row for row in rows}
    assert json.loads(by_kind["eval"]["raw"]) == {"meta": EVAL_META, "results": EVAL}
    assert json.loads(by_kind["run_stats"]["raw"]) == {"n_success": 3, "total": 4, "hardware": "h200-nv_0"}
    assert {row["raw"] for row in rows if row["kind"] == "server_log"} == {"ready\n", "up�\n"}
    # The same run in one ZIP is the same rows.
    whole = {f"Full_Sweep_29003473099/{path.name}": path.read_bytes() for path in run.iterdir()}
    zipped = collect_bytes(tmp_path / "2026-08-30", zip_of(whole), "backup.zip")
    assert zipped.rows == summary.rows


def test_logs_packed_by_tar_are_read(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("logs")
    folder.type = tarfile.DIRTYPE
    logs = tar_of(folder, ("logs/server.log", "ready\n"), ("logs/worker.OUT", "up\n"), ("logs/core", "x"))
    content = zip_of({"multinode_server_logs.tar.gz": logs, "more.tar": tar_of(("a.log", "b"), packed=False)})
    summary = collect_bytes(tmp_path, content)
    assert summary.rows == {"server_log": 3} and not summary.rejected and summary.others == 1
    assert {(row["artifact_path"], row["raw"]) for row in landed(tmp_path / "landing")} == {
        ("a.zip/multinode_server_logs.tar.gz/logs/server.log", "ready\n"),
        ("a.zip/multinode_server_logs.tar.gz/logs/worker.OUT", "up\n"),
        ("a.zip/more.tar/a.log", "b"),
    }
    assert collect_bytes(tmp_path, logs, "server_logs.tar.gz").rows == {"server_log": 2}


def test_files_of_one_name_in_two_places_are_two_files(tmp_path: Path) -> None:
    """Of one run, given by file, by folder, and by folders of one name, at once and one after the other."""
    for n in range(4):
        folder = tmp_path / f"{n // 2}" / f"bmk_{n % 2}" / "artifacts"
        folder.mkdir(parents=True)
        (folder / "agg.json").write_text(json.dumps([real_row(conc=n + 1), n]))
    folders = sorted(tmp_path.rglob("artifacts"))
    told = Told(run_id=7)
    for way, given in (("file", [f / "agg.json" for f in folders]), ("folder", folders), ("above", [tmp_path / "0"])):
        landing = tmp_path / "landing" / way
        summary = collect(given, landing, told, now=NOW)
        rows = landed(landing)
        assert len(rows) == len({(row["document_path"], row["row_index"]) for row in rows}) == summary.rows["benchmark"]
        assert summary.rows["benchmark"] == (2 if way == "above" else 4), way
        rejects = landed(landing, "inference_rejects")
        assert len(rejects) == len({row["document_path"] for row in rejects}) == len(rows)
        assert not collect(given, landing, told, now=NOW).files  # all of it is known
    one_by_one = tmp_path / "landing" / "one by one"
    assert [collect([f / "agg.json"], one_by_one, told, now=NOW).rows["benchmark"] for f in folders[:2]] == [1, 1]
    assert not collect([f / "agg.json" for f in folders[:2]], one_by_one, told, now=NOW).files
    one_by_one = tmp_path / "landing" / "unnamed"
    assert [collect([f], one_by_one, now=NOW).rows["benchmark"] for f in folders[:2]] == [1, 1]
    assert len({(row["run_name"], row["document_path"]) for row in landed(one_by_one)}) == 2


def test_a_changed_file_lands_whole_and_an_emptied_one_says_so(tmp_path: Path) -> None:
    def rows_after(content: list[Any], day: int) -> list[tuple[str, int]]:
        (tmp_path / "a.json").write_text(json.dumps(content))
        collect([tmp_path / "a.json"], tmp_path / "landing", Told(run_id=1), now=NOW.replace(day=day))
        new = [row for row in landed(tmp_path / "landing") if row["recorded_at"].day == day]
        return [(row["kind"], row["row_index"]) for row in new]

    assert rows_after([], 1) == []
    assert rows_after([real_row(), real_row(conc=8)], 2) == [("benchmark", 0), ("benchmark", 1)]
    assert rows_after([real_row(conc=8)], 3) == [("benchmark", 0)]
    assert rows_after([], 4) == [("withdrawn", 0)]
    assert rows_after([], 5) == []
    assert rows_after([real_row()], 6) == [("benchmark", 0)]
    assert rows_after([7], 7) == [("withdrawn", 0)]


def after(tmp_path: Path, content: object, day: int, name: str = "a.json", **told: Any) -> set[tuple[str, str, int]]:
    """What a document lands when it is collected with this content: kind, run and number of concurrent requests."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(json.dumps(content))
    collect([tmp_path / name], tmp_path / "landing", Told(**told), now=NOW.replace(day=day))
    new = [row for row in landed(tmp_path / "landing") if row["recorded_at"].day == day]
    return {(row["kind"], row["run_name"].split("#")[0], json.loads(row["raw"]).get("conc", 0)) for row in new}


def of_commits(**conc: int) -> dict[str, Any]:
    """A collection of artifacts, one of each commit."""
    return {"rows": [{"path": f"{c}/r.json", "data": real_row(conc=n), "commit": c} for c, n in conc.items()]}


def test_a_document_is_one_however_its_path_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a relative path, through a link, by the file and by a folder above it, beside others and alone."""
    for name in ("p", "q"):
        (tmp_path / name / "a" / "b").mkdir(parents=True)
        (tmp_path / name / "a" / "b" / "r.json").write_text(json.dumps(real_row()))
    (tmp_path / "link").symlink_to(tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p" / "a")
    file = tmp_path / "p" / "a" / "b" / "r.json"
    documents = []
    for n, given in enumerate((
        [file, tmp_path / "q" / "a" / "b" / "r.json"], [file], [Path("b/r.json")], [Path("../a/b")], [tmp_path / "p"],
        [tmp_path / "link" / "a" / "b" / "r.json"], [file, tmp_path / "p"],
    )):  # fmt: skip
        collect(given, tmp_path / "landing" / str(n), Told(run_id=1), now=NOW)
        documents.append({row["document_path"] for row in landed(tmp_path / "landing" / str(n))})
    one = documents[1]
    assert len(one) == 1 and len(documents[0]) == 2 and documents[0] > one and documents[2:] == [one] * 5
    [name] = one
    assert name.startswith("b/r.json#") and str(tmp_path) not in name


def test_documents_of_two_collectors_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text(json.dumps(real_row()))
    for host in ("one", "two"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        collect([tmp_path / "a.json"], tmp_path / host, now=NOW)
    [one], [two] = landed(tmp_path / "one"), landed(tmp_path / "two")
    assert one["document_path"] != two["document_path"] and one["run_name"] != two["run_name"]


@pytest.mark.parametrize("state_is_lost", [False, True])
def test_a_document_is_withdrawn_from_runs_that_it_does_not_name_any_more(tmp_path: Path, state_is_lost: bool) -> None:
    """Also where what it held is known from landing alone."""

    def then(*args: Any, **kwargs: Any) -> set[tuple[str, str, int]]:
        if state_is_lost:
            shutil.rmtree(tmp_path / "collector-state")
        return after(tmp_path, *args, **kwargs)

    after(tmp_path, of_commits(aaa=1, bbb=2), 1)
    assert then(of_commits(bbb=2), 2) == {("withdrawn", "commit aaa", 0), ("benchmark", "commit bbb", 2)}
    assert then(of_commits(ccc=3), 3) == {("withdrawn", "commit bbb", 0), ("benchmark", "commit ccc", 3)}
    assert then({"rows": []}, 4) == {("withdrawn", "commit ccc", 0)}
    # A run named later
    made_up = f"{tmp_path.name}/b.json"
    assert after(tmp_path, [real_row()], 5, "b.json") == {("benchmark", made_up, real_row()["conc"])}
    assert then([real_row(conc=9)], 6, "b.json", run_id=7) == {("benchmark", "7", 9), ("withdrawn", made_up, 0)}
    # CI uses one path for one run after another
    assert then([real_row(conc=8)], 7, "b.json", run_id=8) == {("benchmark", "8", 8)}
    assert then([], 8, "b.json", run_id=7) == {("withdrawn", "7", 0)}
    assert then([], 9, "b.json", run_id=8) == {("withdrawn", "8", 0)}
    assert then([], 10, "b.json", run_id=9) == set()


def test_a_run_described_later_takes_its_documents(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "a.json").write_text(json.dumps(real_row()))
    collect([tmp_path / "art"], tmp_path / "landing", now=NOW)
    (tmp_path / "art" / "run.json").write_text(json.dumps({"id": 5, "created_at": "2026-08-30T10:00:00Z"}))
    collect([tmp_path / "art"], tmp_path / "landing", now=NOW.replace(day=2))
    rows = [row for row in landed(tmp_path / "landing") if row["recorded_at"].day == 2]
    assert sorted((row["kind"], row["github_run_id"]) for row in rows) == [
        ("benchmark", 5), ("withdrawn", None), ("workflow_run", 5),
    ]  # fmt: skip


def test_a_run_that_the_path_of_an_entry_names_is_withdrawn_with_it(tmp_path: Path) -> None:
    def entries(*ids: int) -> dict[str, Any]:
        return {"rows": [{"path": f"x_{i}/r.json", "data": real_row(conc=1)} for i in ids]}

    after(tmp_path, entries(29003473063, 29003473064), 1)
    assert after(tmp_path, entries(29003473064), 2) == {
        ("withdrawn", "29003473063", 0), ("benchmark", "29003473064", 1),
    }  # fmt: skip


def test_what_landed_under_an_older_name_is_withdrawn(tmp_path: Path) -> None:
    """Documents were once known by the last parts of what was given."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.json").write_text(json.dumps(real_row()))
    old = {
        "source_system": "inferencex", "recorded_at": NOW.replace(hour=1), "kind": "benchmark", "run_attempt": 1,
        "created_at": NOW, "document_path": "out/a.json", "artifact_path": "a.json", "row_index": 0, "raw_sha256": "",
        "raw": json.dumps(real_row(conc=3)),
    }  # fmt: skip
    for name, run_id in (("out/a.json", None), ("7", 7), ("8", 8)):
        row = old | {"run_name": name, "github_run_id": run_id}
        drop_rows(tmp_path / "landing", INFERENCE_ARTIFACTS, [row], host="h", producer="test", date=NOW.date())
    collect([tmp_path / "out" / "a.json"], tmp_path / "landing", Told(run_id=7), now=NOW)
    new = [row for row in landed(tmp_path / "landing") if row["recorded_at"] == NOW]
    assert sorted((row["kind"], row["run_name"], row["document_path"].split("#")[0]) for row in new) == [
        ("benchmark", "7", "out/a.json"), ("withdrawn", "7", "out/a.json"), ("withdrawn", "out/a.json", "out/a.json"),
    ]  # fmt: skip
    assert not collect([tmp_path / "out" / "a.json"], tmp_path / "landing", Told(run_id=7), now=NOW).files


def test_an_evaluation_lands_again_when_its_description_changes(tmp_path: Path) -> None:
    for meta in (EVAL_META, EVAL_META | {"hw": "h200"}):
        collect_bytes(tmp_path, zip_of({"meta_env.json": meta, "results_1.json": EVAL}), told=Told(run_id=1))
    assert {json.loads(row["raw"])["meta"]["hw"] for row in landed(tmp_path / "landing")} == {"b200-nv", "h200"}


@pytest.mark.parametrize("modified", [-(10**9), 0, 10**9, 5 * 10**9])
def test_a_file_of_no_possible_time_counts_as_of_today(tmp_path: Path, modified: int) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"rows": [{"path": "b", "data": real_row(), "date": "0001-01-01"}]}))
    os.utime(tmp_path / "a.json", (modified, modified))
    collect([tmp_path / "a.json"], tmp_path / "landing", now=NOW)
    [row] = landed(tmp_path / "landing")
    assert row["created_at"] == NOW


def test_what_the_caller_says_comes_first(tmp_path: Path) -> None:
    (tmp_path / "x_29003473063").mkdir()
    (tmp_path / "x_29003473063" / "attempt-3").mkdir()
    (tmp_path / "x_29003473063" / "attempt-3" / "a.json").write_text(json.dumps(real_row()))
    collect([tmp_path / "x_29003473063"], tmp_path / "named", now=NOW)
    told = Told(run_id=7, attempt=2, created_at=datetime(2026, 7, 1, tzinfo=UTC))
    collect([tmp_path / "x_29003473063"], tmp_path / "told", told, now=NOW)
    [named], [said] = landed(tmp_path / "named"), landed(tmp_path / "told")
    assert (named["github_run_id"], named["run_attempt"]) == (29003473063, 3)
    assert (said["github_run_id"], said["run_attempt"], said["created_at"].day) == (7, 2, 1)


def test_producer_files_take_their_config_from_the_options(tmp_path: Path) -> None:
    told = Told(producer={"hw": "mi355x", "framework": "sglang"})
    collect(REAL, tmp_path, told, now=NOW)
    rows = [row for row in landed(tmp_path) if row["kind"] == "benchmark"]
    assert {row["options_json"] for row in rows} == {'{"framework": "sglang", "hw": "mi355x"}'}


def deep(levels: int) -> bytes:
    inner = zip_of({"a.json": real_row()})
    for _ in range(levels):
        inner = zip_of({"inner.zip": inner})
    return inner


def encrypted() -> bytes:
    content = bytearray(zip_of({"a.json": real_row()}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    return bytes(content)


def with_link() -> bytes:
    member = zipfile.ZipInfo("a.json")
    member.external_attr = 0o120777 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(member, "/etc/passwd")
    return content.getvalue()


def twice() -> bytes:
    content = zip_of({"a.json": real_row(), "b.json": real_row(conc=8)})
    return content.replace(b"b.json", b"a.json")


def flipped() -> bytes:
    content = bytearray(zip_of({"a.json": real_row()}))
    content[60] ^= 0xFF
    return bytes(content)


def tar_of(*members: tuple[str, str] | tarfile.TarInfo, packed: bool = True) -> bytes:
    """A tar, as servers' logs come in: files by name and text, and members of any other kind as they are."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz" if packed else "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1].encode())
                archive.addfile(info, io.BytesIO(member[1].encode()))
    return content.getvalue()


def tar_link() -> tarfile.TarInfo:
    link = tarfile.TarInfo("a.log")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return link


def tar_flipped() -> bytes:
    """The second member's header is damaged: a listing ends there without a word."""
    content = bytearray(tar_of(("a.log", "x"), ("b.log", "y"), packed=False))
    content[1024 + 148] ^= 0xFF
    return gzip.compress(content)


def packed_by_bzip2() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.json", json.dumps(real_row()))
    return sink.getvalue()


def saying_one_member() -> bytes:
    content = bytearray(zip_of({f"{n}.json": "{}" for n in range(51)}))
    end = content.rfind(b"PK\x05\x06")
    content[end + 8 : end + 12] = b"\1\0\1\0"
    return bytes(content)


def with_zip64_end() -> bytes:
    content = zip_of({"a.json": real_row()})
    end = content.rfind(b"PK\x05\x06")
    return content[:end] + b"PK\x06\x07" + bytes(16) + content[end:]


@pytest.mark.parametrize(
    ("content", "path", "reason"),
    [
        (packed_by_bzip2, "a.zip/a.json", "another method than deflate"),
        (saying_one_member, "a.zip", "more than 50 members"),
        (with_zip64_end, "a.zip", "a ZIP64 archive"),
        (lambda: b"PK no zip", "a.zip", "no readable ZIP"),
        (lambda: b"", "a.zip", "no readable ZIP"),
        (lambda: zip_of({"a.json": real_row()})[:-30], "a.zip", "no readable ZIP"),
        (flipped, "a.zip/a.json", "damaged in its ZIP"),
        (lambda: zip_of({"../../a.json": real_row()}), "a.zip/../../a.json", "leads out of the archive"),
        (lambda: zip_of({"/etc/a.json": real_row()}), "a.zip/etc/a.json", "leads out of the archive"),
        (lambda: zip_of({"C:\\a.json": real_row()}), "a.zip/C:\\a.json", "leads out of the archive"),
        (with_link, "a.zip/a.json", "a link in a ZIP"),
        (encrypted, "a.zip/a.json", "encrypted"),
        (twice, "a.zip/a.json", "another member of the archive has this name"),
        (lambda: deep(5), "a.zip" + "/inner.zip" * 4, "more than 4 archives deep"),
        (lambda: zip_of({f"{n}.json": "{}" for n in range(51)}), "a.zip", "51 members, more than 50"),
        (lambda: zip_of({"a.json": " " * 2_000_000}), "a.zip/a.json", "2,000,000 bytes, more than 1,000,000"),
        (lambda: zip_of({"a.json": " " * 900_000}), "a.zip/a.json", "a ZIP bomb is not read"),
        (lambda: zip_of({"l.tar.gz": tar_of(("../a.log", ""))}), "a.zip/l.tar.gz/../a.log", "leads out of the archive"),
        (lambda: zip_of({"l.tar.gz": tar_of(("/a.log", ""))}), "a.zip/l.tar.gz/a.log", "leads out of the archive"),
        (lambda: zip_of({"l.tar.gz": tar_of(tar_link())}), "a.zip/l.tar.gz/a.log", "a link or no regular file"),
        (lambda: zip_of({"l.tgz": tar_of(("a.log", "1"), ("a.log", "2"))}), "a.zip/l.tgz/a.log", "has this name"),
        (lambda: zip_of({"l.tar.gz": tar_of(*((f"{n}.log", "") for n in range(51)))}), "a.zip/l.tar.gz",
            "more than 50 members"),
        (lambda: zip_of({"l.tar.gz": tar_of(("a.log", "x" * 900_000))}), "a.zip/l.tar.gz", "a bomb is not read"),
        (lambda: zip_of({"l.tar": tar_of(("a.log", os.urandom(500_001).hex()), packed=False)}), "a.zip/l.tar/a.log",
            "more than 1,000,000 bytes"),
        (lambda: zip_of({"l.tar.gz": tar_of(("a.log", os.urandom(500_000).hex() + "x"))}), "a.zip/l.tar.gz/a.log",
            "more than 1,000,000 bytes"),
        (lambda: zip_of({"l.tar.gz": tar_of(("a.log", "x"))[:-9]}), "a.zip/l.tar.gz", "no readable tar"),
        (lambda: zip_of({"l.tar": tar_of(("a.log", "x"), packed=False)[:1024]}), "a.zip/l.tar", "without its end"),
        (lambda: zip_of({"l.tar.gz": tar_flipped()}), "a.zip/l.tar.gz", "without its end"),
        (lambda: zip_of({"l.tar.gz": b"text"}), "a.zip/l.tar.gz", "no readable tar"),
        (lambda: zip_of({"a.json": b'{"hw":"\xff"}'}), "a.zip/a.json", "not UTF-8"),
        (lambda: zip_of({"a.json": "[" * 100_000}), "a.zip/a.json", "nested too deeply"),
        (lambda: zip_of({"a.json": '{"hw":'}), "a.zip/a.json", "no JSON"),
        (lambda: zip_of({"a.json": "[1]"}), "a.zip/a.json", "not a JSON object"),
        (lambda: zip_of({"a.json": '"text"'}), "a.zip/a.json", "not a JSON object"),
        (lambda: zip_of({"a.json": '{"hw":"b200","x":NaN}'}), "a.zip/a.json", "NaN or Infinity is no JSON"),
        (lambda: zip_of({"a.json": '{"hw":"b200","x":[-Infinity]}'}), "a.zip/a.json", "NaN or Infinity is no JSON"),
        (lambda: zip_of({"a.json": '{"hw":"b200","x":1e999}'}), "a.zip/a.json", "a number beyond"),
        (lambda: zip_of({"a.json": '{"hw":"b200","x":%s}' % ("9" * 5000)}), "a.zip/a.json", "no JSON"),
        (lambda: zip_of({"a.json": '{"hw":"b200","hw":"h200"}'}), "a.zip/a.json", "a key stands twice"),
        (lambda: zip_of({"a.json": '{"hw":"b200","m":{"x":1,"x":2}}'}), "a.zip/a.json", "a key stands twice"),
        (lambda: zip_of({"a.json": '{"h":{"n_success":1,"total":1},"h":{"n_success":1,"total":1}}'}),
            "a.zip/a.json", "a key stands twice"),
        (lambda: zip_of({"a.json": '{"hw":"b200","x":"\\ud800"}'}), "a.zip/a.json", "no Unicode"),
        (lambda: zip_of({"a.json": f"[{'1,' * 200_000}1]"}), "a.zip/a.json", "more than 200,000 rows"),
        (lambda: zip_of({"a.json": {"some": "thing"}}), "a.zip/a.json", "no artifact that is known"),
        (lambda: zip_of({"results_1.json": EVAL}), "a.zip/results_1.json", "without an object meta_env.json"),
        (lambda: zip_of({"run.json": {"id": "x"}}), "a.zip/run.json", "no description of a workflow run"),
        (lambda: zip_of({"run.json": {"id": 1, "run_attempt": 10**30}}), "a.zip/run.json", "run_attempt is none of 1"),
        (lambda: zip_of({"run.json": {"id": 1, "created_at": "0001-01-01T00:00:00Z"}}), "a.zip/run.json",
            "created_at is no time from 2019-01-01"),
        (lambda: zip_of({"run.json": {"id": 1, "created_at": "infinity"}}), "a.zip/run.json", "created_at is no time"),
        (lambda: zip_of({"run.json": {"id": 1, "created_at": "9999-12-31T23:59:59-01:00"}}), "a.zip/run.json",
            "created_at is no time"),
        (lambda: zip_of({"a.json": {"h200": {"n_success": 2, "total": 1}}}), "a.zip/a.json", "0 ≤ n_success ≤ total"),
        (lambda: zip_of({"a.json": {"h200": {"n_success": 1, "total": 10**30}}}), "a.zip/a.json", "whole numbers"),
    ],
)  # fmt: skip
def test_hostile_input_is_refused_with_its_reason(
    tmp_path: Path, content: Callable[[], bytes], path: str, reason: str
) -> None:
    limits = Limits(members=50, document_bytes=1_000_000, ratio_from_bytes=500_000)
    collect_bytes(tmp_path, content(), limits=limits)
    found = reasons(tmp_path / "landing")
    assert list(found) == [path] and reason in found[path]
    assert not any(path.suffix == ".json" for path in (tmp_path / "landing").rglob("*"))  # nothing is unpacked


def test_the_neighbours_of_a_bad_row_land(tmp_path: Path) -> None:
    good = json.dumps(real_row())
    document = f'[{good}, 7, {{"hw":"b200","x":NaN}}, {good.replace("1024", "8192", 1)}]'
    summary = collect_bytes(tmp_path, document.encode(), "a.json")
    assert [row["row_index"] for row in landed(tmp_path / "landing")] == [0, 3]
    assert sorted(row["row_index"] for row in landed(tmp_path / "landing", "inference_rejects")) == [1, 2]
    assert summary.rejected.total() == 2
    assert not collect_bytes(tmp_path, document.encode(), "a.json").files  # rejects, too, land once


def test_a_file_of_nothing_but_bad_rows_keeps_the_first(tmp_path: Path) -> None:
    summary = collect_bytes(tmp_path, json.dumps([1] * 5_000).encode(), "a.json")
    kept = landed(tmp_path / "landing", "inference_rejects")
    assert len(kept) == 101 and summary.rejected.total() == 101
    assert "5000 rows refused, the first 100 are kept" in {row["reason"] for row in kept}


def test_a_row_of_many_megabytes_is_refused(tmp_path: Path) -> None:
    huge = json.dumps([real_row(), real_row(note="x" * 17_000_000)])
    collect_bytes(tmp_path, huge.encode(), "a.json")
    [reason] = reasons(tmp_path / "landing").values()
    assert "a row of more than 16,777,216 bytes" in reason
    assert len(landed(tmp_path / "landing")) == 1


def test_the_sum_of_all_is_limited(tmp_path: Path) -> None:
    content = zip_of({f"{n}.json": real_row(conc=n + 1) for n in range(10)})
    summary = collect_bytes(tmp_path, content, limits=Limits(total_bytes=5_000))
    assert 0 < summary.rows["benchmark"] < 10
    assert summary.rows["benchmark"] + summary.rejected.total() == 10


def test_links_in_folders_do_not_lead_out(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside.json").write_text(json.dumps(real_row()))
    (folder / "inside.json").write_text(json.dumps(real_row()))
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.json").symlink_to(folder / "nothing.json")
    summary = collect([folder], tmp_path / "landing", now=NOW)
    assert summary.rows == {"benchmark": 1}
    found = reasons(tmp_path / "landing")
    assert set(found) == {"folder/link.json", "folder/loop", "folder/dangling.json"}
    assert "leads out of the folder" in found["folder/link.json"]


def test_a_pipe_is_refused_and_a_path_that_is_not_there_stops_all_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "a.json").write_text(json.dumps(real_row()))
    collect([tmp_path / "pipe.json"], tmp_path / "landing", now=NOW)
    assert reasons(tmp_path / "landing") == {"pipe.json": "no regular file; only files are read"}
    with pytest.raises(FileNotFoundError):
        collect([tmp_path / "a.json", tmp_path / "nothing.json"], tmp_path / "landing", now=NOW)
    assert not landed(tmp_path / "landing")
    assert collect([tmp_path / "a.json"], tmp_path / "landing", now=NOW).rows == {"benchmark": 1}


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([real_row(), 1]))
    arguments = ["inferencex", str(tmp_path / "a.json"), "--landing", str(tmp_path / "landing"), "--run-id", "77"]
    done = CliRunner().invoke(app, [*arguments, "--date", "2026-05-06"])
    assert done.exit_code == 0 and done.stdout == "1 benchmark in 2 file(s); 0 unchanged, 0 of other kinds\n"
    assert "refused 1 × not a JSON object" in done.stderr
    assert (tmp_path / "landing" / "inference_artifacts" / "date=2026-05-06").is_dir()
    (tmp_path / "b.json").write_text("NaN")
    assert (
        CliRunner()
        .invoke(app, ["inferencex", str(tmp_path / "b.json")], env={"ALEMS_WAREHOUSE": str(tmp_path)})
        .exit_code
    )
