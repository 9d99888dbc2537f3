"""Importing A-LEMS stores: every row lands as an independent read sees it, and the store is left untouched."""

import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import contract
from collectors.sources import alems_store, day_writer, sqlite_file
from collectors.sources.alems_store import ImportSummary, NotAnAlemsStore, import_store
from collectors.sources.alems_values import utc_time, without_false_zeros
from collectors.sources.sqlite_file import StoreUnreadable

DATA = Path(__file__).parent.parent / "data"
RUN_DAY = "2026-01-21"  # all 40 runs begin at 1769000100 s or up to 7 minutes later
SAMPLES = ("energy_samples", "cpu_samples", "interrupt_samples", "thermal_samples")

Row = dict[str, Any]


def query(store: Path, sql: str) -> list[Row]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as con:
        con.row_factory = sqlite3.Row
        return [dict(row) for row in con.execute(sql)]


def landed(landing: Path, dataset: str, day: str = "*") -> list[Row]:
    paths = sorted((landing / dataset).glob(f"date={day}/*.parquet"))
    tables = [pq.ParquetFile(path).read() for path in paths]
    return pa.concat_tables(tables).to_pylist() if tables else []


def key(*parts: object) -> int:
    """The stable id, written out anew."""
    return int(hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:13], 16)


def utc(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.strptime(text + "+0000", "%Y-%m-%d %H:%M:%S%z")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "warehouse" / "landing"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy of a store, to be changed."""
    return Path(shutil.copy(DATA / "host_a.db", tmp_path / "experiments.db"))


@contextmanager
def changing(store: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store)) as con:
        yield con
        con.commit()


# Every row of both stores

HOSTS = {"host_a.db": ("lab-laptop-a", "000000000000000b"), "host_b.db": ("lab-laptop-b", "0000000000000017")}


class Imported:
    """One of the example stores and what landed of it."""

    def __init__(self, store: Path, landing: Path) -> None:
        self.store = store
        self.landing = landing
        self.host, hardware_hash = HOSTS[store.name]
        self.summary = import_store(store, landing)
        self.hw_id = key(hardware_hash, self.host)
        self.created = {
            e["exp_id"]: e["created_at"] for e in query(store, "SELECT exp_id, created_at FROM experiments")
        }
        self.runs = query(store, "SELECT * FROM runs ORDER BY run_id")
        self.run_keys = {r["run_id"]: key("alems-store", self.host, r["run_id"], r["start_time_ns"]) for r in self.runs}

    def exp_key(self, exp_id: int) -> int:
        created = utc(self.created[exp_id])
        assert created is not None
        return key("alems-store", self.host, exp_id, int(created.timestamp()))


@pytest.fixture(scope="module", params=list(HOSTS))
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return Imported(DATA / request.param, tmp_path_factory.mktemp("warehouse") / "landing")


def test_as_many_rows_land_as_the_tables_hold(imported: Imported) -> None:
    for table, dataset in (alems_store.RECORD_TABLES | alems_store.RUN_TABLES).items():
        (count,) = query(imported.store, f"SELECT count(*) AS n FROM {table}")
        assert imported.summary.rows[dataset.name] == count["n"] == len(landed(imported.landing, dataset.name)), table
    assert imported.summary.notes == []
    assert imported.summary.host == imported.host
    assert sorted(imported.summary.files) == sorted(imported.landing.rglob("*.parquet"))
    assert {path.parent.name for path in imported.summary.files} == {f"date={RUN_DAY}"}


@pytest.mark.parametrize("table", SAMPLES)
def test_every_sample_lands_as_stored(imported: Imported, table: str) -> None:
    expected = query(imported.store, f"SELECT * FROM {table} ORDER BY sample_id")
    for row in expected:
        del row["sample_id"]
        row["run_key"] = imported.run_keys[row.pop("run_id")]
        if table == "energy_samples":
            assert row["dram_energy_uj"] == 0
            row |= {"dram_energy_uj": None, "package_index": 0, "psys_energy_uj": None, "model_energy_uj": None}
            row |= {f"{domain}_range_uj": 262_143_328_850 for domain in ("pkg", "core", "uncore")}
            row |= {"dram_range_uj": None, "psys_range_uj": None}
        if table == "cpu_samples":
            assert row["dram_power"] == 0
            row["dram_power"] = None
    assert landed(imported.landing, table) == expected


def test_every_event_lands_as_stored(imported: Imported) -> None:
    expected = query(imported.store, "SELECT * FROM orchestration_events ORDER BY event_id")
    for row in expected:
        assert row.pop("duration_ns") == row["end_time_ns"] - row["start_time_ns"]
        assert {row.pop("event_energy_uj"), row.pop("tax_contribution_uj"), row.pop("tax_percent")} == {None}
        row |= {"run_key": imported.run_keys[row.pop("run_id")], "source_event_id": str(row.pop("event_id"))}
        row["detail_json"] = None
    assert landed(imported.landing, "orchestration_events") == expected


def test_every_call_lands_as_stored(imported: Imported) -> None:
    expected = query(imported.store, "SELECT * FROM llm_interactions ORDER BY interaction_id")
    for row in expected:
        row |= {"run_key": imported.run_keys[row.pop("run_id")], "created_at": utc(row["created_at"])}
        row |= {"source_interaction_id": str(row.pop("interaction_id")), "error_message": None}
    assert landed(imported.landing, "llm_interactions") == expected
    assert expected[0]["prompt"] == "What is 1+0? — “test”"


def strip_recorded_at(rows: list[Row]) -> list[Row]:
    """The rows without the time of the drop, after checking it."""
    for row in rows:
        assert dt.timedelta(0) <= dt.datetime.now(dt.UTC) - row.pop("recorded_at") < dt.timedelta(minutes=10)
    return rows


def test_every_record_of_the_host_lands_as_stored(imported: Imported) -> None:
    source = {"source_system": "alems-store", "host": imported.host}
    (hardware,) = query(imported.store, "SELECT * FROM hardware_config")
    hardware |= source | {"hw_id": imported.hw_id, "created_at": utc(hardware["created_at"])}
    assert strip_recorded_at(landed(imported.landing, "hardware_config")) == [hardware]

    (environment,) = query(imported.store, "SELECT * FROM environment_config")
    described = [environment[name] for name in contract.ENVIRONMENT_COLUMNS]
    texts = ["" if value is None else "false" if value == 0 else value for value in described]
    environment |= source | {"env_id": key(*texts), "created_at": utc(environment["created_at"]), "git_dirty": False}
    assert strip_recorded_at(landed(imported.landing, "environment_config")) == [environment]

    (baseline,) = query(imported.store, "SELECT * FROM idle_baselines")
    assert baseline["dram_power_watts"] == baseline["dram_std"] == 0
    baseline |= source | {"hw_id": imported.hw_id, "dram_power_watts": None, "dram_std": None}
    baseline |= dict.fromkeys(("gpu_power_watts", "model_power_watts", "package_autocorr_lag1"))
    assert strip_recorded_at(landed(imported.landing, "idle_baselines")) == [baseline]

    experiments = query(imported.store, "SELECT * FROM experiments ORDER BY exp_id")
    for row in experiments:
        exp_id = row.pop("exp_id")
        row |= source | {"exp_key": imported.exp_key(exp_id), "source_exp_id": str(exp_id)}
        row |= {"hw_id": imported.hw_id, "env_id": environment["env_id"], "created_at": utc(row["created_at"])}
    assert strip_recorded_at(landed(imported.landing, "experiments")) == experiments

    taxes = query(imported.store, "SELECT * FROM orchestration_tax_summary ORDER BY comparison_id")
    for row in taxes:
        del row["comparison_id"]
        row |= source | {
            f"{kind}_run_key": imported.run_keys[row.pop(f"{kind}_run_id")] for kind in ("linear", "agentic")
        }
    assert strip_recorded_at(landed(imported.landing, "reported_tax")) == taxes


# What A-LEMS wrote as 0 in every run of both stores, for want of a source.
ZEROS_OF_NOTHING = {
    "cache_misses", "cache_references", "page_faults", "major_page_faults", "minor_page_faults",
    "context_switches_voluntary", "context_switches_involuntary", "thread_migrations", "run_queue_length",
    "kernel_time_ms", "user_time_ms", "frequency_mhz", "ring_bus_freq_mhz", "thermal_now_active",
    "thermal_since_boot", "c2_time_seconds", "c3_time_seconds", "c6_time_seconds", "c7_time_seconds",
    "wakeup_latency_us", "rss_memory_mb", "vms_memory_mb", "dns_latency_ms", "api_latency_ms", "compute_time_ms",
    "bytes_sent", "bytes_recv", "tcp_retransmits", "background_cpu_percent",
}  # fmt: skip


def test_every_run_lands_as_stored(imported: Imported) -> None:
    rows = strip_recorded_at(landed(imported.landing, "runs"))
    assert len(rows) == len(imported.runs) == 20
    (environment,) = landed(imported.landing, "environment_config")
    for row, stored in zip(rows, imported.runs, strict=True):
        for name in ZEROS_OF_NOTHING:
            assert (stored[name], row[name]) == (0, None), name
        reported = json.loads(row.pop("reported_json"))
        assert row.pop("run_key") == imported.run_keys[stored["run_id"]]
        assert row.pop("exp_key") == imported.exp_key(stored["exp_id"])
        assert (row.pop("hw_id"), row.pop("env_id")) == (imported.hw_id, environment["env_id"])
        assert (row.pop("source_run_id"), row.pop("host")) == (str(stored["run_id"]), imported.host)
        assert (row.pop("source_system"), row.pop("status")) == ("alems-store", "completed")
        assert row.pop("reported_total_energy_uj") == stored["total_energy_uj"]
        assert row.pop("reported_dynamic_energy_uj") == stored["dynamic_energy_uj"]
        assert {row.pop(n) for n in ("exit_code", "error_message", "command", "max_sample_interval_ns")} == {None}
        assert row == {name: None if name in ZEROS_OF_NOTHING else stored[name] for name in row}
        carried = {*row, "run_id", "exp_id", "hw_id", "total_energy_uj", "dynamic_energy_uj"}
        assert reported == {n: v for n, v in stored.items() if n not in carried and v is not None}


def test_worked_values_of_host_a(tmp_path: Path) -> None:
    """Read with the sqlite3 shell."""
    landing = tmp_path / "landing"
    import_store(DATA / "host_a.db", landing)
    runs = {row["source_run_id"]: row for row in landed(landing, "runs")}
    assert runs["1"]["reported_total_energy_uj"] == 38_506_890
    assert runs["3"]["reported_total_energy_uj"] == 0, "the counter wrapped, and A-LEMS made that 0"
    assert (runs["1"]["governor"], runs["1"]["turbo_enabled"], runs["1"]["process_count"]) == ("powersave", True, 380)
    assert json.loads(runs["1"]["reported_json"])["uncore_energy_uj"] == 14_684_535
    assert landed(landing, "energy_samples")[1]["uncore_energy_uj"] == 1_000_001_023
    wrapped = [r["pkg_energy_uj"] for r in landed(landing, "energy_samples") if r["run_key"] == runs["3"]["run_key"]]
    assert sum(b < a for a, b in pairwise(wrapped)) == 1, "counters land as read, wraps included"
    assert landed(landing, "reported_tax")[0]["orchestration_tax_uj"] == 44_185_098


def test_pages_and_buffers_do_not_show(tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_store(DATA / "host_a.db", landing)
    other = tmp_path / "other" / "landing"
    monkeypatch.setattr(alems_store, "PAGE_ROWS", 997)
    monkeypatch.setattr(alems_store, "WIDE_PAGE_ROWS", 7)
    monkeypatch.setattr(day_writer, "MAX_BUFFERED_BYTES", 100_000)
    calls: list[tuple[str, int, int]] = []
    import_store(DATA / "host_a.db", other, progress=lambda *call: calls.append(call))
    for dataset in contract.DATASETS:
        rows, others = landed(landing, dataset), landed(other, dataset)
        for row in (*rows, *others):
            row.pop("recorded_at", None)
        assert others == rows
    assert len(list((other / "energy_samples").rglob("*.parquet"))) > 5
    assert [done for table, done, _ in calls if table == "energy_samples"] == [*range(997, 12_705, 997), 12_705]
    assert {total for table, _, total in calls if table == "energy_samples"} == {12_705}


# Stores that grow

NEW_RUN = """
INSERT INTO runs (run_id, exp_id, hw_id, baseline_id, run_number, workflow_type, start_time_ns, end_time_ns)
VALUES ({id}, {exp}, 1, 'baseline_lab-laptop-a_1', {id}, 'linear', {start}, {start} + 4000000000)
"""
NEW_SAMPLE = "INSERT INTO energy_samples (run_id, timestamp_ns, pkg_energy_uj) VALUES ({id}, {at}, 5)"
DAY_NS = 86_400_000_000_000
LATER = 1_769_000_100_000_000_000 + 3 * DAY_NS


def new_rows(summary: ImportSummary) -> dict[str, int]:
    return {dataset: n for dataset, n in summary.rows.items() if n}


def test_a_store_that_has_not_changed_is_not_dropped_again(store: Path, landing: Path) -> None:
    import_store(store, landing)
    before = sorted(landing.rglob("*"))
    again = import_store(store, landing)
    assert (new_rows(again), again.files, again.notes) == ({}, [], [])
    assert sorted(landing.rglob("*")) == before


def test_of_a_store_that_has_grown_only_the_new_is_dropped(store: Path, landing: Path) -> None:
    import_store(store, landing)
    with changing(store) as con:
        con.execute(NEW_RUN.format(id=21, exp=1, start=LATER))
        con.execute(NEW_SAMPLE.format(id=21, at=LATER))
        con.execute(NEW_SAMPLE.format(id=21, at=LATER + 1))
        con.execute("UPDATE experiments SET status = 'partial', runs_completed = 11 WHERE exp_id = 1")
    summary = import_store(store, landing)
    assert new_rows(summary) == {"runs": 1, "energy_samples": 2, "experiments": 1}
    (run,) = landed(landing, "runs", "2026-01-24")
    assert run["run_key"] == key("alems-store", "lab-laptop-a", 21, LATER)
    assert [r["run_key"] for r in landed(landing, "energy_samples", "2026-01-24")] == [run["run_key"]] * 2
    versions = [r for r in landed(landing, "experiments", RUN_DAY) if r["source_exp_id"] == "1"]
    newest = max(versions, key=lambda row: row["recorded_at"])
    assert [newest["status"], newest["runs_completed"], len(versions)] == ["partial", 11, 2]
    assert new_rows(import_store(store, landing)) == {}


def test_samples_that_come_after_their_run_are_not_lost(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute(NEW_RUN.format(id=21, exp=1, start=LATER))
    import_store(store, landing)
    with changing(store) as con:
        con.execute(NEW_SAMPLE.format(id=21, at=LATER))
    assert new_rows(import_store(store, landing)) == {"energy_samples": 1}


def test_a_run_that_becomes_whole_brings_its_samples(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute(NEW_RUN.format(id=21, exp=1, start=LATER))
        con.execute("UPDATE runs SET end_time_ns = NULL WHERE run_id = 21")
        con.execute(NEW_SAMPLE.format(id=21, at=LATER))
    summary = import_store(store, landing)
    assert summary.notes == [
        "runs: start_time_ns, end_time_ns or workflow_type missing: 1 row(s) left out",
        "energy_samples: of runs that are missing: 1 row(s) left out",
    ]
    with changing(store) as con:
        con.execute("UPDATE runs SET end_time_ns = start_time_ns + 5 WHERE run_id = 21")
    summary = import_store(store, landing)
    assert summary.notes == []
    assert len(landed(landing, "energy_samples", "2026-01-24")) == len(landed(landing, "runs", "2026-01-24")) == 1


@pytest.mark.parametrize("loss", ["state lost", "state broken", "state of another version", "landing emptied"])
def test_without_a_reliable_state_everything_is_dropped_again(store: Path, landing: Path, loss: str) -> None:
    first = import_store(store, landing)
    (state,) = (landing.parent / "collector-state").glob("*.json")
    if loss == "state lost":
        state.unlink()
    elif loss == "state broken":
        state.write_text(state.read_text()[:100])
    elif loss == "state of another version":
        state.write_text(json.dumps(json.loads(state.read_text()) | {"versions": [0, 0]}))
    else:
        shutil.rmtree(landing)
    again = import_store(store, landing)
    assert again.rows == first.rows
    samples = landed(landing, "energy_samples")
    assert len({(r["run_key"], r["timestamp_ns"]) for r in samples}) == 12_705, "the same keys, to be merged"


def test_a_store_made_anew_is_recognised(store: Path, landing: Path) -> None:
    import_store(store, landing)
    with changing(store) as con:  # ids begin at 1 again, and name other runs
        con.execute("DELETE FROM runs WHERE run_id > 2")
        con.execute(
            "UPDATE runs SET start_time_ns = start_time_ns + ?, end_time_ns = end_time_ns + ?", [DAY_NS, DAY_NS]
        )
        con.execute("DELETE FROM energy_samples WHERE sample_id > 5")
        con.execute("UPDATE energy_samples SET timestamp_ns = timestamp_ns + ?", [DAY_NS])
    summary = import_store(store, landing)
    assert "the store has been made anew since its last import: everything is dropped" in summary.notes
    assert (summary.rows["runs"], summary.rows["energy_samples"]) == (2, 5)
    assert len(landed(landing, "energy_samples", "2026-01-22")) == 5


def test_rows_added_while_it_is_read_are_for_the_next_import(store: Path, landing: Path) -> None:
    def meanwhile(table: str, done: int, total: int) -> None:
        if table == "runs":
            with changing(store) as con:
                con.execute(NEW_RUN.format(id=21, exp=1, start=LATER))
                con.execute(NEW_SAMPLE.format(id=21, at=LATER))

    first = import_store(store, landing, progress=meanwhile)
    assert (first.rows["energy_samples"], first.notes) == (12_705, [])
    assert new_rows(import_store(store, landing)) == {"runs": 1, "energy_samples": 1}


def test_what_cannot_be_noted_is_said_and_dropped_again(
    store: Path, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(alems_store, "save_state", full)
        first = import_store(store, landing)
    assert first.notes == [
        "what was dropped could not be noted ([Errno 28] No space left on device): the next import drops it again"
    ]
    assert import_store(store, landing).rows == first.rows


# Where rows land


def test_samples_stand_in_the_day_of_their_run(store: Path, landing: Path) -> None:
    midnight = 1_769_040_000_000_000_000  # 2026-01-22T00:00:00Z
    with changing(store) as con:
        con.execute(NEW_RUN.format(id=21, exp=1, start=midnight - 1))
        con.execute(NEW_SAMPLE.format(id=21, at=midnight + 1_000_000))
        con.execute(NEW_RUN.format(id=22, exp=1, start=midnight))
        con.execute(NEW_SAMPLE.format(id=22, at=midnight - 1_000_000))
    import_store(store, landing)
    days = {r["source_run_id"]: day for day in (RUN_DAY, "2026-01-22") for r in landed(landing, "runs", day)}
    assert (days["21"], days["22"]) == (RUN_DAY, "2026-01-22")
    assert [r["timestamp_ns"] for r in landed(landing, "energy_samples", "2026-01-22")] == [midnight - 1_000_000]
    assert len(landed(landing, "energy_samples", RUN_DAY)) == 12_706


def test_a_store_of_two_hosts_keeps_them_apart(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("INSERT INTO hardware_config (hw_id, hardware_hash, hostname) VALUES (2, 'ff', 'srv')")
        con.execute('UPDATE hardware_config SET rapl_domains = \'["package-0", "dram"]\' WHERE hw_id = 2')
        con.execute("INSERT INTO experiments (exp_id, name, hw_id) VALUES (3, 'e', 2)")
        con.execute(NEW_RUN.format(id=21, exp=3, start=LATER))
        con.execute("UPDATE runs SET hw_id = NULL WHERE run_id = 21")  # its experiment still says
        con.execute(NEW_SAMPLE.format(id=21, at=LATER))
        con.execute("UPDATE energy_samples SET dram_energy_uj = 0, core_energy_uj = 0 WHERE run_id = 21")
    import_store(store, landing)
    (run,) = landed(landing, "runs", "2026-01-24")
    assert (run["host"], run["hw_id"]) == ("srv", key("ff", "srv"))
    assert run["run_key"] == key("alems-store", "srv", 21, LATER)
    (sample,) = landed(landing, "energy_samples", "2026-01-24")
    assert (sample["dram_energy_uj"], sample["dram_range_uj"]) == (0, 262_143_328_850), "it has the domain: a reading"
    assert (sample["core_energy_uj"], sample["core_range_uj"]) == (None, None), "it does not list this one"
    assert {r["host"] for r in landed(landing, "runs", RUN_DAY)} == {"lab-laptop-a"}


# Older, newer and broken stores


def test_an_older_store_lacks_columns_and_tables(store: Path, landing: Path) -> None:
    with changing(store) as con:
        for view in ("ml_features", "orchestration_analysis", "research_metrics_view", "energy_samples_with_power"):
            con.execute(f"DROP VIEW {view}")  # SQLite drops no column that a view names
        con.execute("DROP TABLE task_categories")
        con.execute("DROP TABLE thermal_samples")
        con.execute("ALTER TABLE experiments DROP COLUMN group_id")
        con.execute("ALTER TABLE runs DROP COLUMN governor")
        con.execute("ALTER TABLE energy_samples DROP COLUMN uncore_energy_uj")
        con.execute("ALTER TABLE interrupt_samples RENAME COLUMN timestamp_ns TO t")
    summary = import_store(store, landing)
    assert summary.notes == [
        "task_categories: the store has no such table",
        "thermal_samples: the store has no such table",
        "interrupt_samples.t: no column that is known here; left in the store",
        "interrupt_samples: has no column timestamp_ns; left in the store",
    ]
    assert {r["group_id"] for r in landed(landing, "experiments")} == {None}
    assert {r["governor"] for r in landed(landing, "runs")} == {None}
    assert {(r["uncore_energy_uj"], r["uncore_range_uj"]) for r in landed(landing, "energy_samples")} == {(None, None)}


def test_a_store_without_hardware_is_named_after_its_file(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("DROP TABLE hardware_config")
        con.execute("DROP TABLE experiments")
    summary = import_store(store, landing)
    assert summary.host == "experiments"
    assert "hardware_config: names no host; taken as experiments, the file's name" in summary.notes
    assert {(r["host"], r["hw_id"]) for r in landed(landing, "runs")} == {("experiments", None)}
    assert {r["exp_key"] for r in landed(landing, "runs")} == {key("alems-store", "experiments", e, "") for e in (1, 2)}


def test_a_newer_store_has_more(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("CREATE TABLE saved_experiments (saved_id INTEGER PRIMARY KEY)")
        con.execute("ALTER TABLE runs ADD COLUMN success_rate REAL")
        con.execute("ALTER TABLE orchestration_events ADD COLUMN tool_name TEXT")
        con.execute("ALTER TABLE energy_samples ADD COLUMN psys_energy_uj INTEGER")
        con.execute("ALTER TABLE thermal_samples ADD COLUMN fan_rpm INTEGER")
        con.execute("UPDATE runs SET success_rate = 0.5")
        con.execute("UPDATE orchestration_events SET tool_name = 'search', event_energy_uj = 7 WHERE event_id = 1")
        con.execute("UPDATE energy_samples SET psys_energy_uj = 9")
    summary = import_store(store, landing)
    assert summary.notes == [
        "orchestration_events.tool_name: no column that is known here; kept in detail_json",
        "runs.success_rate: no column that is known here; kept in reported_json",
        "saved_experiments: no table of A-LEMS that is known here; left in the store",
        "thermal_samples.fan_rpm: no column that is known here; left in the store",
    ]
    assert {json.loads(r["reported_json"])["success_rate"] for r in landed(landing, "runs")} == {0.5}
    first, second = landed(landing, "orchestration_events")[:2]
    assert json.loads(first["detail_json"]) == {"event_energy_uj": 7, "tool_name": "search"}
    assert second["detail_json"] is None
    assert {r["psys_energy_uj"] for r in landed(landing, "energy_samples")} == {9}


# The tables of a later A-LEMS, with its columns.
OUTCOMES = """
CREATE TABLE query_execution (exec_id INTEGER PRIMARY KEY, run_id INTEGER, goal_description TEXT, start_time TIMESTAMP,
    end_time TIMESTAMP, success BOOLEAN, total_energy_uj INTEGER, num_attempts INTEGER, created_at TIMESTAMP);
CREATE TABLE query_attempt (attempt_id INTEGER PRIMARY KEY, exec_id INTEGER, attempt_number INTEGER NOT NULL,
    status TEXT, failure_type TEXT, energy_uj INTEGER, latency_ms REAL, created_at TIMESTAMP);
CREATE TABLE hallucination_events (id INTEGER PRIMARY KEY, attempt_id INTEGER, is_hallucination BOOLEAN,
    detection_method TEXT, confidence_score REAL, verified_answer TEXT, created_at TIMESTAMP);
CREATE TABLE tags (tag_id INTEGER PRIMARY KEY, run_id INTEGER, exp_id INTEGER, label TEXT NOT NULL, category TEXT,
    note TEXT, tagged_by TEXT, tagged_at TIMESTAMP);
CREATE TABLE hypotheses (hypothesis_id INTEGER PRIMARY KEY, title TEXT NOT NULL, description TEXT, status TEXT,
    evidence_for TEXT, evidence_against TEXT, key_run_id INTEGER, key_exp_id INTEGER, created_by TEXT,
    created_at TIMESTAMP, updated_at TIMESTAMP);
INSERT INTO query_execution VALUES (1, 2, 'capital of France', '2026-01-21 12:00:00', NULL, 1, 5, 2, NULL),
    (2, 99, 'of no run', NULL, NULL, 0, NULL, 1, NULL);
INSERT INTO query_attempt VALUES (7, 1, 1, 'retry', 'timeout', 2, 10.5, NULL), (8, 1, 2, 'success', NULL, 3, 9.5, NULL),
    (9, 2, 1, 'failure', NULL, NULL, NULL, NULL);
INSERT INTO hallucination_events VALUES (1, 7, 1, 'judge', 0.9, 'Paris', NULL);
INSERT INTO tags VALUES (1, 2, NULL, 'warm', 'general', NULL, 'ada', '2026-01-22 08:00:00'),
    (2, NULL, 1, 'paper', NULL, 'table 3', NULL, NULL);
INSERT INTO hypotheses VALUES (1, 'agents waste', NULL, 'open', NULL, NULL, 2, 1, 'ada', NULL, NULL);
"""


def test_what_became_of_queries_lands_with_the_run_of_the_query(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.executescript(OUTCOMES)
    summary = import_store(store, landing)
    (start,) = (row["start_time_ns"] for row in query(store, "SELECT start_time_ns FROM runs WHERE run_id = 2"))
    run_key = key("alems-store", "lab-laptop-a", 2, start)
    (execution,) = landed(landing, "query_execution", RUN_DAY)
    assert (execution["run_key"], execution["source_exec_id"], execution["success"]) == (run_key, "1", True)
    assert (execution["num_attempts"], execution["reported_total_energy_uj"]) == (2, 5)
    assert execution["start_time"] == dt.datetime(2026, 1, 21, 12, tzinfo=dt.UTC)
    attempts = landed(landing, "query_attempt", RUN_DAY)
    assert {(a["run_key"], a["source_exec_id"], a["status"], a["energy_uj"]) for a in attempts} == {
        (run_key, "1", "retry", 2), (run_key, "1", "success", 3),
    }  # fmt: skip
    (judged,) = landed(landing, "hallucination_events", RUN_DAY)
    assert (judged["run_key"], judged["source_attempt_id"], judged["is_hallucination"]) == (run_key, "7", True)
    tags = {tag["label"]: (tag["tagged_run_key"], tag["tagged_exp_key"]) for tag in landed(landing, "tags")}
    assert tags["warm"] == (run_key, None)
    assert tags["paper"][0] is None and tags["paper"][1] is not None
    (hypothesis,) = landed(landing, "hypotheses")
    assert (hypothesis["evidence_run_key"], hypothesis["evidence_exp_key"]) == (run_key, tags["paper"][1])
    assert summary.notes == [
        "query_execution: of runs that are missing: 1 row(s) left out",
        "query_attempt: of runs that are missing: 1 row(s) left out",
    ]
    with changing(store) as con:
        con.execute("UPDATE query_execution SET success = 0 WHERE exec_id = 1")  # judged again
    assert new_rows(import_store(store, landing)) == {"query_execution": 1}


def test_tables_of_another_shape_cost_only_their_rows(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.executescript("""
            CREATE TABLE tags (label TEXT); INSERT INTO tags VALUES ('nameless');
            CREATE TABLE query_execution (run_id INTEGER); INSERT INTO query_execution VALUES (2);
            CREATE TABLE query_attempt (exec_id INTEGER); INSERT INTO query_attempt VALUES (NULL);
        """)
    summary = import_store(store, landing)
    assert summary.notes == [
        "query_execution: no source_exec_id: 1 row(s) left out",
        "query_attempt: no source_attempt_id: 1 row(s) left out",
        "tags: no source_tag_id: 1 row(s) left out",
    ]
    assert summary.rows["runs"] == 20


def test_values_of_a_wrong_type_cost_only_themselves(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("UPDATE energy_samples SET pkg_energy_uj = 'n/a' WHERE sample_id = 1")
        con.execute("UPDATE energy_samples SET pkg_energy_uj = 10.6 WHERE sample_id = 2")
        con.execute("UPDATE energy_samples SET timestamp_ns = 'soon' WHERE sample_id = 3")
        con.execute("UPDATE energy_samples SET run_id = 999 WHERE sample_id = 4")
        con.execute("UPDATE runs SET cycles = x'00', process_count = 12.0 WHERE run_id = 1")
        con.execute("UPDATE experiments SET created_at = 'yesterday' WHERE exp_id = 2")
        con.execute("INSERT INTO llm_interactions (run_id, prompt) VALUES (1, CAST(x'61ff62' AS TEXT))")
    summary = import_store(store, landing)
    assert sorted(summary.notes) == [
        "energy_samples.pkg_energy_uj: not int64: 1 value(s) taken as NULL",
        "energy_samples.timestamp_ns: not int64: 1 value(s) taken as NULL",
        "energy_samples: no timestamp_ns: 1 row(s) left out",
        "energy_samples: of runs that are missing: 1 row(s) left out",
        "experiments.created_at: not timestamp[us, tz=UTC]: 1 value(s) taken as NULL",
        "runs.cycles: not int64: 1 value(s) taken as NULL",
    ]
    samples = landed(landing, "energy_samples")
    assert len(samples) == 12_703
    assert [r["pkg_energy_uj"] for r in samples[:2]] == [None, 11]
    run = next(r for r in landed(landing, "runs") if r["source_run_id"] == "1")
    assert (run["cycles"], run["process_count"]) == (None, 12)
    assert landed(landing, "llm_interactions")[-1]["prompt"] == "a\N{REPLACEMENT CHARACTER}b"
    exp_keys = {r["exp_key"] for r in landed(landing, "experiments")}
    assert {r["exp_key"] for r in landed(landing, "runs")} == exp_keys, "runs find their experiment all the same"


def make_text(path: Path) -> None:
    path.write_text("run_id,energy\n1,2\n")


def make_empty(path: Path) -> None:
    path.touch()


def make_folder(path: Path) -> None:
    path.mkdir()


def make_nothing(path: Path) -> None:
    pass


def make_other_database(path: Path) -> None:
    with changing(path) as con:
        con.execute("CREATE TABLE songs (title TEXT)")


def make_mlflow(path: Path) -> None:
    with changing(path) as con:
        con.execute("CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER, start_time BIGINT, end_time BIGINT)")


def test_a_crashed_store_needs_room_for_its_copy(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("PRAGMA journal_mode = WAL")
    store.with_name("experiments.db-wal").write_bytes(b"x")
    landing.parent.write_text("a file where the folder should be")
    with pytest.raises(StoreUnreadable, match=r"experiments\.db: must be repaired in a copy in .*; make room there"):
        import_store(store, landing)


def make_truncated(path: Path) -> None:
    path.write_bytes((DATA / "host_a.db").read_bytes()[:300_000])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_text, "is not an SQLite database (or is encrypted); give the path of the store"),
        (make_empty, "is empty; check that the store was copied whole"),
        (make_folder, "is a folder; give the path of the SQLite file in it"),
        (make_nothing, "no such file; give the path of the store"),
        (make_other_database, "is no A-LEMS store, it has no table runs; give the path of experiments.db"),
        (make_mlflow, "is no A-LEMS store, its table runs has no run_id, exp_id, workflow_type, start_time_ns"),
        (make_truncated, "is damaged (database disk image is malformed); check it with `sqlite3"),
    ],
)
def test_what_is_no_store_is_refused_in_one_line(
    tmp_path: Path, landing: Path, make: Callable[[Path], None], says: str
) -> None:
    path = tmp_path / "some.db"
    make(path)
    with pytest.raises(StoreUnreadable) as raised:
        import_store(path, landing)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message
    assert not list(landing.rglob("*.parquet"))
    assert isinstance(raised.value, NotAnAlemsStore) == ("is no A-LEMS store" in says)


def test_a_locked_store_is_refused_in_one_line(store: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    with closing(sqlite3.connect(store, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnreadable, match=r"experiments\.db: is locked by another program; try again when"):
            import_store(store, landing)
    import_store(store, landing)


# The store is never modified


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


LAST_WORDS = {
    "wal": "con.execute('PRAGMA journal_mode = WAL');"
    "con.execute('INSERT INTO energy_samples (run_id, timestamp_ns, pkg_energy_uj) VALUES (1, 5, 6)'); con.commit();"
    "os._exit(0)",
    "clean wal": "con.execute('PRAGMA journal_mode = WAL');"
    "con.execute('INSERT INTO energy_samples (run_id, timestamp_ns, pkg_energy_uj) VALUES (1, 5, 6)'); con.commit();"
    "con.close()",
    # A cache of one page makes a half-made transaction reach the file: its journal must be rolled back.
    "hot journal": "con.execute('PRAGMA cache_size = 1'); con.execute('PRAGMA cache_spill = 1');"
    "con.execute('UPDATE energy_samples SET pkg_energy_uj = 0'); os._exit(0)",
}


@pytest.fixture
def writable_by_all() -> Iterator[Path]:
    """A folder that another user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="alems-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder cannot be written in; root, whom no permission stops, becomes somebody else."""
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.mark.parametrize("writable", [True, False], ids=["", "read-only folder"])
@pytest.mark.parametrize("left", ["as it is", "clean wal", "wal", "wal without shm", "hot journal"])
def test_a_store_is_read_whole_and_left_as_it_was(writable_by_all: Path, left: str, writable: bool) -> None:
    folder = writable_by_all / "stores"
    folder.mkdir()
    store = Path(shutil.copy(DATA / "host_a.db", folder / "experiments.db"))
    if left != "as it is":
        words = LAST_WORDS[left.removesuffix(" without shm")]
        code = f"import os, sqlite3, sys; con = sqlite3.connect(sys.argv[1]); {words}"
        subprocess.run([sys.executable, "-c", code, str(store)], check=True)
    if left == "wal without shm":
        (folder / "experiments.db-shm").unlink()
    before = contents(folder)
    beside = {"wal": ["-shm", "-wal"], "wal without shm": ["-wal"], "hot journal": ["-journal"]}.get(left, [])
    assert list(before) == ["experiments.db", *(f"experiments.db{suffix}" for suffix in beside)]
    landing = writable_by_all / "warehouse" / "landing"
    if writable:
        import_store(store, landing)
    else:
        with read_only(folder):
            import_store(store, landing)
    assert contents(folder) == before
    counters = [r["pkg_energy_uj"] for r in landed(landing, "energy_samples")]
    assert len(counters) == 12_705 + ("wal" in left)
    assert counters[0] == 132_259_036_097, "an unfinished transaction is not read"
    state = landing.parent / "collector-state"
    assert [path.suffix for path in state.iterdir()] == [".json"], "no copy is left behind"


def test_a_store_that_is_being_written_in_wal_mode_is_read(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute(NEW_SAMPLE.format(id=1, at=5))
        con.commit()
        con.execute(NEW_SAMPLE.format(id=1, at=6))  # not committed
        assert import_store(store, landing).rows["energy_samples"] == 12_706
    assert new_rows(import_store(store, landing)) == {"energy_samples": 1}


def test_a_wal_store_that_somebody_begins_to_write_is_not_read_on(store: Path, landing: Path) -> None:
    with changing(store) as con:
        con.execute("PRAGMA journal_mode = WAL")

    def meanwhile(table: str, done: int, total: int) -> None:
        if table == "runs":
            with changing(store) as con:
                con.execute(NEW_SAMPLE.format(id=1, at=5))
                con.commit()

    with pytest.raises(StoreUnreadable, match="was written while it was being read; run this again"):
        import_store(store, landing, progress=meanwhile)
    assert import_store(store, landing).rows["energy_samples"] == 12_706


# Values

STAMP = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2260, 1, 1))


