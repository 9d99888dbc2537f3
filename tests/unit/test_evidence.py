"""Evidence: what is in it, that it verifies, and that nothing in it can be changed unnoticed."""

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from alems_pipeline import build, evidence
from alems_pipeline.cli import app, main
from alems_pipeline.evidence import NoEvidence, bundle, verify
from alems_pipeline.warehouse import Warehouse
from collectors.contract_usage import CARBON_INTENSITY
from collectors.drop import drop_rows
from tests.warehouses import materialize, warehouse_with

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def run_id(example_home: Path) -> int:
    """An agentic run that is paired with a linear one."""
    with Warehouse(example_home).read() as con:
        return int(con.execute("SELECT max(agentic_run_id) FROM orchestration_tax_summary").fetchall()[0][0])


@pytest.fixture(scope="module")
def made(example_home: Path, run_id: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "run.zip"
    answer = CliRunner().invoke(app, ["evidence", str(run_id), "--out", str(path), "--warehouse", str(example_home)])
    assert answer.exit_code == 0, answer.output
    assert hashlib.sha256(path.read_bytes()).hexdigest() in answer.output
    return path


@pytest.fixture(scope="module")
def members(made: Path) -> Members:
    with zipfile.ZipFile(made) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, members: Members, *, with_hashes: bool = True) -> Path:
    """A bundle of other members, its manifest made to fit as a forger would."""
    if with_hashes:
        manifest = json.loads(members["manifest.json"])
        manifest["files"] = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != "manifest.json"
        }
        members = {**members, "manifest.json": evidence._json(manifest)}
    with path.open("wb") as file:
        evidence._write(file, members)
    return path


def test_it_holds_the_files_the_sql_and_the_figures(
    made: Path, members: Members, example_home: Path, run_id: int
) -> None:
    manifest, figures = json.loads(members["manifest.json"]), json.loads(members["figures.json"])
    assert manifest["runs"] == {"main": [str(run_id)]}
    assert manifest["versions"]["duckdb"] and manifest["versions"]["table_code"]
    landing = {name for name in members if name.startswith("landing/")}
    with Warehouse(example_home).read() as con:
        [(paths, host)] = con.execute(
            "SELECT l.landing_files, e.host FROM v_run_lineage AS l JOIN runs AS r ON r.run_id::VARCHAR = l.id "
            "JOIN experiments AS e ON e.exp_id = r.exp_id WHERE r.run_id = ?", [run_id]
        ).fetchall()  # fmt: skip
        [(energy, dynamic)] = con.execute(
            "SELECT total_energy_uj, dynamic_energy_uj FROM runs WHERE run_id = ?", [run_id]
        ).fetchall()
    assert landing >= {f"landing/{path}" for path in paths}
    assert all(host in name for name in landing), "the other host's files have no part in it"
    for name in landing:
        assert members[name] == (example_home / name).read_bytes()
    [run] = figures["runs"]
    assert (run["total_energy_uj"], run["dynamic_energy_uj"]) == (energy, dynamic)
    assert [pair["agentic_run_id"] for pair in figures["orchestration_tax_summary"]] == [run_id]
    assert {"sql/core/runs.sql", "sql/day/run_energy.sql", "sql/marts/orchestration_tax_summary.sql"} <= members.keys()


