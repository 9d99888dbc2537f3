"""Serving benchmarks from artifact to table: results, attempts, curves and re-mapping, on what CI writes."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from alems_pipeline import build, sql_files
from alems_pipeline.benchmarks.curves import (
    composite_key,
    cost_ranking,
    derived_metrics,
    hw_key,
    interpolate_at,
    pareto_front,
)
from alems_pipeline.benchmarks.mapping import SkipTracker, map_benchmark_row
from alems_pipeline.inference import NotStored, fill_mapped_rows, skipped
from alems_pipeline.keys import parse_isl_osl
from alems_pipeline.keys.registry import the_registry
from alems_pipeline.warehouse import Warehouse
from collectors.contract_inference import INFERENCE_ARTIFACTS
from collectors.drop import drop_rows
from collectors.ids import stable_id
from collectors.sources.inferencex import Told, collect
from tests.inference_warehouse import REAL, Row, build_inference, inference_files, real_row, rows_of, zip_of
from tests.unit.test_inferencex import EVAL, EVAL_META

ROOT = Path(__file__).resolve().parents[2]
PRODUCER = Told(
    producer={"hw": "mi355x-amds", "framework": "trtllm", "precision": "mxfp4", "infmax_model_prefix": "gptoss"}
)


def land(home: Path, rows: Iterable[Any], name: str = "a.json", at: int = 1, **told: Any) -> None:
    """Rows of one file, collected on the given day of September 2026."""
    home.mkdir(exist_ok=True)
    (home / name).write_text(json.dumps(list(rows)))
    collect([home / name], home / "landing", Told(**told), now=datetime(2026, 9, at, tzinfo=UTC))


def day(number: int) -> datetime:
    return datetime(2026, 8, number, tzinfo=UTC)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All real artifacts, and one run of every other kind."""
    home = tmp_path_factory.mktemp("inference")
    collect(REAL, home / "landing", now=datetime(2026, 9, 1, tzinfo=UTC))
    run = zip_of({
        "run.json": {"id": 29003473099, "run_attempt": 2, "created_at": "2026-08-30T10:00:00Z", "name": "Full Sweep",
                     "run_started_at": "2026-08-31T09:00:00Z", "conclusion": "success", "head_sha": "e0"},
        "eval_x.zip": zip_of({"meta_env.json": EVAL_META, "results_1.json": EVAL}),
        "eval_results_all.zip": zip_of({"agg_eval_all.json": [
            {"task": "GSM8K", "hw": "h200", "model_prefix": "dsr1", "em_strict": 0.9, "source": "eval_1k8k_x.json"},
            {"task": "", "hw": "h200", "model_prefix": "dsr1"},
            {"task": "gsm8k", "hw": "h200", "model_prefix": "new"}]}),
        "run-stats.zip": zip_of({"run_stats.json": {
            "h200-nv_0": {"n_success": 3, "total": 4}, "h200-nb": {"n_success": 1, "total": 1},
            "a100": {"n_success": 1, "total": 1}}}),
        "server_logs_dsr1_1k8k.zip": zip_of({"server.log": "ready\n"}),
        "bmk_dsr1_1k8k.zip": zip_of({"agg_1k8k_x.json": real_row(isl=None, osl=None)}),
    })  # fmt: skip
    (home / "run.zip").write_bytes(run)
    collect([home / "run.zip"], home / "landing", now=datetime(2026, 9, 1, tzinfo=UTC))
    build_inference(home)
    return home


def test_every_real_row_is_counted_and_none_is_lost(real: Path) -> None:
    counts = rows_of(real, "SELECT reason, count(*) AS n FROM inference.mapped_rows GROUP BY reason")
    assert {row["reason"]: row["n"] for row in counts} == {
        None: 17, "no_isl_osl": 44, "unmapped_model": 28, "unmapped_hw": 7,
    }  # fmt: skip
    raw = rows_of(
        real,
        "SELECT raw FROM inference.mapped_rows "
        "JOIN stage.inference_artifacts USING (landing_date, artifact_path, row_index) WHERE reason = 'no_isl_osl'",
    )
    assert len(raw) == 44 and all(json.loads(row["raw"])["users"] > 0 for row in raw)
    assert rows_of(real, "SELECT * FROM ops.check_results WHERE check_name = 'inference_keys'")[0]["n_failed"] == 0