@given(stamp=STAMP)
def test_sqlites_own_times_are_utc(stamp: dt.datetime) -> None:
    assert utc_time(stamp.strftime("%Y-%m-%d %H:%M:%S")) == stamp.replace(microsecond=0, tzinfo=dt.UTC)


@given(stamp=STAMP, minutes=st.integers(-14 * 60, 14 * 60), separator=st.sampled_from("T "))
def test_iso_times_are_instants(stamp: dt.datetime, minutes: int, separator: str) -> None:
    zoned = stamp.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    read = utc_time(zoned.isoformat(separator))
    assert read == zoned
    assert read is not None
    assert read.tzinfo == dt.UTC
    assert utc_time(stamp.isoformat(separator) + "Z") == stamp.replace(tzinfo=dt.UTC)


@given(seconds=st.integers(0, 2**33))
def test_unix_seconds_are_instants(seconds: int) -> None:
    assert utc_time(seconds) == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)


@given(value=st.text() | st.floats() | st.integers() | st.binary() | st.none())
def test_whatever_a_store_holds_for_a_time_is_a_utc_time_or_none(value: object) -> None:
    read = utc_time(value)
    assert read is None or read.tzinfo == dt.UTC


READINGS = [c.name for c in contract.RUN_READINGS]
READING = st.none() | st.sampled_from([0, 0.0, 1, 2.5]) | st.booleans()