def test_it_is_the_same_to_the_byte_and_verifies_without_its_warehouse(
    made: Path, example_home: Path, run_id: int, tmp_path: Path
) -> None:
    with Warehouse(example_home).read() as con:
        bundle(Warehouse(example_home), con, [str(run_id)], tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == made.read_bytes()
    answer = CliRunner().invoke(app, ["evidence", "verify", str(made)])
    assert answer.exit_code == 0, answer.output
    assert "equal: " in answer.output


def test_all_runs_of_a_warehouse_verify(example_home: Path, tmp_path: Path) -> None:
    with Warehouse(example_home).read() as con:
        runs = [str(run_id) for (run_id,) in con.execute("SELECT run_id FROM runs").fetchall()]
        bundle(Warehouse(example_home), con, runs, tmp_path / "all.zip")
    verdict = verify(tmp_path / "all.zip")
    assert (verdict.is_equal, len(verdict.runs), verdict.notes) == (True, 40, [])


def test_a_flipped_byte_anywhere_is_found_and_its_member_named(made: Path, members: Members, tmp_path: Path) -> None:
    whole = made.read_bytes()
    path = tmp_path / "flipped.zip"
    with zipfile.ZipFile(made) as archive:
        starts = {info.filename: info.header_offset for info in archive.infolist()}
        directory = archive.start_dir
    choose = random.Random(3)
    # Every byte of a member's header and of the directory's end; some of each member's content.
    places = [*range(starts["figures.json"], starts["figures.json"] + 60), *range(len(whole) - 22, len(whole))]
    places += [choose.randrange(directory, len(whole)) for _ in range(60)]
    for name, data in members.items():
        first = whole.index(data, starts[name])
        places += [first, choose.randrange(first, first + len(data))]
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << choose.randrange(8)
        path.write_bytes(flipped)
        try:
            verdict = verify(path)
        except NoEvidence as reason:
            assert str(path) in str(reason)
            continue
        assert verdict.damage, f"byte {place} was flipped unnoticed"
        if place < directory:
            owner = max((name for name in starts if starts[name] <= place), key=lambda name: starts[name])
            assert any(owner in line for line in verdict.damage), (place, owner, verdict.damage)


def test_a_forged_figure_is_computed_otherwise(members: Members, run_id: int, tmp_path: Path) -> None:
    figures = json.loads(members["figures.json"])
    figures["runs"][0]["total_energy_uj"] += 1
    figures["run_energy"][0]["energy_source"] = "nvml"
    del figures["orchestration_tax_summary"][0]
    forged = written(tmp_path / "forged.zip", members | {"figures.json": evidence._json(figures)})
    lines = verify(forged).differences
    assert len(lines) == 3
    total = figures["runs"][0]["total_energy_uj"]
    assert lines[0] == f"runs {run_id}, total_energy_uj: {total} in the bundle, {total - 1} computed"
    assert lines[1].startswith(f"run_energy {run_id}, energy_source: nvml in the bundle, ")
    assert lines[2].endswith("not in the bundle")


def test_a_false_row_before_the_true_one_is_seen(members: Members, tmp_path: Path) -> None:
    figures = json.loads(members["figures.json"])
    figures["runs"].insert(0, figures["runs"][0] | {"total_energy_uj": 1})
    forged = written(tmp_path / "forged.zip", members | {"figures.json": evidence._json(figures)})
    assert verify(forged).differences == ["runs: 1 more row(s) in the bundle than there are keys"]


def test_a_key_that_stands_twice_is_seen(members: Members, tmp_path: Path) -> None:
    text = members["figures.json"].decode()
    doubled = text.replace('"total_energy_uj":', '"total_energy_uj": 1,\n   "total_energy_uj":', 1)
    forged = written(tmp_path / "forged.zip", members | {"figures.json": doubled.encode()})
    assert verify(forged).damage == ["figures.json: not written as `alems evidence` writes it"]


def test_other_sql_under_the_same_version_is_seen(members: Members, tmp_path: Path) -> None:
    changed = members["sql/core/runs.sql"] + b"-- and more\n"
    forged = written(tmp_path / "forged.zip", members | {"sql/core/runs.sql": changed})
    assert verify(forged).damage == ["sql/core/runs.sql: not the SQL of its version"]


def test_forged_samples_give_other_figures(members: Members, run_id: int, tmp_path: Path) -> None:
    [name] = [name for name in members if name.startswith("landing/energy_samples/")]
    table = pq.ParquetFile(io.BytesIO(members[name])).read()
    sink = io.BytesIO()
    pq.write_table(table.slice(0, table.num_rows - 200), sink)  # the newest run is the last in the file
    forged = written(tmp_path / "forged.zip", members | {name: sink.getvalue()})
    verdict = verify(forged)
    assert not verdict.damage
    assert any(line.startswith(f"runs {run_id}, ") for line in verdict.differences)


def deflated(members: Members) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("sql/core/bomb.sql", b"0" * 10_000_000)
    return sink.getvalue()


def stored(members: Members) -> bytes:
    sink = io.BytesIO()
    evidence._write(sink, members)
    return sink.getvalue()


def twice(members: Members) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in ("manifest.json", "figures.json"):
            archive.writestr(name, members[name])
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("figures.json", b"{}")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (deflated, "is compressed or encrypted"),
        (lambda members: stored(members | {"../../etc/passwd": b"x"}), "member '../../etc/passwd'"),
        (lambda members: stored(members | {"landing/runs/../../x.parquet": b"x"}), "landing files, SQL and two JSON"),
        (lambda members: stored(members | {"/landing/runs/date=2026-01-01/x.parquet": b"x"}), "landing files, SQL"),
        (twice, "stands twice"),
        (lambda members: stored({"figures.json": members["figures.json"]}), "has no manifest.json"),
        (lambda members: stored(members | {"manifest.json": b"{"}), "manifest.json is no JSON"),
        (lambda members: stored(members | {"manifest.json": b'{"format": "other/9"}'}), "its format is not"),
        (lambda members: stored(members | {"figures.json": b"[" * 100_000}), "figures.json is no JSON"),
        (lambda members: b"PK\x05\x06 no archive", "no readable ZIP archive"),
        (lambda members: b"", "no readable ZIP archive"),
    ],
)
def test_what_no_bundle_is_is_refused(
    members: Members, tmp_path: Path, forge: Callable[[Members], bytes], reason: str
) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(forge(members))
    with pytest.raises(NoEvidence, match=reason):
        verify(path)