def test_the_tables_hold_what_the_scalar_mapping_gives(real: Path) -> None:
    """Rule by rule against the public function, for every real row that has a config."""
    found = rows_of(
        real,
        "SELECT results.*, configs.* EXCLUDE (config_id), artifacts.raw FROM inference.benchmark_results AS results "
        "JOIN inference.configs AS configs USING (config_id) "
        "JOIN inference.workflow_runs AS runs USING (workflow_run_id) "
        "JOIN stage.inference_artifacts AS artifacts USING (landing_date, artifact_path, row_index) "
        "WHERE artifacts.run_name = runs.run_name AND artifacts.kind = 'benchmark'",
    )
    assert len(found) == 17
    for row in found:
        mapped = map_benchmark_row(json.loads(row["raw"]), SkipTracker(), parse_isl_osl(row["artifact_path"]))
        assert mapped is not None
        config = mapped["config"]
        assert isinstance(config, dict)
        assert {name: row[name] for name in config} == config
        assert row["config_id"] == stable_id(*(config[name] for name in the_registry().config_columns))
        assert json.loads(row["metrics"]) == mapped["metrics"]
        assert {name: row[name] for name in ("isl", "osl", "conc", "image")} == {
            n: mapped[n] for n in ("isl", "osl", "conc", "image")
        }
        key = hw_key(str(row["hardware"]), str(row["framework"]), str(row["spec_method"]))
        assert (row["hw_key"], row["composite_key"]) == (key, composite_key(key, str(row["precision"])))


def test_measured_power_stands_beside_provisioned_power(real: Path) -> None:
    rows = rows_of(real, "SELECT * FROM inference.benchmark_results WHERE measured_power_per_gpu_w IS NOT NULL")
    assert len(rows) == 13
    assert all(row["measured_power_valid"] and row["provisioned_power_per_gpu_w"] == 1710 for row in rows)
    assert {row["physical_gpus"] for row in rows} == {8}  # never tp × ep


def test_runs_evaluations_statistics_logs_and_changes(real: Path) -> None:
    [run] = rows_of(real, "FROM inference.workflow_runs WHERE github_run_id = 29003473099")
    assert (run["run_attempt"], run["name"], run["date"]) == (2, "Full Sweep", date(2026, 8, 30))
    evals = rows_of(real, "FROM inference.eval_results ORDER BY em_strict")
    assert [(e["task"], e["em_strict"], e["n_eff"], e["isl"], e["osl"], e["conc"]) for e in evals] == [
        ("gsm8k", 0.9, None, 1024, 8192, None),
        ("gsm8k", 0.95, 1319, None, None, 64),
    ]
    assert evals[1]["lm_eval_version"] == "0.4.9"
    reasons = rows_of(real, "SELECT reason FROM inference.mapped_evals WHERE reason IS NOT NULL ORDER BY reason")
    assert [row["reason"] for row in reasons] == ["no_task", "unmapped_model"]
    [stats] = rows_of(real, "FROM inference.run_stats")
    assert (stats["hardware"], stats["n_success"], stats["total"]) == ("h200", 4, 5)
    [log] = rows_of(real, "FROM inference.server_logs")
    assert (log["server_log"], log["artifact_key"]) == ("ready\n", "dsr1_1k8k")
    [change] = rows_of(real, "FROM inference.changelog_entries")
    assert change["config_keys"] == ["kimik2.7-fp4-mi355x-vllm-agentic"] and change["pr_link"].endswith("/2126")
    assert change["description"].count("\n") == 2 and change["all_evals"] is False
    [by_name] = rows_of(real, "FROM inference.benchmark_results WHERE artifact_path LIKE '%1k8k_x%'")
    assert (by_name["isl"], by_name["osl"]) == (1024, 8192)  # from the file's name


def test_what_was_skipped_is_counted_with_its_raw_values(tmp_path: Path) -> None:
    home = tmp_path
    land(home, [point(1), point(2, hw="a100"), point(3, hw="a100"), point(4, isl=None), point(5, tp=2**62)], run_id=1)
    land(home, [{"task": "gsm8k", "hw": "h200", "model_prefix": "new"}], "e.json", run_id=1)
    (home / "a.zip").write_bytes(b"PK no zip")
    (home / "b.zip").write_bytes(zip_of({"a.tar.gz": b"no tar", "../a.json": "{}", "c.json": "[1]"}))
    collect([home / "a.zip", home / "b.zip"], home / "landing", now=day(1))
    build_inference(home)
    with duckdb.connect(Warehouse(home).build_path) as con:
        counts = skipped(con).snapshot()
    errors = counts.pop("errors")
    assert isinstance(errors, dict) and {reason.split(" (")[0] for reason in errors} == {
        "no readable ZIP", "no readable tar",
    }  # fmt: skip
    assert {name: count for name, count in counts.items() if count} == {
        "bad_zip": 2, "unmapped_model": 1, "unmapped_hw": 2, "no_isl_osl": 1, "out_of_range": 1,
        "unmapped_models": {"new": 1}, "unmapped_hws": {"a100": 2},
    }  # fmt: skip


def test_a_row_that_the_database_refuses_is_counted_and_named(tmp_path: Path) -> None:
    land(tmp_path, [point(1)], run_id=1, created_at=day(1))
    build_inference(tmp_path)
    land(tmp_path, [point(1), point(2, conc=8)], run_id=1, created_at=day(1), at=2)
    warehouse = Warehouse(tmp_path)
    with warehouse.write() as con:
        plan = build.plan(warehouse, con)
    build.build_days(warehouse, plan.days)
    with pytest.raises(NotStored, match="2 mapped rows landed from 2026-08-01") as refused, warehouse.write() as con:
        con.execute("CREATE UNIQUE INDEX one_row_a_run ON inference.mapped_rows (workflow_run_id)")
        [file] = [file for file in inference_files() if file.name == "mapped_rows"]
        fill_mapped_rows(con, file)
    assert refused.value.tracker.db_error == 2 and refused.value.tracker.errors.total() == 2
    assert len(rows_of(tmp_path, "FROM inference.mapped_rows")) == 1


