"""What becomes of what is said of conditions, held to a plain reading of the rules, statement by statement."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from alems_pipeline import build, sql_files, stage, store_schemas
from alems_pipeline.condition_tables import CONDITIONS
from collectors.contract import DATASETS
from collectors.contract_conditions import VALUE_COLUMNS

DAY = date(2026, 3, 1)
START = datetime(2026, 3, 1, tzinfo=UTC)
CORE = [file for file in sql_files.layer_files("core") if file.schema == CONDITIONS.schema]
TYPES = {"n": "int", "x": "float", "flag": "bool", "at": "time", "doc": "json", "word": "string"}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    build.prepare(con)
    con.execute("CREATE TABLE main.runs (run_id BIGINT, start_time_ns BIGINT, end_time_ns BIGINT)")
    yield con
    con.close()


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def store_type(id_: int, name: str, value_type: str, minute: int = 0, source: str = "rcdb") -> Row:
    return {"source_system": source, "type_id": id_, "name": name, "value_type": value_type, "recorded_at": at(minute)}


def imported(id_: int, run: int, type_id: int, minute: int, created: int = 0, **value: Any) -> Row:
    return {
        "condition_id": id_, "run_number": run, "condition_type_id": type_id, "recorded_at": at(minute),
        "created": at(created), **value,
    }  # fmt: skip


def written(run: int, name: str, value_type: str, value: Any, minute: int, replaces: bool = False) -> Row:
    return {
        "run_number": run, "name": name, "value_type": value_type, VALUE_COLUMNS[value_type]: value,
        "recorded_at": at(minute), "replaces": replaces,
    }  # fmt: skip


def said(run: int, name: str, value_type: str, value: Any, minute: int) -> Row:
    return {
        "run_id": run, "run_key": run, "name": name, "value_type": value_type, VALUE_COLUMNS[value_type]: value,
        "recorded_at": at(minute),
    }  # fmt: skip


def removed(id_: int, run: int, type_id: int, minute: int) -> Row:
    return {
        "table_name": "conditions", "row_id": id_, "run_number": run, "condition_type_id": type_id,
        "recorded_at": at(minute),
    }  # fmt: skip


def make(con: duckdb.DuckDBPyConnection, runs: list[int], **landed: list[Row]) -> None:
    """The tables of run conditions from these records; types n, x, … are declared where none are given."""
    con.execute("DELETE FROM ops.kept_tables")
    landed.setdefault(
        "rcdb_condition_types",
        [store_type(i, name, kind, source="alems-collect") for i, (name, kind) in enumerate(TYPES.items(), 1)],
    )
    landed["rcdb_runs"] = [{"number": run, "recorded_at": START} for run in runs]
    for name in (
        "rcdb_condition_types", "rcdb_runs", "rcdb_conditions", "rcdb_removed", "rcdb_run_periods",
        "written_conditions", "run_conditions",
    ):  # fmt: skip
        con.execute(f"DELETE FROM stage.{name}")
        schema = {"run_id": pl.Int64} | dict(pl.DataFrame(DATASETS[name].schema.empty_table()).schema)
        rows = [{"schema_name": "rcdb", **row} for row in landed.get(name, [])]
        stage.store(con, name, DAY, pl.DataFrame(rows, schema=schema, orient="row", strict=True))
    for file in CORE:
        store_schemas.build(con, CONDITIONS, file, "test")


def values(con: duckdb.DuckDBPyConnection) -> dict[tuple[int, str], Any]:
    return {
        (run, name): next((value for value in row if value is not None), None)
        for run, name, *row in con.execute(
            "SELECT run_number, name, text_value, int_value, float_value, bool_value, time_value "
            "FROM rcdb.conditions JOIN rcdb.condition_types AS t ON t.id = condition_type_id"
        ).fetchall()
    }


def outcomes(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return con.execute("SELECT outcome, count(*) FROM rcdb.condition_statements GROUP BY ALL ORDER BY ALL").fetchall()


def reason(con: duckdb.DuckDBPyConnection) -> str:
    [(found,)] = con.execute("SELECT reason FROM rcdb.condition_statements WHERE outcome = 'refused'").fetchall()
    return str(found)


def test_a_store_as_it_is_needs_no_weighing(con: duckdb.DuckDBPyConnection) -> None:
    types = [store_type(1, "n", "int"), store_type(56, "word", "string")]
    make(con, [7, 8], rcdb_condition_types=types,
         rcdb_conditions=[imported(3, 8, 1, 0, int_value=0), imported(1, 7, 56, 0, text_value=""),
                          imported(2, 7, 1, 0, int_value=5), imported(4, 8, 56, 0)])  # fmt: skip
    assert outcomes(con) == []
    assert con.execute("SELECT condition_type_id, run_number, id FROM rcdb.conditions").fetchall() == [
        (1, 7, 2), (1, 8, 3), (56, 7, 1), (56, 8, 4)
    ]  # fmt: skip
    assert values(con) == {(7, "n"): 5, (8, "n"): 0, (7, "word"): "", (8, "word"): None}


def test_of_two_rows_of_a_store_the_newest_counts(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7], rcdb_condition_types=[store_type(1, "n", "int")],
         rcdb_conditions=[imported(1, 7, 1, 0, created=9, int_value=1), imported(2, 7, 1, 0, created=5, int_value=2),
                          imported(3, 7, 1, 0, created=9, int_value=3)])  # fmt: skip
    assert values(con) == {(7, "n"): 3}
    assert con.execute("SELECT int_value, reason FROM rcdb.condition_history ORDER BY ALL").fetchall() == [
        (1, "duplicate"), (2, "duplicate")
    ]  # fmt: skip


def test_history_is_what_a_value_was_and_until_when(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7], rcdb_condition_types=[store_type(1, "n", "int")],
         rcdb_conditions=[imported(1, 7, 1, 0, int_value=1), imported(1, 7, 1, 10, int_value=1),
                          imported(1, 7, 1, 20, int_value=2), imported(1, 7, 1, 30, int_value=1)],
         written_conditions=[written(7, "n", "int", 5, 25, replaces=True)])  # fmt: skip
    history = con.execute("SELECT int_value, loaded_at, reason FROM rcdb.condition_history").fetchall()
    assert history == [(1, at(20), "replaced"), (2, at(25), "replaced"), (5, at(30), "replaced")]
    assert values(con) == {(7, "n"): 1}


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        (written(7, "x", "int", 3, 1), 3.0), (written(7, "n", "float", 3.0, 1), 3), (said(7, "n", "float", 3.0, 1), 3),
        (said(7, "flag", "string", "True", 1), True), (said(7, "at", "string", "2024-05-01T12:00:00Z", 1),
                                                       datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (said(7, "doc", "string", '{"a": 1}', 1), '{"a": 1}'), (written(7, "word", "string", "", 1), ""),
    ],
)  # fmt: skip
def test_a_value_that_fits_the_type_is_taken(con: duckdb.DuckDBPyConnection, statement: Row, value: Any) -> None:
    kind = "run_conditions" if "run_id" in statement else "written_conditions"
    make(con, [7], **{kind: [statement]})
    assert values(con) == {(7, statement["name"]): value}


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (written(7, "n", "float", 3.5, 1), "would lose something"), (said(7, "n", "float", 1e19, 1), "not of the type"),
        (written(7, "x", "int", 2**53 + 1, 1), "or would lose something"),
        (written(7, "flag", "string", "yes", 1), "not of the type"), (said(7, "flag", "int", 1, 1), "not of the type"),
        (said(7, "at", "string", "20000-01-01 00:00:00+00", 1), "not of the type"),
        (said(7, "at", "string", "infinity", 1), "not of the type"),
        (said(7, "at", "string", "noon", 1), "not of the type"), (said(7, "doc", "string", "{", 1), "not of the type"),
        (said(7, "word", "int", 1, 1), "not of the type"), (written(8, "n", "int", 1, 1), "no run has this number"),
        (written(7, "other", "int", 1, 1), "no condition type has this name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_reason(con: duckdb.DuckDBPyConnection, statement: Row, why: str) -> None:
    kind = "run_conditions" if "run_id" in statement else "written_conditions"
    make(con, [7], **{kind: [statement]})
    assert values(con) == {} and why in reason(con)


def test_types_of_programs_follow_from_their_values(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7, 8], rcdb_condition_types=[],
         run_conditions=[said(7, "temperature", "int", 0, 1), said(8, "temperature", "float", 0.2, 2),
                         said(7, "task", "string", "a", 1), said(8, "task", "int", 5, 2)])  # fmt: skip
    types = dict(con.execute("SELECT name, value_type FROM rcdb.condition_types").fetchall())
    assert types == {"temperature": "float", "task": "string"}
    assert values(con) == {(7, "temperature"): 0.0, (8, "temperature"): 0.2, (7, "task"): "a"}
    assert "not of the type" in reason(con)


def test_a_type_is_the_stores_else_the_first_declared(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7], rcdb_condition_types=[
        store_type(4, "n", "int"), store_type(9, "n", "float"), store_type(88, "n", "string", source="alems-collect"),
        store_type(5, "m", "bool", 3, source="alems-collect"), store_type(5, "m", "int", 2, source="alems-collect")],
         rcdb_conditions=[imported(1, 7, 9, 0, float_value=1.5)])  # fmt: skip
    types = con.execute("SELECT id, name, value_type FROM rcdb.condition_types ORDER BY name").fetchall()
    assert types == [(5, "m", "int"), (4, "n", "int")]
    assert "two types of this name" in reason(con)


def test_what_is_nearly_the_same_is_held_against_the_value_that_was_set(con: duckdb.DuckDBPyConnection) -> None:
    near = 1.0 + 1e-13
    make(con, [7], rcdb_condition_types=[store_type(1, "x", "float")],
         rcdb_conditions=[imported(1, 7, 1, 0, float_value=1.0), imported(1, 7, 1, 2, float_value=near)],
         run_conditions=[said(7, "x", "float", near, 1)])  # fmt: skip
    assert values(con) == {(7, "x"): near}
    assert outcomes(con) == [("current", 1), ("replaced", 1), ("same", 1)]


def test_a_condition_of_no_run_waits_for_it(con: duckdb.DuckDBPyConnection) -> None:
    rows = {"rcdb_condition_types": [store_type(1, "n", "int")], "rcdb_conditions": [imported(1, 9, 1, 0, int_value=1)]}
    make(con, [7], **rows)
    assert values(con) == {} and "no run has this number" in reason(con)
    assert "or its store removed it" in reason(con)
    make(con, [7, 9], **rows)
    assert values(con) == {(9, "n"): 1} and outcomes(con) == []


def test_a_type_that_the_store_removed_is_named_as_possible_reason(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7], rcdb_condition_types=[store_type(1, "n", "int")],
         rcdb_conditions=[imported(1, 7, 1, 0, int_value=1)],
         rcdb_removed=[{"table_name": "condition_types", "row_id": 1, "recorded_at": at(5)}])  # fmt: skip
    assert values(con) == {} and "the store removed its condition type, or it was not taken" in reason(con)


def test_what_the_store_removed_is_no_value_any_more(con: duckdb.DuckDBPyConnection) -> None:
    rows = {
        "rcdb_condition_types": [store_type(1, "n", "int"), store_type(2, "word", "string")],
        "rcdb_conditions": [
            imported(1, 7, 1, 0, int_value=1), imported(1, 7, 1, 10, int_value=2),
            imported(2, 7, 2, 0, text_value="kept"), imported(3, 8, 1, 0, int_value=3),
        ],
    }  # fmt: skip
    gone = [removed(1, 7, 1, 20)]
    make(con, [7, 8], **rows, rcdb_removed=gone)
    assert values(con) == {(7, "word"): "kept", (8, "n"): 3}
    history = "SELECT run_number, int_value, loaded_at, reason FROM rcdb.condition_history ORDER BY loaded_at"
    assert con.execute(history).fetchall() == [(7, 1, at(10), "replaced"), (7, 2, at(20), "removed")]
    # The same row again, with the same value: it holds from then on.
    rows["rcdb_conditions"].append(imported(1, 7, 1, 30, int_value=2))
    make(con, [7, 8], **rows, rcdb_removed=gone)
    assert values(con)[7, "n"] == 2
    make(con, [7, 8], **rows, rcdb_removed=[*gone, removed(1, 7, 1, 40)])
    assert (7, "n") not in values(con)
    assert con.execute(history).fetchall()[-1] == (7, 2, at(40), "removed")
    # Its type and its run have gone with it: nothing to quarrel about.
    make(con, [8], **rows | {"rcdb_condition_types": [store_type(2, "word", "string")]},
         rcdb_removed=[*gone, removed(1, 7, 1, 40), removed(2, 7, 2, 40), removed(3, 8, 1, 40)])  # fmt: skip
    assert values(con) == {} and outcomes(con) == [("removed", 4), ("replaced", 1)]


def test_an_id_that_the_store_gave_again_is_another_row(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7, 8], rcdb_condition_types=[store_type(1, "n", "int")],
         rcdb_conditions=[imported(1, 7, 1, 0, int_value=1), imported(1, 8, 1, 10, int_value=2)],
         rcdb_removed=[removed(1, 7, 1, 10)])  # fmt: skip
    assert values(con) == {(8, "n"): 2}


HISTORY = """
    SELECT name, condition_type_id, text_value, int_value, loaded_at, reason
    FROM rcdb.condition_history
    ORDER BY loaded_at, name
