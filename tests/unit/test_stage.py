"""What a day's landed records become: sifted, numbered and in the stage tables."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from alems_pipeline import sql_files, stage
from alems_pipeline.build import DAY_CODE
from alems_pipeline.rules import REASON, Sifted
from alems_pipeline.stage import number_runs, sift
from collectors.contract import DATASETS, RECORD_DATASETS, REJECTS
from collectors.ids import IDS_PER_SECOND, TIME_ORIGIN_S, run_key
from tests.unit.landing_data import (
    DAY,
    HOST,
    NOW,
    START_NS,
    SYSTEM,
    Row,
    build,
    content,
    drop,
    quarantined,
    query,
    run,
    table_of,
    writing,
)

RUN = run()
RUNS_OF_DAY = pl.DataFrame(
    {
        "run_key": [RUN["run_key"]],
        "run_id": [77],
        "run_start_ns": [RUN["start_time_ns"]],
        "run_end_ns": [RUN["end_time_ns"]],
        "max_sample_interval_ns": [None],
    },
    schema_overrides={"max_sample_interval_ns": pl.Int64},
)


def sifted(dataset: str, rows: list[Row]) -> Sifted:
    return sift(DATASETS[dataset], pl.DataFrame(table_of(dataset, rows)), DAY, RUNS_OF_DAY)


def reasons(dataset: str, row: Row) -> list[str]:
    """Why a single row is bad."""
    found = sifted(dataset, [row])
    assert found.good.height + found.bad.height == 1
    return found.bad[REASON].to_list()


def event(**changes: Any) -> dict[str, Any]:
    start = RUN["start_time_ns"]
    return {
        "run_key": RUN["run_key"], "event_type": "llm_call", "phase": "planning", "step_index": 0,
        "start_time_ns": start, "end_time_ns": start + 10**9, **changes,
    }  # fmt: skip


def experiment(**changes: Any) -> dict[str, Any]:
    return {
        "exp_key": 1, "source_system": SYSTEM, "host": HOST, "recorded_at": NOW, "source_exp_id": "1", "name": "e",
        **changes,
    }  # fmt: skip


# ---- rules


def test_good_records_are_good() -> None:
    assert reasons("runs", RUN) == []
    assert reasons("experiments", experiment(workflow_type="comparison", status="partial")) == []
    assert reasons("orchestration_events", event()) == []
    assert reasons("orchestration_events", event(phase=None)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "finished"}, "status is none of completed, partial, failed"),
        ({"workflow_type": "comparison"}, "workflow_type is none of linear, agentic"),
        ({"end_time_ns": START_NS - 1}, "end_time_ns is before start_time_ns"),
        ({"run_key": 1}, "run_key is not the stable id"),
        ({"host": "elsewhere"}, "run_key is not the stable id"),
        ({"exp_key": None}, "exp_key is NULL"),
        ({"rss_memory_mb": float("nan")}, "rss_memory_mb is no finite number"),
        ({"user_time_ms": float("-inf")}, "user_time_ms is no finite number"),
        ({"recorded_at": datetime(1969, 12, 31, tzinfo=UTC)}, "recorded_at is outside 1970"),
    ],
)
def test_a_run_that_breaks_a_rule_is_bad(changes: dict[str, Any], words: str) -> None:
    [reason] = reasons("runs", {**RUN, **changes})
    assert words in reason


def test_a_run_belongs_to_the_utc_date_of_its_start() -> None:
    midnight = 1_768_953_600_000_000_000  # 2026-01-21T00:00:00Z
    assert reasons("runs", run(start_ns=midnight)) == []
    assert reasons("runs", run(start_ns=midnight + 86_400_000_000_000 - 1, seconds=100)) == []
    for start_ns in (midnight - 1, midnight + 86_400_000_000_000):
        [reason] = reasons("runs", run(start_ns=start_ns))
        assert "not in its landing date" in reason


def test_a_run_before_2020_has_no_id() -> None:
    start_ns = (TIME_ORIGIN_S - 1) * 10**9
    rows = pl.DataFrame(table_of("runs", [run(start_ns=start_ns)]))
    [reason] = sift(DATASETS["runs"], rows, date(2019, 12, 31), RUNS_OF_DAY).bad[REASON]
    assert "before 2020" in reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run_key": 5}, "its run has not landed yet or is unknown"),
        ({"phase": "thinking"}, "phase is none of planning"),
        ({"end_time_ns": START_NS - 1, "start_time_ns": START_NS}, "end_time_ns is before start_time_ns"),
        ({"start_time_ns": START_NS - 60_000_000_001}, "farther than 60 s outside its run"),
        ({"end_time_ns": START_NS + 70_000_000_001}, "farther than 60 s outside its run"),
        ({"event_type": None}, "event_type is NULL"),
    ],
)
def test_an_event_that_breaks_a_rule_is_bad(changes: dict[str, Any], words: str) -> None:
    [reason] = reasons("orchestration_events", event(**changes))
    assert words in reason


def test_an_event_may_lie_a_minute_outside_its_run() -> None:
    near = event(start_time_ns=START_NS - 60_000_000_000, end_time_ns=START_NS + 70_000_000_000)
    assert reasons("orchestration_events", near) == []


def test_a_tax_row_needs_one_of_its_runs() -> None:
    tax = {"linear_run_key": RUN["run_key"], "agentic_run_key": 5, "source_system": SYSTEM, "host": HOST,
           "recorded_at": NOW}  # fmt: skip
    found = sifted("reported_tax", [tax])
    assert found.good.select("linear_run_id", "agentic_run_id").rows() == [(77, None)]
    [reason] = reasons("reported_tax", {**tax, "linear_run_key": 6})
    assert reason.startswith("its run has not landed yet")


def test_a_rejected_line_is_quarantined_for_its_own_reason() -> None:
    line = {"run_key": RUN["run_key"], "line_number": 3, "reason": "no JSON", "line": "{"}
    assert reasons("rejected_lines", line) == ["no JSON"]
    assert reasons("rejected_lines", {**line, "run_key": 5})[0].startswith("its run has not landed yet")


# ---- repeats


def test_exact_duplicates_count_once() -> None:
    found = sifted("orchestration_events", [event(), event(), event(step_index=1)])
    assert (found.good.height, found.bad.height, found.n_landed, found.n_duplicate) == (2, 0, 3, 1)


def test_zero_and_minus_zero_are_the_same_value() -> None:
    for rows in ([0.0, -0.0], [-0.0, 0.0]):
        found = sifted("orchestration_events", [event(power_watts=watts) for watts in rows])
        assert found.n_duplicate == 1
        assert str(found.good["power_watts"].item()) == "0.0"


def test_of_two_rows_with_one_key_the_smaller_is_kept() -> None:
    rows = [event(power_watts=2.0), event(power_watts=1.0), event(power_watts=None)]
    for order in (rows, rows[::-1]):
        found = sifted("orchestration_events", order)
        assert found.good["power_watts"].to_list() == [1.0]
        assert found.bad["power_watts"].to_list() == [2.0, None]
        assert all("same key and other values" in reason for reason in found.bad[REASON])


def test_the_newest_record_of_a_key_counts() -> None:
    rows = [
        experiment(status="running"),
        experiment(status="completed", recorded_at=NOW + timedelta(hours=1)),
        experiment(status="pending", recorded_at=NOW - timedelta(hours=1)),
    ]
    for order in (rows, rows[::-1]):
        found = sifted("experiments", order)
        assert found.good["status"].to_list() == ["completed"]
        assert (found.bad.height, found.n_duplicate) == (0, 2)


def test_of_equally_new_records_the_greatest_counts() -> None:
    rows = [experiment(status="running"), experiment(status="completed")]
    for order in (rows, rows[::-1]):
        assert sifted("experiments", order).good["status"].to_list() == ["running"]


def test_a_bad_record_does_not_replace_a_good_one() -> None:
    newer = experiment(status="broken", recorded_at=NOW + timedelta(hours=1))
    found = sifted("experiments", [experiment(status="running"), newer])
    assert (found.good["status"].to_list(), found.bad["status"].to_list()) == (["running"], ["broken"])


# ---- run ids


def numbered(runs: list[Row]) -> dict[str, int]:
    rows = number_runs(pl.DataFrame(table_of("runs", runs)))
    return dict(rows.select("source_run_id", "run_id").iter_rows())


def test_a_run_id_is_its_second_and_the_low_bits_of_its_key() -> None:
    seconds = START_NS // 10**9 - TIME_ORIGIN_S
    assert numbered([RUN]) == {"1": seconds * IDS_PER_SECOND + RUN["run_key"] % IDS_PER_SECOND}


def test_colliding_runs_take_the_next_free_ids_in_the_order_of_their_names() -> None:
    keys = {"b": 7, "a": 7 + IDS_PER_SECOND, "c": 8, "d": 20}
    runs = [run(name) | {"run_key": key} for name, key in keys.items()]
    base = (START_NS // 10**9 - TIME_ORIGIN_S) * IDS_PER_SECOND
    expected = {"a": base + 7, "b": base + 8, "c": base + 9, "d": base + 20}
    assert numbered(runs) == expected
    assert numbered(runs[::-1]) == expected


# ---- tables


def test_a_day_of_records_is_stored_and_booked(tmp_path: Path) -> None:
    drop(tmp_path, "runs", [RUN, run("2", status="broken")])
    drop(tmp_path, "experiments", [experiment(), experiment()])
    drop(tmp_path, "orchestration_events", [event(), event(run_key=run("2")["run_key"])])
    drop(tmp_path, "rejected_lines", [{"run_key": RUN["run_key"], "line_number": 1, "reason": "no JSON", "line": "{"}])
    build(tmp_path)
    [(run_id, key, day)] = query(tmp_path, "SELECT run_id, run_key, landing_date FROM stage.runs")
    assert (run_id >> 22, key, day) == (START_NS // 10**9 - TIME_ORIGIN_S, RUN["run_key"], DAY)
    assert query(tmp_path, "SELECT run_id, event_type FROM stage.orchestration_events") == [(run_id, "llm_call")]
    books = query(tmp_path, "SELECT dataset, n_landed, n_stored, n_duplicate, n_quarantined FROM ops.landing_days "
                            "ORDER BY dataset")  # fmt: skip
    assert books == [
        ("experiments", 2, 1, 1, 0),
        ("orchestration_events", 2, 1, 0, 1),
        ("rejected_lines", 1, 0, 0, 1),
        ("runs", 2, 1, 0, 1),
    ]
    assert [row["source_run_id"] for row in quarantined(tmp_path, "runs")] == ["2"]
    [line] = quarantined(tmp_path, "rejected_lines")
    assert (line["reason"], line["line"]) == ("no JSON", "{")


def test_a_run_that_lands_later_brings_its_rows_in(tmp_path: Path) -> None:
    drop(tmp_path, "orchestration_events", [event()])
    build(tmp_path)
    [(reason,)] = query(tmp_path, "SELECT reason FROM ops.quarantine")
    assert reason == "its run has not landed yet or is unknown; when the run's record lands, the day is built again"
    drop(tmp_path, "runs", [RUN])
    build(tmp_path)
    assert query(tmp_path, "SELECT count(*) FROM stage.orchestration_events") == [(1,)]
    assert query(tmp_path, "SELECT count(*) FROM ops.quarantine") == [(0,)]


def test_building_a_day_leaves_other_days_alone(tmp_path: Path) -> None:
    other = DAY + timedelta(days=1)
    drop(tmp_path, "runs", [RUN])
    drop(tmp_path, "runs", [run("2", START_NS + 86_400_000_000_000)], other)
    build(tmp_path)
    build(tmp_path, other)
    whole = content(tmp_path)
    assert [row[0] >> 22 for row in whole["runs"]] == [
        START_NS // 10**9 - TIME_ORIGIN_S + seconds for seconds in (0, 86_400)
    ]
    build(tmp_path)
    assert content(tmp_path) == whole


def test_collisions_are_noted_with_the_ids_given(tmp_path: Path) -> None:
    seen: dict[int, str] = {}
    for number in range(100_000):
        low = run_key(SYSTEM, HOST, str(number), START_NS) % IDS_PER_SECOND
        if low in seen:
            break
        seen[low] = str(number)
    first, second = sorted((seen[low], str(number)))
    drop(tmp_path, "runs", [run(second), run(first)])
    for _ in range(2):
        build(tmp_path)
        base = (START_NS // 10**9 - TIME_ORIGIN_S) * IDS_PER_SECOND + low
        noted = query(tmp_path, "SELECT kind, natural_key, base_id, given_id FROM ops.id_collisions")
        assert noted == [("run", f"{SYSTEM}, {HOST}, {second}, {START_NS}", base, base + 1)]
        ids = query(tmp_path, "SELECT source_run_id, run_id FROM stage.runs ORDER BY run_id")
        assert ids == [(first, base), (second, base + 1)]


def test_a_table_of_older_columns_is_made_anew(tmp_path: Path) -> None:
    with writing(tmp_path) as con:
        con.execute("ALTER TABLE stage.runs DROP COLUMN command")
        con.execute("INSERT INTO stage.task_categories (task_id) VALUES ('kept')")
        con.execute("UPDATE ops.kept_tables SET code_hash = 'older'")
    with writing(tmp_path) as con:
        assert "command" in [name for name, *_ in con.execute("DESCRIBE stage.runs").fetchall()]
        assert con.execute("SELECT task_id FROM stage.task_categories").fetchall() == [("kept",)]


def test_a_warehouse_that_older_code_worked_on_meanwhile_is_made_anew_too(tmp_path: Path) -> None:
    """Older code that keeps no note of what it made changes a table, and builds a day."""
    with writing(tmp_path) as con:
        con.execute("INSERT INTO ops.day_builds VALUES (?, ?, now())", [DAY, DAY_CODE])
    with writing(tmp_path) as con:
        con.execute("ALTER TABLE stage.energy_sampling DROP COLUMN max_interval_ns")
        con.execute("UPDATE ops.day_builds SET code_hash = 'older'")
    with writing(tmp_path) as con:
        assert "max_interval_ns" in [name for name, *_ in con.execute("DESCRIBE stage.energy_sampling").fetchall()]


def test_every_stage_column_has_its_meaning_in_the_file() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA stage")
        stage.ensure_tables(con)
        sql_files.comment_kept(con, stage.docs())
        tables = con.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()
        columns = con.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'stage'"
        ).fetchall()
    records = {d.name for d in RECORD_DATASETS if d not in REJECTS}
    assert {name for name, _ in tables} == records | {"energy_sampling", "energy_gaps", "landing_subjects"}
    assert [one for one in (*tables, *columns) if not one[-1]] == []