def test_members_that_the_manifest_does_not_know_are_named(members: Members, tmp_path: Path) -> None:
    name = next(name for name in members if name.startswith("landing/runs/"))
    fewer = {key: data for key, data in members.items() if key != name}
    assert verify(written(tmp_path / "a.zip", fewer, with_hashes=False)).damage == [
        f"{name}: missing, the manifest lists it"
    ]
    more = members | {"sql/core/other.sql": b"SELECT 1"}
    assert verify(written(tmp_path / "b.zip", more, with_hashes=False)).damage == [
        "sql/core/other.sql: not in the manifest"
    ]


def test_bytes_behind_the_archive_are_found(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.zip"
    path.write_bytes(b"#!/bin/sh\n" + made.read_bytes())
    assert "not as it was written" in verify(path).damage[0]


def test_the_command_says_what_it_lacks(
    example_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, reason in (
        (["1", "--out", str(tmp_path / "x.zip")], "1: no run that has figures"),
        (["1"], "Give --out FILE.zip"),
        (["verify"], "give one bundle"),
        (["verify", str(tmp_path / "none.zip")], "none.zip: no such file"),
    ):
        monkeypatch.setattr("sys.argv", ["alems", "evidence", *arguments])
        monkeypatch.setenv("ALEMS_WAREHOUSE", str(example_home))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        assert reason in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()


def test_the_carbon_intensity_of_a_runs_time_goes_with_it(example_landing: Path, tmp_path: Path) -> None:
    home = warehouse_with(example_landing, tmp_path)
    with Warehouse(home).write() as con:
        plan = build.plan(Warehouse(home), con)
    [day] = plan.days
    recorded_at = datetime.combine(day, time(23), UTC)
    windows = [[datetime.combine(day, time(hour + more), UTC) for more in (0, 1)] for hour in range(10, 20)]
    rows = [
        {"source_system": "test", "recorded_at": recorded_at, "region": country, "window_start": start,
         "window_end": end, "actual_gco2eq_kwh": 100.0 + start.hour}
        for country in ("US", "GB", "DE", "FR", "IN")
        for start, end in windows
    ]  # fmt: skip
    drop_rows(home / "landing", CARBON_INTENSITY, rows, host="grid", producer="tests", date=day)
    materialize(home)
    with Warehouse(home).read() as con:
        [(run_id, carbon)] = con.execute(
            "SELECT run_id, carbon_gco2eq_kwh FROM run_grid_factors WHERE carbon_source = 'actual' ORDER BY 1 LIMIT 1"
        ).fetchall()
        paths = bundle(Warehouse(home), con, [str(run_id)], tmp_path / "run.zip")
    assert 110 <= carbon <= 120
    assert [path for path in paths if path.startswith("carbon_intensity/")] != []
    assert verify(tmp_path / "run.zip").is_equal