"""


@pytest.mark.parametrize("is_seen_between", [True, False])
def test_a_type_id_that_the_store_gave_again_is_another_condition(
    con: duckdb.DuckDBPyConnection, is_seen_between: bool
) -> None:
    """SQLite gives the ids of rows that were deleted to the next ones, of types and of conditions."""
    gone_at = 10 if is_seen_between else 20
    type_gone = [{"table_name": "condition_types", "row_id": 2, "recorded_at": at(10)}] if is_seen_between else []
    types = [store_type(1, "n", "int"), store_type(2, "b", "string"), store_type(1, "n", "int", 10)]
    make(con, [7, 8], rcdb_condition_types=[*types, store_type(2, "zed", "int", 20)],
         rcdb_conditions=[imported(1, 7, 2, 0, text_value="old"), imported(2, 8, 2, 0, text_value="older"),
                          imported(3, 7, 1, 0, int_value=3), imported(4, 8, 2, 20, int_value=5)],
         rcdb_removed=[removed(1, 7, 2, gone_at), removed(2, 8, 2, gone_at), *type_gone])  # fmt: skip
    assert con.execute(HISTORY).fetchall() == [
        ("b", None, "old", None, at(gone_at), "removed"), ("b", None, "older", None, at(gone_at), "removed")
    ]  # fmt: skip
    assert values(con) == {(7, "n"): 3, (8, "zed"): 5}


def test_a_row_whose_ids_are_all_given_again_is_another_condition(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7], rcdb_condition_types=[store_type(2, "b", "string"), store_type(2, "zed", "int", 20)],
         rcdb_conditions=[imported(1, 7, 2, 0, text_value="old"), imported(1, 7, 2, 20, int_value=5)])  # fmt: skip
    assert con.execute(HISTORY).fetchall() == [("b", None, "old", None, at(20), "replaced")]
    assert values(con) == {(7, "zed"): 5}


def test_what_a_renamed_condition_was_is_told_of_its_new_name(con: duckdb.DuckDBPyConnection) -> None:
    types = [store_type(2, "b", "string"), store_type(2, "c", "string", 10)]
    make(con, [7, 8], rcdb_condition_types=types,
         rcdb_conditions=[imported(1, 7, 2, 0, text_value="kept"), imported(2, 8, 2, 0, text_value="old"),
                          imported(2, 8, 2, 20, text_value="new")])  # fmt: skip
    assert con.execute(HISTORY).fetchall() == [("c", 2, "old", None, at(20), "replaced")]
    assert values(con) == {(7, "c"): "kept", (8, "c"): "new"}


def test_names_that_two_types_exchanged(con: duckdb.DuckDBPyConnection) -> None:
    make(con, [7], rcdb_condition_types=[store_type(1, "a", "int"), store_type(2, "b", "int"),
                                         store_type(1, "b", "int", 10), store_type(2, "a", "int", 10)],
         rcdb_conditions=[imported(1, 7, 2, 0, int_value=2), imported(9, 7, 1, 0, int_value=1),
                          imported(9, 7, 1, 10, int_value=5)])  # fmt: skip
    assert values(con) == {(7, "a"): 2, (7, "b"): 5}
    assert con.execute(HISTORY).fetchall() == [("a", 2, None, 1, at(10), "replaced")]


def test_a_run_period_that_an_older_drop_says_is_deleted_is_none(con: duckdb.DuckDBPyConnection) -> None:
    def period(id_: int, minute: int, is_deleted: bool | None) -> Row:
        return {"period_id": id_, "name": "p", "run_min": 1, "run_max": 9, "is_deleted": is_deleted,
                "recorded_at": at(minute)}  # fmt: skip

    make(con, [7], rcdb_run_periods=[
        period(1, 0, False), period(1, 5, True), period(2, 0, False), period(3, 0, True), period(3, 5, None)
    ])  # fmt: skip
    assert con.execute("SELECT id FROM rcdb.run_periods").fetchall() == [(2,), (3,)]


def test_when_a_row_is_removed_what_else_was_said_counts(con: duckdb.DuckDBPyConnection) -> None:
    two_rows = [imported(1, 7, 1, 0, created=1, int_value=1), imported(2, 7, 1, 0, created=2, int_value=2)]
    types = [store_type(1, "n", "int")]
    for gone, value in ((2, 1), (1, 2)):
        make(con, [7], rcdb_condition_types=types, rcdb_conditions=two_rows, rcdb_removed=[removed(gone, 7, 1, 5)])
        assert values(con) == {(7, "n"): value} and outcomes(con) == [("current", 1), ("removed", 1)]
    for hand, before in ((written(7, "n", "int", 9, 3), 2), (written(7, "n", "int", 9, 3, replaces=True), 9)):
        rows = {"rcdb_condition_types": types, "rcdb_conditions": two_rows[1:], "written_conditions": [hand]}
        make(con, [7], **rows)
        assert values(con) == {(7, "n"): before}
        make(con, [7], **rows, rcdb_removed=[removed(2, 7, 1, 5)])
        assert values(con) == {(7, "n"): 9}


def test_a_stored_row_without_a_value_stands_in_nobodys_way(con: duckdb.DuckDBPyConnection) -> None:
    types = [store_type(1, "n", "int")]
    for store_at, hand_at in ((0, 5), (5, 0)):
        make(con, [7], rcdb_condition_types=types, rcdb_conditions=[imported(1, 7, 1, store_at)],
             written_conditions=[written(7, "n", "int", 5, hand_at)])  # fmt: skip
        assert values(con) == {(7, "n"): 5}
    make(con, [7], rcdb_condition_types=types, run_conditions=[said(7, "n", "int", 4, 9)],
         rcdb_conditions=[imported(1, 7, 1, 0, int_value=3), imported(1, 7, 1, 5)])  # fmt: skip
    assert values(con) == {(7, "n"): 4}
    make(
        con, [7], rcdb_condition_types=types, rcdb_conditions=[imported(1, 7, 1, 0, int_value=3), imported(1, 7, 1, 5)]
    )
    assert values(con) == {(7, "n"): None}, "the store cleared its value"


Statement = tuple[str, float | None, bool]
statements = st.lists(
    st.tuples(
        st.sampled_from(["store", "hand", "program"]),
        st.sampled_from([0.0, 1.0, 1.0 + 1e-13, 2.0, 2.0 + 1e-11, None]),
        st.booleans(),
    ).filter(lambda statement: statement[0] == "store" or statement[1] is not None),
    max_size=8,
)


def by_the_rules(said: list[Statement]) -> tuple[float | None, list[str]]:
    """Word by word: the same is ignored, another is refused unless it may replace; the store is taken exactly."""
    held: float | None = None
    found: list[str] = []
    store_spoke = False
    for source, value, may_replace in said:
        tolerance = 0.0 if source == "store" else 1e-12
        clears, store_spoke = value is None and store_spoke, store_spoke or source == "store"
        if value is None:
            found.append("set" if not found or (clears and held is not None) else "same")
            held = None if clears else held
        elif held is not None and abs(held - value) <= tolerance:
            found.append("same")
        elif held is None or source != "hand" or may_replace:
            held = value
            found.append("set")
        else:
            found.append("refused")
    return held, found


@settings(max_examples=4, phases=set(Phase) - {Phase.shrink})  # a table is made for each example
@given(st.lists(statements, min_size=25, max_size=25))
def test_any_sequence_ends_as_the_rules_say(con: duckdb.DuckDBPyConnection, sequences: list[list[Statement]]) -> None:
    landed: dict[str, list[Row]] = {"rcdb_conditions": [], "written_conditions": [], "run_conditions": []}
    for run, sequence in enumerate(sequences):
        for minute, (source, value, may_replace) in enumerate(sequence):
            if source == "store":
                landed["rcdb_conditions"].append(imported(run, run, 1, minute, float_value=value))
            elif source == "hand":
                landed["written_conditions"].append(written(run, "x", "float", value, minute, may_replace))
            else:
                landed["run_conditions"].append(said(run, "x", "float", value, minute))
    make(con, list(range(25)), rcdb_condition_types=[store_type(1, "x", "float")], **landed)
    ended = {run: by_the_rules(spoken(sequence)) for run, sequence in enumerate(sequences)}
    found = {run: value for (run, _), value in values(con).items() if value is not None}
    assert found == {run: held for run, (held, _) in ended.items() if held is not None}
    for run, sequence in enumerate(sequences):
        outcomes_of_run = [
            "set" if outcome in ("current", "replaced") else outcome
            for (outcome,) in con.execute(
                "SELECT outcome FROM rcdb.condition_statements WHERE run_number = ? ORDER BY recorded_at", [run]
            ).fetchall()
        ]
        is_plain = [source for source, _, _ in sequence] == ["store"]
        assert outcomes_of_run == ([] if is_plain else ended[run][1])


def spoken(sequence: list[Statement]) -> list[Statement]:
    """Without the versions of a store's row that say what the one before said."""
    kept: list[Statement] = []
    last_of_store: list[float | None] = []
    for statement in sequence:
        if statement[0] == "store":
            if last_of_store == [statement[1]]:
                continue
            last_of_store = [statement[1]]
        kept.append(statement)
    return kept