def test_names_that_resolve_and_names_that_do_not(real: Path) -> None:
    unmapped = {(row["kind"], row["raw_value"]): row for row in rows_of(real, "FROM ops.unmapped_keys")}
    assert {kind for kind, _ in unmapped} == {"model", "hardware"}
    assert unmapped["model", "amd/Kimi-K2.5-MXFP4"]["n_rows"] == 4
    assert unmapped["hardware", ""]["n_rows"] == 7 + 28  # producer files name none
    assert unmapped["hardware", "a100"]["n_rows"] == 1
    assert all(row["example_path"] and row["first_seen"] <= row["last_seen"] for row in unmapped.values())
    rules = {
        (row["kind"], row["raw_value"]): (row["key"], row["rule"]) for row in rows_of(real, "FROM ops.key_resolutions")
    }
    assert rules["hardware", "h200-nv_0"] == ("h200", "suffix")
    assert rules["model", "nvidia/DeepSeek-R1-0528-FP4"] == ("dsr1", "name")
    [check] = rows_of(real, "FROM ops.check_results WHERE check_name = 'keys_unmapped'")
    assert check["n_failed"] > 0 and not check["blocking"]
    assert {row["metric"] for row in rows_of(real, "FROM ops.unknown_metrics")} >= {"mean_qps", "request_throughput"}


@pytest.mark.parametrize(
    ("table", "defect"),
    [
        (
            "inference.benchmark_results",
            "INSERT INTO inference.mapped_rows FROM inference.mapped_rows WHERE reason IS NULL",
        ),
        ("inference.benchmark_results", "DELETE FROM inference.configs"),
        ("inference.eval_results", "INSERT INTO inference.eval_results FROM inference.eval_results"),
        ("inference.latest_benchmarks", "INSERT INTO inference.latest_benchmarks FROM inference.latest_benchmarks"),
        ("inference.availability", "INSERT INTO inference.availability FROM inference.availability"),
        ("inference.curve_points", "INSERT INTO inference.curve_points FROM inference.curve_points"),
        ("inference.mapped_rows", "DELETE FROM inference.mapped_rows WHERE reason = 'no_isl_osl'"),
    ],
)
def test_the_check_finds_a_defect(real: Path, table: str, defect: str) -> None:
    [check] = [file for file in sql_files.layer_files("checks") if file.name == "inference_keys"]
    with duckdb.connect(Warehouse(real).build_path) as con:
        con.execute("BEGIN TRANSACTION")
        assert con.execute(check.text).fetchall() == []
        con.execute(defect)
        assert table in {row[0] for row in con.execute(check.text).fetchall()}
        con.execute("ROLLBACK")


def test_producer_files_with_options(tmp_path: Path) -> None:
    collect([p for p in REAL if "raw_bench" in p.name], tmp_path / "landing", PRODUCER, now=day(30))
    build_inference(tmp_path)
    mapped = rows_of(tmp_path, "SELECT * FROM inference.mapped_rows WHERE reason IS NULL")
    assert len(mapped) == 11  # those whose name says the lengths
    assert {(r["hardware"], r["framework"], r["precision"], r["model"]) for r in mapped} == {
        ("mi355x", "trt", "fp4", "gptoss120b")
    }
    raw = json.loads(next(p for p in REAL if "raw_bench" in p.name).read_text())["rows"]
    ours = {row["artifact_path"]: row for row in mapped}
    for row in raw:
        if row["path"] in ours:
            tpot_ms = row["data"][
                "median_tpot_ms"
            ]  # 0 where one token was generated: no rate, rather than an infinite one
            assert ours[row["path"]]["median_intvty"] == (pytest.approx(1000 / tpot_ms) if tpot_ms else None)
            assert ours[row["path"]]["median_ttft"] == pytest.approx(row["data"]["median_ttft_ms"] / 1000)


# ---- which row counts ------------------------------------------------------------------------------------------------


def tputs(home: Path, table: str = "inference.latest_benchmarks") -> list[float]:
    build_inference(home)
    return [
        row["tput_per_gpu"] for row in rows_of(home, f"SELECT tput_per_gpu FROM {table} ORDER BY conc, tput_per_gpu")
    ]


def point(tput: float, **changes: Any) -> Row:
    return real_row(tput_per_gpu=tput, **changes)


def test_the_last_row_of_a_batch_counts_unless_it_failed(tmp_path: Path) -> None:
    rows = [point(1), point(2), point(3, num_requests_successful=0), point(9, conc=8, num_requests_successful=0)]
    land(tmp_path, rows, run_id=1, created_at=day(1))
    build_inference(tmp_path)
    assert tputs(tmp_path, "inference.benchmark_results") == [2, 9]
    assert tputs(tmp_path) == [2]
    [failed] = rows_of(tmp_path, "SELECT error FROM inference.benchmark_results WHERE conc = 8")
    assert failed["error"] == "no request succeeded"


