"""Queries that are none: refused in under a second, with the token and its place, and nothing is touched."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alems_pipeline.conditions import QueryFormatError, explain, select_runs, select_values
from alems_pipeline.conditions.compiler import ConditionType, compile_query
from tests.condition_stores import write_store

TYPES = {"a": "int", "b": "float", "s": "string", "t": "time"}
KNOWN = {name: ConditionType(number, name, kind) for number, (name, kind) in enumerate(TYPES.items())}
ALIASES = {
    "big": "a > 1",
    "itself": "a > 1 or @itself",
    "ping": "@pong",
    "pong": "not @ping",
    "broken": "a > ;",
    "empty": "  ",
    **{f"laugh{n}": " or ".join([f"@laugh{n - 1}"] * 10) for n in range(1, 12)},
    "laugh0": "a > 1 or b > 1",
}

# query, the token that the error names, its place from 0
NAMED = [
    ("a > zz", "zz", 4),
    ("  a >\n zz", "zz", 7),
    ("s == 'käse' and zz", "zz", 16),
    ("run > 1", "run", 0),
    ("a > True", "True", 4),
    ("a == None", "None", 5),
    ("False", "False", 0),
    ("a is 1", "is", 2),
    ("a if b else s", "if", 2),
    ("a > 1; drop", ";", 5),
    ("a > 1 -- comment", "comment", 9),
    ("a > 1 /* x */", "*", 7),
    ("a = 1", "=", 2),
    ("a > 1 #", "#", 6),
    ("a ? 1", "?", 2),
    ("a && b", "&", 3),
    ("!a", "!", 0),
    ("`a`", "`", 0),
    ("a > $p0", "$", 4),
    ("a[0:1]", ":", 3),
    ("{a}", "{", 0),
    ("a @ b", "@", 2),
    ("a > 'x", "'", 4),
    ("(a", "(", 0),
    ("a)", ")", 1),
    ("a >", ">", 3),
    ("a b", "b", 2),
    ("a > 1_000", "_000", 5),
    ("a > 0o17", "o17", 5),
    ("a > 10j", "j", 6),
    ("a == 5L", "L", 6),
    ("s == '''x'''", "'''", 5),
    # calls, attributes, subscripts
    ("__import__('os').system('true')", "__import__", 0),
    ("().__class__.__bases__", "__class__", 3),
    ("a.__class__", "__class__", 2),
    ("a__b > 1", "a__b", 0),
    ("@__big", "@__big", 0),
    ("open('/etc/passwd')", "open", 0),
    ("eval('1')", "eval", 0),
    ("s.upper() == 'A'", "s.upper", 0),
    ("s.startswith", "s.startswith", 0),
    ("s.startswith('a', 1)", "s.startswith", 0),
    ("s.startswith(*s)", "*s", 13),
    ("s.startswith(prefix='a')", "=", 19),
    ("s.startswith()", "s.startswith", 0),
    ("(s).startswith.real", "(s).startswith.real", 0),
    ("a.real", "a.real", 0),
    # Python beyond expressions
    ("(lambda: 1)()", "lambda", 1),
    ("[x for x in s]", "for", 3),
    ("a in (x for x in s)", "for", 8),
    ("(a := 1)", ":", 3),
    ("f'{a}' == '1'", "f'", 0),
    ('F"{a}"', 'F"', 0),
    ("rf'{a}'", "rf'", 0),
    ("s == b'x'", "b'", 5),
    ("await a", "await", 0),
    ("yield a", "yield", 0),
    ("import os", "import", 0),
    ("a, b", "a, b", 0),
    ("[1, 2]", "[1, 2]", 0),
    ("*s", "*", 0),
    ("a in [*s]", "*s", 6),
    ("...", "...", 0),
    # other letters that look like these
    ("а > 1", "а", 0),  # cyrillic
    ("ａ > 1", "ａ", 0),  # full width: Python would read it as a
    ("ﬁ > 1", "ﬁ", 0),
    ("a > １", "１", 4),
    ("a ＞ 1", "＞", 2),
    ("s == ‘x’", "‘", 5),
    ("a\u00a0> 1", "\u00a0", 1),
    ("a\u200b > 1", "\u200b", 1),
    ("a\u2028> 1", "\u2028", 1),
    # no text at all
    ("a\0", "\0", 1),
    ("s == 'x\0'", "'x\0'", 5),
    (r"s == '\x00'", r"'\x00'", 5),
    (r"s == '\ud800'", r"'\ud800'", 5),
    ("s == '\ud800'", "'\ud800'", 5),
    # numbers without end
    ("1**10**10", "1**10**10", 0),
    ("a > 9**9**9**9", "9**9**9", 7),
    ("a ** 1000 > 1", "a ** 1000", 0),
    ("1 << 10000000000", "1 << 10000000000", 0),
    ("a > 1e999", "1e999", 4),
    ("a > 10 ** 50", "10 ** 50", 4),
    ("a > 2.0 ** 1024.0", "2.0 ** 1024.0", 4),
    ("a > (-8) ** 0.5", "(-8) ** 0.5", 4),
    ("a > 170141183460469231731687303715884105728", "170141183460469231731687303715884105728", 4),
    ("a / 0 > 1", "a / 0", 0),
    ("1 // 0", "1 // 0", 0),
    # operations that the types do not have
    ("a > 'x'", "a > 'x'", 0),
    ("s < 1", "s < 1", 0),
    ("t > 5", "t > 5", 0),
    ("t > '0001-01-01T00:00:00+14:00'", "t > '0001-01-01T00:00:00+14:00'", 0),
    ("t > 'tomorrow'", "t > 'tomorrow'", 0),
    ("t - t", "t - t", 0),
    ("s * 1000000000", "s * 1000000000", 0),
    ("'x' * 1000000000", "'x' * 1000000000", 0),
    ("'%1000000000d' % a", "'%1000000000d' % a", 0),
    ("s - 'a'", "s - 'a'", 0),
    ("b & 1", "b & 1", 0),
    ("~b", "~b", 0),
    ("~1.5", "~1.5", 0),
    ("-s", "-s", 0),
    ("a in 5", "a in 5", 0),
    ("5 in s", "5 in s", 0),
    ("t in s", "t in s", 0),
    ("s[b]", "s[b]", 0),
    ("s['x']", "s['x']", 0),
    ("a[0]", "a[0]", 0),
    ("a.startswith('1')", "a.startswith('1')", 0),
    # aliases
    ("@nobody", "@nobody", 0),
    ("@empty", "@empty", 0),
    ("@itself", "@itself", 9),
    ("@ping", "@ping", 4),
    ("@broken", ";", 4),
    ("a@big", "@big", 2),
    ("@big @big", "@big", 6),
    ("@big.real", "@big.real", 0),
    ("@big > 'x'", "@big > 'x'", 0),
]

LARGE = {
    "10,000 comparisons": " or ".join(["a > 1"] * 10_000),
    "10,000 terms in a sum": "+".join(["a"] * 10_000) + " > 1",
    "312 terms that are long in SQL": " or ".join(["(a**120//a//a//a//a)>1"] * 312),
    "5,000 terms in a sum": "+".join(["a"] * 2_000) + " > 1",
    "a list of 100,000": f"a in [{','.join(map(str, range(100_000)))}]",
    "10,000 brackets": "(" * 10_000 + "a" + ")" * 10_000,
    "60 brackets": "(" * 60 + "a" + ")" * 60,
    "60 lists": "a in " + "[" * 60 + "a" + "]" * 60,
    "4,000 nots": "not " * 4_000 + "a",
    "4,000 signs": "-" * 4_000 + "a > 1",
    "2,000 indices": "s" + "[0]" * 1_500,
    "1,000 calls": "s" + ".startswith(s)" * 700,
    "a long literal": f"s == '{'x' * 100_000}'",
    "a literal of 5,000 digits": f"a > {'9' * 5_000}",
    "a literal of 40,000 hexadecimal digits": f"a > 0x{'f' * 40_000}",
    "powers of powers": "((((a ** 99) ** 99) ** 99) ** 99) > 1",
    "remainders of remainders": "b" + " % b" * 40 + " > 1",
    "quotients in quotients": "b" + " // (b" * 20 + ")" * 20 + " > 1",
    "choices of choices": " + ".join(["(a or b)"] * 40) + " > 1",
    "choices in choices": "(" * 30 + "a" + " or b) + (a or b)" * 30 + " > 1",
    "comparisons of comparisons": "(" * 40 + "a > b" + ") > (a > b)" * 40,
    "aliases of aliases": "@laugh11",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = {1: {"a": 1, "b": 0.5, "s": "x"}, 2: {"a": 2}, 3: {}}
    return write_store(tmp_path_factory.mktemp("hostile") / "store.duckdb", TYPES, runs, ALIASES)


@pytest.mark.parametrize(("query", "token", "position"), NAMED, ids=lambda value: ascii(value)[:40])
@pytest.mark.parametrize("all_present", [True, False])
def test_the_error_names_the_token_and_its_place(query: str, token: str, position: int, all_present: bool) -> None:
    with pytest.raises(QueryFormatError) as caught:
        compile_query(query, KNOWN, ALIASES, all_present=all_present)
    assert (caught.value.token, caught.value.position) == (token, position)
    assert f"character {position + 1}" in str(caught.value)


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("all_present", [True, False])
def test_what_is_too_large_is_refused_soon(name: str, all_present: bool) -> None:
    start = time.process_time()
    with pytest.raises(QueryFormatError) as caught:
        compile_query(LARGE[name], KNOWN, ALIASES, all_present=all_present)
    assert time.process_time() - start < 1
    assert len(str(caught.value)) < 300


def test_a_chain_of_terms_that_may_each_drop_a_run_is_shorter() -> None:
    query = " or ".join(["b > 1"] * 500)
    assert compile_query(query, KNOWN, ALIASES, all_present=True).joins == {"b": "c0"}
    with pytest.raises(QueryFormatError, match="nested too deeply"):
        compile_query(query, KNOWN, ALIASES, all_present=False)


def test_an_error_within_an_alias_names_the_alias() -> None:
    with pytest.raises(QueryFormatError, match=r"^alias @broken, character 5, ';'"):
        compile_query("a > 1 and @broken", KNOWN, ALIASES, all_present=True)


def test_large_but_honest_queries_work(path: Path) -> None:
    for query in (
        f"a in [{', '.join(map(str, range(2_000)))}]",
        " or ".join(f"a == {n}" for n in range(500)),
        " or ".join(f"b > {n}" for n in range(100)),
        "a" + " + 1" * 80 + " > 1",
        "(" * 45 + "a > 0" + ")" * 45,
        "not " * 60 + "a",
        "(b > 1 or " * 30 + "a" + ")" * 30,
        "(a % 3 + a // 3) % 2 == 1",
    ):
        start = time.process_time()
        assert select_runs(query, warehouse=path).numbers, query[:40]
        assert select_values([], query, warehouse=path), query[:40]
        assert time.process_time() - start < 2, query[:40]


SQL = [
    "x' OR '1'='1",
    "x'; DROP TABLE rcdb.runs; --",
    "'; ATTACH '/tmp/evil.duckdb' AS evil; --",
    "$p0",
    "?",
    '" OR 1=1 --',
    "\\",
    "%",
    "{schema}",
]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_string_is_a_string(path: Path, text: str) -> None:
    literal = repr(text)
    assert select_runs(f"s == {literal}", warehouse=path).numbers == []
    assert select_runs(f"s != {literal}", warehouse=path).numbers == [1]
    assert select_values(["s"], f"s in [{literal}, 'x']", warehouse=path) == [[1, "x"]]
    statement = explain(f"{literal} in s and s != {literal}", warehouse=path)
    assert text in statement.parameters.values()
    assert literal not in statement.sql


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text("ab()[]'\"<>=!&|^~+-*/%@.,; \n0x1\\", max_size=60))
@example("a in\n[1]")
@example("a\r> 1")
def test_any_text_is_a_query_or_an_error(text: str) -> None:
    try:
        predicate = compile_query(text, KNOWN, ALIASES, all_present=False)
    except QueryFormatError as error:
        assert 0 <= error.position <= len(text)
        assert error.token
    else:
        assert set(predicate.sql) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.,:()<>=+-*/%&|~' "
        )


def test_the_sql_holds_nothing_of_the_query(path: Path) -> None:
    """Two stores with other names and values: the same SQL to the letter."""
    statement = explain(
        "first > 12345 and second == 'secret' or not first % 77", warehouse=_renamed(path.parent, "first", "second")
    )
    other = explain("third > 9 and fourth == 'y' or not third % 5", warehouse=_renamed(path.parent, "third", "fourth"))
    assert statement.sql == other.sql
    assert list(statement.parameters.values()) != list(other.parameters.values())
    for text in ("first", "second", "secret", "12345", "77"):
        assert text not in statement.sql


def _renamed(folder: Path, first: str, second: str) -> Path:
    return write_store(folder / f"{first}.duckdb", {first: "int", second: "string"}, {})


@pytest.mark.parametrize(
    "call", [lambda q, p: select_runs(q, warehouse=p), lambda q, p: select_values(["a"], q, warehouse=p)]
)
def test_nothing_is_touched(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[str, Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    environment = dict(os.environ)
    for query in [*(query for query, _, _ in NAMED[::4]), "__import__('os').mkdir('made')", "open('made', 'w')"]:
        with pytest.raises(QueryFormatError):
            call(query, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert list(tmp_path.iterdir()) == []
    assert sorted(file.name for file in path.parent.glob("store*")) == ["store.duckdb"]
    assert dict(os.environ) == environment
