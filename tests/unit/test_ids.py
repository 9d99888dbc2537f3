"""The stable ids: Python and SQL give the same numbers, and colliding runs are told apart in the same way."""

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alems_pipeline.ids import STABLE_ID_MACROS
from alems_pipeline.stage import number_runs
from collectors.ids import IDS_PER_SECOND, TIME_ORIGIN_S, exp_key, run_key, stable_id, time_ordered_id, utc_from_ns

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
INT64 = st.integers(-(2**63), 2**63 - 1)
PART = st.one_of(st.none(), TEXT, INT64, st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=9))])
TIME = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2200, 1, 1), timezones=ZONES)
Rows = list[tuple[int, str]]


Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def sql() -> Iterator[Sql]:
    """Runs a statement where the macros are; no connection: hypothesis would keep its type past DuckDB's end."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'; CREATE SCHEMA ops")
        con.execute(STABLE_ID_MACROS)
        yield lambda statement, parameters=(): con.execute(statement, parameters).fetchall()


def test_an_id_is_the_first_52_bits_of_the_hash_of_its_parts() -> None:
    # By coreutils: printf 'lab\x1f\x1f3' | sha256sum | cut -c1-13
    assert stable_id("lab", None, 3) == 0x58E3D3DD48026
    # … 'alems-store\x1flab-laptop-a\x1f1\x1f1769000100000000000', and with the creation's Unix second in its place
    assert run_key("alems-store", "lab-laptop-a", "1", 1769000100000000000) == 0xAB5C0668D024D
    created = dt.datetime(2026, 11, 20, 18, 55, 18, tzinfo=dt.UTC)
    assert exp_key("alems-store", "lab-laptop-a", "1", created) == 0x77E8650B25ADE


@settings(deadline=None)  # a busy machine is no failure
@given(parts=st.lists(PART, min_size=1, max_size=5))
def test_sql_gives_the_same_stable_id(sql: Sql, parts: list[str | int | float | bool | None]) -> None:
    listed = ", ".join("coalesce(?::VARCHAR, '')" for _ in parts)
    assert sql(f"SELECT ops.stable_id(concat_ws(chr(31), {listed}))", parts) == [(stable_id(*parts),)]


@settings(deadline=None)  # a busy machine is no failure
@given(time=TIME)
def test_a_time_is_its_utc_second_in_both(sql: Sql, time: dt.datetime) -> None:
    by_sql = sql("SELECT ops.stable_id(concat_ws(chr(31), 'x', epoch_us(?::TIMESTAMPTZ) // 1000000))", [time])
    assert by_sql == [(stable_id("x", time),)]


@settings(deadline=None)  # a busy machine is no failure
@given(parts=st.lists(TEXT, min_size=1, max_size=4))
def test_an_id_is_exact_in_json_and_in_float64(parts: list[str]) -> None:
    assert 0 <= stable_id(*parts) < 2**52
    assert int(float(stable_id(*parts))) == stable_id(*parts)


@settings(deadline=None)  # a busy machine is no failure
@given(key=st.integers(0, 2**52 - 1), seconds=st.integers(-(2**33), 2**33))
def test_sql_gives_the_same_time_ordered_id(sql: Sql, key: int, seconds: int) -> None:
    by_sql = sql("SELECT ops.time_ordered_id(?::BIGINT, ?::BIGINT)", [key, seconds])
    assert by_sql == [(time_ordered_id(key, seconds),)]


def test_an_unknown_time_is_second_0(sql: Sql) -> None:
    assert sql("SELECT ops.time_ordered_id(5000000, NULL)") == [(5_000_000 % 2**22,)]


@settings(deadline=None)  # a busy machine is no failure
@given(a=st.tuples(INT64.filter(lambda k: k >= 0), st.integers(1_577_836_800, 2**33)), key=st.integers(0, 2**52))
def test_a_later_second_has_the_greater_id(a: tuple[int, int], key: int) -> None:
    assert time_ordered_id(a[0], a[1]) < time_ordered_id(key, a[1] + 1)


@settings(deadline=None)  # a busy machine is no failure
@given(ns=st.integers(0, 2**62))
def test_ns_become_a_utc_time_to_the_microsecond(ns: int) -> None:
    time = utc_from_ns(ns)
    assert time.tzinfo == dt.UTC
    since = time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert since == dt.timedelta(microseconds=ns // 1000)


# Collisions


def walk(rows: Rows) -> dict[str, int]:
    """The rule in plain Python: in order, a row takes its own id, or the next after the row before it."""
    given_ids: dict[str, int] = {}
    last = -1
    for base, key in sorted(rows, key=lambda row: (row[0], row[1].encode())):
        last = max(base, last + 1)
        given_ids[key] = last
    return given_ids


def spread(rows: Rows) -> dict[str, int]:
    """The ids that runs get whose own ids would be `base`: time above, key below."""
    frame = pl.DataFrame(
        {
            "run_key": [base % IDS_PER_SECOND for base, _ in rows],
            "start_time_ns": [(base // IDS_PER_SECOND + TIME_ORIGIN_S) * 10**9 for base, _ in rows],
            "source_system": [""] * len(rows),
            "host": [""] * len(rows),
            "source_run_id": [key for _, key in rows],
        },
        schema_overrides={"run_key": pl.Int64, "start_time_ns": pl.Int64, "source_run_id": pl.String},
    )
    return dict(number_runs(frame).select("source_run_id", "run_id").iter_rows())


NUMBERED = st.dictionaries(
    TEXT.filter(lambda text: "\0" not in text), st.integers(0, 12) | st.integers(0, 2**52), max_size=40
).map(lambda rows: [(base, key) for key, base in rows.items()])


@settings(deadline=None)  # a busy machine is no failure
@given(rows=NUMBERED, shuffled=st.randoms(use_true_random=False))
def test_the_window_equals_the_walk_in_any_order(rows: Rows, shuffled: random.Random) -> None:
    expected = walk(rows)
    shuffled.shuffle(rows)
    found = spread(rows)
    assert found == expected
    assert len(set(found.values())) == len(rows), "no two rows share an id"
    assert all(found[key] >= base for base, key in rows)


def test_worked_collisions() -> None:
    rows = [(10, "b"), (10, "a"), (10, "c"), (11, "d"), (12, "e"), (20, "f"), (20, "g")]
    assert spread(rows) == {"a": 10, "b": 11, "c": 12, "d": 13, "e": 14, "f": 20, "g": 21}