def test_a_row_collected_again_replaces_the_one_before(tmp_path: Path) -> None:
    land(tmp_path, [point(1)], run_id=1, created_at=day(1))
    build_inference(tmp_path)
    assert tputs(tmp_path) == [1]
    land(tmp_path, [point(2)], run_id=1, created_at=day(1), at=2)
    build_inference(tmp_path)
    assert tputs(tmp_path) == [2]
    land(tmp_path, [point(3)], name="b.json", run_id=1, created_at=day(2), at=3)  # on another day of landing
    build_inference(tmp_path)
    assert tputs(tmp_path, "inference.benchmark_results") == [3]
    [run] = rows_of(tmp_path, "FROM inference.workflow_runs")
    assert run["date"] == date(2026, 8, 2)


def test_rows_that_a_changed_file_has_no_more_do_not_count(tmp_path: Path) -> None:
    """Also where the changed file lands under another day; what it had before stays as it landed."""
    eval_of = {"task": "gsm8k", "hw": "h200", "model_prefix": "dsr1", "em_strict": 0.9}
    (tmp_path / "stats.json").write_text(json.dumps({"h200": {"n_success": 1, "total": 1}}))
    collect([tmp_path / "stats.json"], tmp_path / "landing", Told(run_id=1, created_at=day(1)), now=day(30))
    land(
        tmp_path,
        [point(1), point(2, conc=8), point(3, model="new", infmax_model_prefix="new")],
        run_id=1,
        created_at=day(1),
    )
    land(tmp_path, [eval_of, eval_of | {"task": "mmlu"}], "e.json", run_id=1, created_at=day(1))
    land(tmp_path, [point(7, conc=32)], "other.json", run_id=1, created_at=day(1))
    assert tputs(tmp_path) == [1, 2, 7]
    land(tmp_path, [point(4)], run_id=1, created_at=day(2), at=2)
    land(tmp_path, [eval_of], "e.json", run_id=1, created_at=day(2), at=2)
    assert tputs(tmp_path) == [4, 7]
    assert tputs(tmp_path, "inference.benchmark_results") == [4, 7]
    assert [row["task"] for row in rows_of(tmp_path, "FROM inference.eval_results")] == ["gsm8k"]
    assert not rows_of(tmp_path, "FROM ops.unmapped_keys WHERE kind = 'model'")
    land(tmp_path, [], run_id=1, created_at=day(2), at=3)
    (tmp_path / "stats.json").write_text("{}")
    collect([tmp_path / "stats.json"], tmp_path / "landing", Told(run_id=1, created_at=day(1)), now=day(31))
    assert tputs(tmp_path) == [7]
    assert not rows_of(tmp_path, "FROM inference.run_stats")
    assert len(rows_of(tmp_path, "FROM stage.inference_artifacts WHERE kind = 'benchmark'")) == 5
    assert rows_of(tmp_path, "FROM ops.check_results WHERE check_name = 'inference_keys'")[0]["n_failed"] == 0


def test_files_of_one_name_in_two_places_both_count(tmp_path: Path) -> None:
    for name, row in (("x", point(1)), ("y", point(2, conc=8))):
        land(tmp_path / name, [row])
    collect([tmp_path / "x" / "a.json", tmp_path / "y" / "a.json"], tmp_path / "landing", Told(run_id=1), now=day(2))
    assert tputs(tmp_path) == [1, 2]


def test_files_of_one_name_given_one_after_the_other_both_count(tmp_path: Path) -> None:
    """Of one run, and of none that is named."""
    for n, (name, run_id) in enumerate((("m1", 1), ("m2", 1), ("n1", None), ("n2", None))):
        (tmp_path / name / "out").mkdir(parents=True)
        (tmp_path / name / "out" / "a.json").write_text(json.dumps(point(n, conc=4 + n)))
        collect([tmp_path / name / "out" / "a.json"], tmp_path / "landing", Told(run_id), now=day(n + 1))
    assert tputs(tmp_path, "inference.benchmark_results") == [0, 1, 2, 3]
    assert len(rows_of(tmp_path, "FROM inference.workflow_runs")) == 3


