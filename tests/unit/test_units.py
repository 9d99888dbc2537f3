"""Columns that sql/ gives in another unit turn back into what they were made from, whatever a counter said."""

import re
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alems_pipeline import sql_files

PER = {("uj", "j"): 10**6, ("ns", "ms"): 10**6, ("ns", "s"): 10**9, ("ns", "sec"): 10**9}
"""How many of the small unit are one of the large one."""

CONVERTED = re.compile(
    r"^\s*(?:\w+\.)?\w+_(?P<small>uj|ns) / (?P<per>[\d.e]+) AS \w+_(?P<large>[a-z]+)\b", re.MULTILINE
)
CONVERSIONS = sorted(
    {
        (found["small"], found["per"], found["large"])
        for layer in ("day", "core", "marts", "views")
        for file in sql_files.layer_files(layer)
        for found in CONVERTED.finditer(file.text)
    }
)


def test_the_conversions_of_sql_are_found() -> None:
    assert {(small, large) for small, _, large in CONVERSIONS} >= {("uj", "j"), ("ns", "ms")}


@pytest.mark.parametrize(("small", "per", "large"), CONVERSIONS)
def test_a_factor_is_the_one_of_its_units(small: str, per: str, large: str) -> None:
    assert Fraction(per) == PER[small, large]


# Two roundings of a double stay below a half up to 2^50: 1.1 GJ, or 13 days in ns.
@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=200))
def test_a_value_turns_back_into_itself(values: list[int]) -> None:
    with duckdb.connect() as con:
        for _, per, _ in CONVERSIONS:
            [(back,)] = con.execute(
                f"SELECT list_transform(?::BIGINT[], lambda x: round(x / {per} * {per})::BIGINT)", [values]
            ).fetchall()
            assert back == values