@given(run=st.fixed_dictionaries(dict.fromkeys(READINGS, READING)))
def test_only_zeros_become_null(run: Row) -> None:
    kept = without_false_zeros(run)
    for name in READINGS:
        assert kept[name] == run[name] or (run[name] == 0 and kept[name] is None), name
    assert without_false_zeros(kept) == kept
    always_real = ("tool_calls", "llm_calls", "steps", "is_cold_start", "turbo_enabled", "tools_used")
    assert all(kept[name] == run[name] for name in always_real)


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ({"page_faults": 9, "major_page_faults": 0, "minor_page_faults": 9}, None),
        (
            {"page_faults": 0, "major_page_faults": 0, "minor_page_faults": 0},
            dict.fromkeys(("page_faults", "major_page_faults", "minor_page_faults")),
        ),
        ({"cache_references": 5, "cache_misses": 0}, None),
        ({"cache_references": 0, "cache_misses": 0}, {"cache_references": None, "cache_misses": None}),
        ({"cache_references": 0, "cache_misses": 3}, {"cache_references": None, "cache_misses": 3}),
        ({"swap_total_mb": 100.0, "swap_end_used_mb": 0.0}, None),
        ({"swap_total_mb": 0.0, "swap_end_used_mb": 0.0}, {"swap_total_mb": None, "swap_end_used_mb": None}),
        ({"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}, None),
        ({"kernel_time_ms": 0.0, "user_time_ms": 3.5}, None),
        (
            {"bytes_sent": 0, "bytes_recv": 0, "tcp_retransmits": 0},
            dict.fromkeys(("bytes_sent", "bytes_recv", "tcp_retransmits")),
        ),
        ({"c2_time_seconds": 0.0, "c3_time_seconds": 0.0, "c6_time_seconds": 0.0, "c7_time_seconds": 1.0}, None),
        ({"context_switches_voluntary": 4, "context_switches_involuntary": 0, "thread_migrations": 0}, None),
    ],
)
def test_worked_zeros(stored: Row, kept: Row | None) -> None:
    assert without_false_zeros(stored) == (kept or stored)