def test_a_document_counts_where_it_belongs_now(tmp_path: Path) -> None:
    """A corrected file given alone, a collection that lost a commit, an emptied file, a run named later."""

    def land_twice(name: str, before: object, then: object, *, beside: str | None = None, **told: Any) -> None:
        for at, content in ((1, before), (2, then)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(json.dumps(content))
            given = [tmp_path / name, *([tmp_path / beside] if beside and at == 1 else [])]
            collect(given, tmp_path / "landing", Told(**told) if at == 2 else Told(), now=day(at))
            if name == "s.json":  # what was held is learnt from landing
                shutil.rmtree(tmp_path / "collector-state")

    (tmp_path / "q" / "a").mkdir(parents=True)
    (tmp_path / "q" / "a" / "r.json").write_text(json.dumps(point(1, conc=1)))
    entries = [{"path": f"{c}.json", "commit": c, "data": point(n, conc=n)} for c, n in (("aaa", 4), ("bbb", 5))]
    land_twice("p/a/r.json", point(2, conc=2), point(3, conc=2), beside="q/a/r.json")
    land_twice("c.json", {"rows": entries}, {"rows": entries[1:]})
    land_twice("s.json", point(6, conc=6), [])
    land_twice("late.json", point(7, conc=7), point(7, conc=7), run_id=7)
    assert tputs(tmp_path, "inference.benchmark_results") == [1, 3, 5, 7]
    assert len(rows_of(tmp_path, "FROM inference.mapped_rows")) == 4
    runs = rows_of(tmp_path, "SELECT run_name FROM inference.workflow_runs ORDER BY run_name")
    assert [row["run_name"].split("#")[0] for row in runs] == ["7", "a/r.json", "a/r.json", "commit bbb"]


def test_numbers_that_cannot_be_stop_nothing(tmp_path: Path) -> None:
    """Each is set aside with its reason or counts as unknown, and its neighbours are in the tables."""
    absurd: dict[str, Row] = {
        "sizes": point(2, tp=2**62, ep=4), "negative": point(3, decode_tp=-(2**70), prefill_tp=1),
        "length": point(4, isl=1e300), "conc": point(5, conc=-8),
    }  # fmt: skip
    kept = [
        point(1), point(6, conc=8, completed=1e300), point(1e300, conc=16, median_intvty=1e300), point(5e-324, conc=32),
        point(7, conc=64, n_gpus=10**18), point(8, conc=128, measured_power_per_gpu_w=1e308),
    ]  # fmt: skip
    land(tmp_path, [*kept, *absurd.values()], run_id=1, created_at=day(1))
    evals = [{"task": t, "hw": "h200", "model_prefix": "dsr1", "em_strict": e} for t, e in (("a", 0.9), ("b", 1e308))]
    land(
        tmp_path,
        [*evals, evals[0] | {"tp": 2**62, "ep": 4}, evals[0] | {"conc": 1e18}],
        "e.json",
        run_id=1,
        created_at=day(1),
    )
    (tmp_path / "run.json").write_text(json.dumps({
        "id": 1, "run_attempt": 10**30, "created_at": "0044-03-15 (BC)", "run_started_at": "infinity"}))  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps({
        "h200": {"n_success": 1, "total": 2}, "h200-nv": {"n_success": 0, "total": 2**63 - 1},
        "h200-nb": {"n_success": 0, "total": 2**63 - 1}}))  # fmt: skip
    collect([tmp_path / "run.json", tmp_path / "s.json"], tmp_path / "landing", Told(run_id=1), now=day(30))
    raw_stats = {"hardware": "h200-x", "n_success": 0, "total": 2**63 - 1}
    foreign = [("run_stats", 1, day(1), raw_stats), ("benchmark", 10**18, day(1), point(9)),
               ("benchmark", 1, datetime(1971, 1, 1, tzinfo=UTC), point(9)),
               ("benchmark", 1, datetime(2200, 1, 1, tzinfo=UTC), point(9))]  # fmt: skip
    drop_rows(
        tmp_path / "landing",
        INFERENCE_ARTIFACTS,
        [
            {"source_system": "inferencex", "recorded_at": day(30), "kind": kind, "run_name": "1",
             "run_attempt": attempt,
             "created_at": at, "artifact_path": f"x{n}", "row_index": 0, "raw_sha256": "", "raw": json.dumps(raw)}
            for n, (kind, attempt, at, raw) in enumerate(foreign)
        ],
        host="elsewhere", producer="test", date=date(2026, 8, 1),
    )  # fmt: skip
    assert tputs(tmp_path) == [1, 6, 1e300, 5e-324, 7, 8]
    reasons = rows_of(tmp_path, "SELECT reason, count(*) AS n FROM inference.mapped_rows GROUP BY ALL ORDER BY ALL")
    assert [(row["reason"], row["n"]) for row in reasons] == [("out_of_range", 4), (None, 6)]
    evals_of = rows_of(tmp_path, "SELECT reason, count(*) AS n FROM inference.mapped_evals GROUP BY ALL ORDER BY ALL")
    assert [(row["reason"], row["n"]) for row in evals_of] == [("out_of_range", 2), (None, 2)]
    [stats] = rows_of(tmp_path, "FROM inference.run_stats")
    assert (stats["n_success"], stats["total"]) == (1, 2)
    [run] = rows_of(tmp_path, "FROM inference.workflow_runs")
    assert (run["date"], run["run_started_at"]) == (date(2026, 8, 1), None)
    quarantined = {row["reason"] for row in rows_of(tmp_path, "FROM ops.quarantine")}
    assert (
        sum("run_attempt is none of" in reason for reason in quarantined) == 2
    )  # the collector's, and the foreign one
    assert any("created_at is before 2019-01-01" in reason for reason in quarantined)
    figures = rows_of(tmp_path, "SELECT * FROM inference.interpolated_metrics")
    figures += rows_of(tmp_path, "SELECT * FROM inference.tco") + rows_of(tmp_path, "FROM inference.pareto_points")
    assert figures and all(math.isfinite(v) for row in figures for v in row.values() if isinstance(v, float))