def test_a_table_made_alone_is_made_again_with_what_it_reads(con: duckdb.DuckDBPyConnection) -> None:
    """As when somebody materialises one table in the UI while new rows have landed."""
    make(con, [1])
    con.execute("INSERT INTO stage.rcdb_runs BY NAME SELECT * REPLACE (2 AS number) FROM stage.rcdb_runs")
    con.execute(
        "INSERT INTO ops.landing_files BY NAME SELECT 'new' AS path, 'rcdb_runs' AS dataset, 1 AS bytes, "
        "'accepted' AS status"
    )
    by_name = {file.name: file for file in CORE}
    store_schemas.build(con, CONDITIONS, by_name["conditions"], "test")
    before = con.execute("SELECT code_hash FROM ops.kept_tables WHERE table_name = 'rcdb.conditions'").fetchall()
    for file in CORE:
        store_schemas.build(con, CONDITIONS, file, "test")
    assert (
        con.execute("SELECT code_hash FROM ops.kept_tables WHERE table_name = 'rcdb.conditions'").fetchall() != before
    )
    made = con.execute("SELECT * FROM ops.kept_tables ORDER BY ALL").fetchall()
    for file in CORE:
        store_schemas.build(con, CONDITIONS, file, "test")
    assert con.execute("SELECT * FROM ops.kept_tables ORDER BY ALL").fetchall() == made