def test_the_latest_attempt_counts_and_its_failures_do_not(tmp_path: Path) -> None:
    first = [point(1), point(2, conc=8), point(3, conc=16)]
    land(tmp_path, first, run_id=1, attempt=1, created_at=day(1))
    land(
        tmp_path,
        [point(4), point(5, conc=8, num_requests_successful=0)],
        "b.json",
        run_id=1,
        attempt=2,
        created_at=day(1),
    )
    assert tputs(tmp_path) == [4, 2]  # conc 8 failed in the latest attempt, conc 16 was not in it
    [latest] = rows_of(tmp_path, "FROM inference.latest_workflow_runs")
    assert latest["run_attempt"] == 2
    [curve] = rows_of(tmp_path, "SELECT list(tput_per_gpu ORDER BY conc) AS tput FROM inference.latest_curves")
    assert curve["tput"] == [4, 2]


def test_the_newest_of_each_point_and_the_whole_newest_curve(tmp_path: Path) -> None:
    land(tmp_path, [point(1), point(2, conc=8)], run_id=5, created_at=day(1))
    land(tmp_path, [point(3)], "b.json", run_id=3, created_at=day(2))
    land(tmp_path, [point(4)], "c.json", run_id=4, created_at=day(2))
    build_inference(tmp_path)
    assert tputs(tmp_path) == [4, 2]  # by day, then by run id
    assert tputs(tmp_path, "inference.latest_curves") == [4]  # the curve's newest run alone: recipes never mix
    assert tputs(tmp_path, "inference.latest_benchmarks_as_of(DATE '2026-08-01')") == [1, 2]
    assert tputs(tmp_path, "inference.latest_benchmarks_as_of(DATE '2026-07-31')") == []
    days = rows_of(tmp_path, "SELECT DISTINCT date, tput_per_gpu FROM inference.curve_points ORDER BY ALL")
    assert [(row["date"].day, row["tput_per_gpu"]) for row in days] == [(1, 1), (1, 2), (2, 4)]
    assert len(rows_of(tmp_path, "FROM inference.availability")) == 2


def test_collected_twice_the_tables_are_identical(tmp_path: Path) -> None:
    land(tmp_path, [point(1), point(2, conc=8)], run_id=5, created_at=day(1))
    build_inference(tmp_path)
    before = snapshot(tmp_path)
    shutil.rmtree(tmp_path / "collector-state")
    land(tmp_path, [point(1), point(2, conc=8)], run_id=5, created_at=day(1))  # all of it once more
    build_inference(tmp_path)
    assert len(list((tmp_path / "landing").rglob("*.parquet"))) == 2
    assert snapshot(tmp_path) == before
    build_inference(tmp_path)
    assert snapshot(tmp_path) == before


def snapshot(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(Warehouse(home).build_path) as con:
        con.execute("SET TimeZone = 'UTC'")
        names = con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'inference' ORDER BY 1"
        ).fetchall()
        assert len(names) > 10
        return {name: con.execute(f"FROM inference.{name} ORDER BY ALL").fetchall() for (name,) in names}


# ---- curves ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ways of serving one model, on two days."""
    home = tmp_path_factory.mktemp("curves")
    for number, scale in ((1, 1.0), (2, 1.5)):
        rows = []
        for hw, speed in (("h200", 1.0), ("b200-nv", 2.0), ("mi355x", 1.4)):
            for conc in (4, 8, 16, 32, 64):
                tput = scale * speed * 100 * conc**0.7
                power = 600.0 if hw == "h200" else None
                rows.append(real_row(
                    hw=hw, conc=conc, tput_per_gpu=tput, output_tput_per_gpu=tput / 9, input_tput_per_gpu=tput * 8 / 9,
                    median_intvty=speed * 150 / conc**0.5, median_e2el=conc**0.5, measured_power_per_gpu_w=power,
                ))  # fmt: skip
        land(home, rows, f"{number}.json", run_id=number, created_at=day(number))
    build_inference(home)
    return home


def points_of(home: Path, table: str = "inference.latest_curves") -> dict[str, list[Row]]:
    by_curve: dict[str, list[Row]] = {}
    for row in rows_of(home, f"FROM {table} ORDER BY conc"):
        by_curve.setdefault(row["composite_key"], []).append(row)
    return by_curve


def test_fronts_are_those_of_the_scalar_function(curves: Path) -> None:
    ours = rows_of(curves, "FROM inference.pareto_points ORDER BY x")
    for key, points in points_of(curves).items():
        figures = the_registry().hardware_figures(points[0]["hardware"])
        derived = [point | derived_metrics(point, figures) for point in points]
        for chart, x, y, direction in (
            ("interactivity", "median_intvty", "tput_per_gpu", "upper_left"),
            ("interactivity", "median_intvty", "cost_neocloud_output_usd_per_mtok", "lower_right"),
            ("interactivity", "median_intvty", "measured_joules_per_total_token", "lower_right"),
            ("e2e", "median_e2el", "output_tput_per_mw", "upper_right"),
            ("e2e", "median_e2el", "joules_per_input_token", "lower_left"),
        ):
            front = pareto_front([{"x": p[x], "y": p[y]} for p in derived], direction)  # type: ignore[arg-type]
            mine = [r for r in ours if (r["composite_key"], r["chart"], r["y_metric"]) == (key, chart, y)]
            assert [(r["x"], r["y"]) for r in mine] == [(p["x"], pytest.approx(p["y"])) for p in front], (key, y)
    assert {r["y_metric"] for r in ours if r["hardware"] == "b200"}.isdisjoint(
        {"measured_joules_per_total_token", "measured_joules_per_output_token"}
    )


def test_interpolated_metrics_are_those_of_the_scalar_function(curves: Path) -> None:
    ours = rows_of(curves, "FROM inference.interpolated_metrics WHERE is_latest ORDER BY interactivity")
    assert len(ours) > 20
    for row in ours:
        points = points_of(curves)[row["composite_key"]]
        figures = the_registry().hardware_figures(points[0]["hardware"], row["date"])
        scalar = [
            {"interactivity": p["median_intvty"], "throughput": p["tput_per_gpu"], "median_ttft": p["median_ttft"],
             "concurrency": p["conc"], "cost": derived_metrics(p, figures)["cost_rental_total_usd_per_mtok"]}
            for p in points
        ]  # fmt: skip
        at = interpolate_at(scalar, row["interactivity"])
        assert at is not None
        assert row["tput_per_gpu"] == pytest.approx(at["throughput"])
        assert row["cost_rental_total_usd_per_mtok"] == pytest.approx(at["cost"])
        assert (row["conc"], row["median_ttft"]) == (at["concurrency"], pytest.approx(at["median_ttft"]))
    history = rows_of(curves, "SELECT DISTINCT date FROM inference.interpolated_metrics ORDER BY date")
    assert [row["date"].day for row in history] == [1, 2]


def test_cost_of_ownership_and_its_inverse(curves: Path) -> None:
    cost = "cost_neocloud_total_usd_per_mtok"
    by_curve: dict[str, list[Row]] = {}
    for key, points in points_of(curves).items():
        figures = the_registry().hardware_figures(points[0]["hardware"])
        by_curve[key] = [
            {
                "interactivity": p["median_intvty"],
                "throughput": p["tput_per_gpu"],
                "cost": derived_metrics(p, figures)[cost],
            }
            for p in points
        ]
    where = "WHERE cost_basis = 'neocloud' AND question = ? AND asked = ? ORDER BY rank"
    found = rows_of(curves, f"FROM inference.tco {where}", "cost_at_interactivity", 30.0)
    expected = cost_ranking(by_curve, 30.0)
    assert [(r["composite_key"], r["rank"]) for r in found] == [(e["hw_key"], n + 1) for n, e in enumerate(expected)]
    assert [r["ratio_to_best"] for r in found] == pytest.approx([e["ratio_to_best"] for e in expected])
    inverse = rows_of(curves, f"FROM inference.tco {where}", "interactivity_at_cost", 0.5)
    assert inverse and [r["interactivity"] for r in inverse] == sorted(
        (r["interactivity"] for r in inverse), reverse=True
    )
    assert all(r["cost_usd_per_mtok"] <= 0.5 * (1 + 1e-9) for r in inverse)


def test_two_ways_of_serving_beside_each_other(curves: Path) -> None:
    rows = rows_of(curves, "FROM inference.compare_hardware('b200', 'h200_vllm_mtp') ORDER BY interactivity")
    assert rows and all(row["hw_key_a"] == "b200_vllm_mtp" and row["tput_ratio"] > 1 for row in rows)
    assert all(row["measured_joules_per_token_b"] and row["measured_joules_per_token_a"] is None for row in rows)


COOKBOOK = {
    "inference_latest": {"model": "kimik2.5", "isl": 1024, "osl": 1024},
    "inference_as_of": {"model": "kimik2.5", "day": "2026-08-01"},
    "inference_front": {"model": "kimik2.5", "isl": 1024, "osl": 1024},
    "inference_cheapest": {"model": "kimik2.5", "isl": 1024, "osl": 1024, "interactivity": 30},
    "inference_trend": {"model": "kimik2.5", "interactivity": 30},
    "inference_compare": {"a": "b200", "b": "mi355x"},
}


@pytest.mark.parametrize("name", COOKBOOK)
def test_the_cookbook_answers(curves: Path, name: str) -> None:
    query = (ROOT / "sql" / "cookbook" / f"{name}.sql").read_text()
    with duckdb.connect(Warehouse(curves).build_path) as con:
        assert con.execute(query, COOKBOOK[name]).fetchall()


def test_the_cookbook_shows_what_was_left_out(real: Path) -> None:
    assert len(rows_of(real, (ROOT / "sql" / "cookbook" / "inference_left_out.sql").read_text())) == 79


# ---- re-mapping ------------------------------------------------------------------------------------------------------


def test_only_days_that_changed_are_mapped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alems_pipeline import inference

    mapped: list[int] = []
    really = inference.map_benchmark_rows

    def counting(frame: Any, *rest: Any) -> Any:
        mapped.append(frame.height)
        return really(frame, *rest)

    monkeypatch.setattr(inference, "map_benchmark_rows", counting)
    land(tmp_path, [point(1)], run_id=1, created_at=day(1))
    build_inference(tmp_path)
    land(tmp_path, [point(2), point(3, conc=8)], "b.json", run_id=2, created_at=day(2))
    build_inference(tmp_path)
    build_inference(tmp_path)
    assert mapped == [1, 2]


def test_every_mapping_takes_the_registry_of_its_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one process builds before and after a change, as Dagster's daemon does."""
    from alems_pipeline import inference

    newer = replace(the_registry(), model_aliases={**the_registry().model_aliases, "newmodel": "kimik2.5"})
    eval_of = {"task": "gsm8k", "hw": "h200", "model_prefix": "newmodel", "em_strict": 0.9}
    land(tmp_path, [point(1, infmax_model_prefix="newmodel"), eval_of], run_id=1, created_at=day(1))
    meta = {"meta_env.json": EVAL_META | {"model_prefix": "newmodel"}, "results_1.json": EVAL}
    (tmp_path / "eval.zip").write_bytes(zip_of(meta))
    collect([tmp_path / "eval.zip"], tmp_path / "landing", Told(run_id=1, created_at=day(1)), now=day(2))
    monkeypatch.setattr(inference, "read_registry", lambda: newer)
    build_inference(tmp_path)
    mapped = (
        "SELECT model, reason FROM inference.mapped_rows UNION ALL SELECT model, reason FROM inference.mapped_evals"
    )
    assert rows_of(tmp_path, mapped) == [{"model": "kimik2.5", "reason": None}] * 3


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code and its registries, to change."""
    for name in ("dagster.yaml", "pyproject.toml"):
        (tmp_path / "checkout").mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "checkout")
    for name in ("alems_pipeline", "collectors", "sql"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "checkout"


def run(checkout: Path, home: Path, *arguments: str) -> str:
    """The real command of that checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "alems_pipeline.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(checkout), "ALEMS_WAREHOUSE": str(home)},
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_alias_maps_history_and_shows_in_dagster(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    eval_of = {"task": "gsm8k", "hw": "h200", "model_prefix": "newmodel", "em_strict": 0.9}
    land(home, [eval_of], "e.json", run_id=1, created_at=day(1))
    land(home, [real_row(model="amd/New-Model", infmax_model_prefix="newmodel")], run_id=1, created_at=day(1))
    run(checkout, home, "materialize")
    assert "newmodel" in run(checkout, home, "keys", "unmapped")
    assert "Nothing new" in run(checkout, home, "materialize")
    with (checkout / "sql" / "registry" / "model_aliases.csv").open("a") as file:
        file.write("newmodel,kimik2.5\n")
    assert "SQL changed" in run(checkout, home, "materialize")
    assert "newmodel" not in run(checkout, home, "keys", "unmapped")
    explained = run(checkout, home, "keys", "explain", "newmodel")
    assert "kimik2.5" in explained and "prefix_alias" in explained
    with Warehouse(home).read() as con:
        assert con.execute("SELECT model, reason FROM inference.mapped_rows").fetchall() == [("kimik2.5", None)]
        assert con.execute("SELECT count(*) FROM inference.latest_benchmarks").fetchall() == [(1,)]
        assert con.execute("SELECT model, reason FROM inference.mapped_evals").fetchall() == [("kimik2.5", None)]
        assert con.execute("SELECT count(*) FROM inference.eval_results").fetchall() == [(1,)]
    versions = materialized_versions(home)
    for table in ("inference/mapped_rows", "dim_model_alias"):
        (code_before, data_before), (code_after, data_after) = versions[table]
        assert code_before != code_after and data_before != data_after, table
    (code_before, data_before), (code_after, data_after) = versions["dim_framework"]
    assert code_before == code_after and data_before == data_after


def materialized_versions(home: Path) -> dict[str, list[tuple[str, str]]]:
    """Code and data version of each materialisation of an asset, oldest first, as the UI shows them."""
    import dagster as dg

    found: dict[str, list[tuple[str, str]]] = {}
    with dg.DagsterInstance.from_config(str(home / ".dagster")) as instance:
        for key in ("inference/mapped_rows", "dim_model_alias", "dim_framework"):
            records = instance.fetch_materializations(dg.AssetKey(key.split("/")), limit=10, ascending=True).records
            tags = [record.asset_materialization.tags or {} for record in records if record.asset_materialization]
            found[key] = [(tag["dagster/code_version"], tag["dagster/data_version"]) for tag in tags]
    return found
