"""Queries beside the real rcdb package: one store that it wrote, the same queries through both, equal answers.

Where the answers differ on purpose, the query stands in DELIBERATE_DIFFERENCES with the reason, and the reason in
docs/conditions.md.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from alems_pipeline.conditions import QueryFormatError, get_run, select_runs, select_values
from alems_pipeline.warehouse import Warehouse
from collectors.sources.rcdb_store import import_store
from tests.warehouses import materialize

rcdb_provider = pytest.importorskip("rcdb.provider", reason="the real rcdb package is not installed (test extra)")
rcdb_alias = pytest.importorskip("rcdb.alias")
rcdb_lexer = pytest.importorskip("rcdb.lexer")
rcdb_model = pytest.importorskip("rcdb.model")
sqlalchemy = pytest.importorskip("sqlalchemy")
rcdb_errors = pytest.importorskip("rcdb.errors")

N_RUNS = 75
DOCS = Path(__file__).parents[2] / "docs/conditions.md"

TYPES = {
    "event_count": "int",
    "status": "int",
    "run_type": "string",
    "run_config": "string",
    "target_type": "string",
    "daq_run": "string",
    "collimator_diameter": "string",
    "beam_current": "float",
    "polarization_angle": "float",
    "solenoid_current": "float",
    "is_valid_run_end": "bool",
    "radiator_in": "bool",
    "run_start": "time",
    "run_stop": "time",
    "rtvs": "json",
    "notes": "blob",
    "comment": "string",
}

# The same answer from both functions of both programs.
EQUAL = [
    # comparisons of every type
    "event_count > 500000",
    "event_count >= 500000",
    "event_count < 1000",
    "event_count <= 0",
    "event_count == 0",
    "event_count != 0",
    "500000 < event_count",
    "status == -1",
    "status != 2",
    "status > 0x1",
    "status == 0b11",
    "beam_current > 2",
    "beam_current > 2.5",
    "beam_current == 0.0",
    "beam_current <= 1.5e2",
    "polarization_angle < 0.",
    "polarization_angle >= .5",
    "beam_current == solenoid_current",
    "event_count > beam_current",
    "status == event_count",
    "run_type == 'hd_all.tsg'",
    'run_type == "hd_all.tsg"',
    "run_type != 'hd_all.tsg'",
    "run_type < 'i'",
    "run_type >= target_type",
    "run_config == 'it\\'s \"odd\"'",
    "run_config == 'käse'",
    "run_config > 'k'",
    "notes == ''",
    "is_valid_run_end",
    "not is_valid_run_end",
    "is_valid_run_end == 1",
    "is_valid_run_end != 0",
    "is_valid_run_end == radiator_in",
    "is_valid_run_end > radiator_in",
    "is_valid_run_end and radiator_in",
    "run_stop > run_start",
    "run_start == run_stop",
    "run_start != run_stop",
    "run_start",
    "not run_start",
    "rtvs != ''",
    # chains
    "0 < event_count < 1000000",
    "0 <= status <= 2",
    "1 < beam_current <= 100 != event_count",
    "status < event_count < 10 ** 9",
    "'A' < target_type < 'F' < run_type",
    "0 == status == 0",
    # in, not in
    "status in [0, 1, 2]",
    "status in (1, 2, 3)",
    "status not in [0, 1]",
    "status in []",
    "status not in ()",
    "status in [1.0, 2.5, 'x']",
    "status in [event_count, 1, 3]",
    "run_type in ['hd_all.tsg', 'hd_all.tsg_ps']",
    "run_type not in ['hd_all.tsg', 'cosmic']",
    "run_type in (target_type, 'cosmic')",
    "beam_current in [0, 1, 150.25]",
    "is_valid_run_end in [1]",
    "'cosmic' in run_config",
    "'cosmic' not in run_config",
    "'' in run_config",
    "run_type in 'hd_all.tsg and cosmic'",
    "target_type in run_config",
    "'\"a\"' in rtvs",
    "'cosmic' not in notes",
    # truth of values, and, or, not
    "event_count",
    "not event_count",
    "beam_current",
    "not beam_current",
    "run_config",
    "not run_config",
    "event_count and beam_current",
    "event_count or beam_current",
    "not (event_count and beam_current)",
    "event_count > 1000 and beam_current > 2",
    "event_count > 1000 or beam_current > 2",
    "beam_current > 2 or event_count > 1000",
    "not event_count > 1000",
    "not (event_count > 1000 or beam_current > 2)",
    "not (event_count > 1000 and beam_current > 2)",
    "not not is_valid_run_end",
    "event_count == 0 or beam_current > 2",
    "event_count != 0 and beam_current > 2",
    "status == 1 or status == 2 or status == 3",
    "status == 1 and run_type == 'cosmic' or is_valid_run_end",
    "status == 1 and (run_type == 'cosmic' or is_valid_run_end)",
    "(event_count > 1000) == (beam_current > 2)",
    "(status > 1) + (beam_current > 2) >= 1",
    "(event_count or status) > 1",
    "(status and beam_current) > 2",
    "(run_config or run_type) == 'cosmic'",
    "(event_count or run_type) == 'cosmic'",
    "(event_count or 7) == 7",
    "(not status) + 1 == 2",
    # arithmetic
    "event_count + 1 > 1",
    "event_count - status > 1000",
    "event_count * 2 > 1000000",
    "event_count * event_count * event_count > 10 ** 18",
    "event_count / 2 > 250000",
    "event_count // 7 == -1",
    "event_count % 7 == 3",
    "event_count % -7 == -4",
    "status // 2 == -1",
    "status % 3 == 2",
    "status ** 2 == 4",
    "status ** 3 < 0",
    "2 ** status == 4",
    "status ** 0 == 1",
    "-status > 0",
    "+status > 0",
    "- - status == 2",
    "~status == 0",
    "status & 1",
    "status & 1 == 1",
    "status | 4 == 6",
    "status ^ 1 == 3",
    "1 << (status & 3) == 4",
    "event_count >> 3 == 0",
    "event_count << 2 > 1000000",
    "beam_current + polarization_angle > 100",
    "beam_current - 0.5 > 100",
    "beam_current * 2 - solenoid_current < 0",
    "polarization_angle // 45 == 1.0",
    "polarization_angle % 45 == 0",
    "polarization_angle // -7.5 < 0",
    "polarization_angle % -7.5 < -1",
    "(polarization_angle + 360) % 90 > 45.5",
    "solenoid_current ** 2 > 1000000",
    "solenoid_current ** 0.5 > 30",
    "is_valid_run_end + radiator_in == 1",
    "is_valid_run_end * 10 > 5",
    "radiator_in & is_valid_run_end",
    "run_type + '/' + target_type == 'cosmic/EMPTY & Ready'",
    "1 + 2 * 3 - status == 5",
    "(1 + 2) * 3 - status == 7",
    "2 ** 3 ** 2 + status > 512",
    "-2 ** 2 + status == -2",
    # indexing and startswith
    "rtvs[0] == '{'",
    "rtvs[-1] == '}'",
    "rtvs[1 + 1] == 'a'",
    "target_type[-1] == 'y'",
    "target_type[0] in 'EF'",
    "'abc'[status & 1] == 'b'",
    # blanks, brackets, odd spelling
    "  event_count   >\n 1000 \r and\n status",
    "event_count>1000 and(status==1)or not(beam_current>2)",
    "((((status)))) == ((1))",
    "run_type in['cosmic','x']",
    "status == 1 and 'a' 'b' == 'ab'",
    "status == 1.",
    "status == 1e0",
    # aliases
    "@is_cosmic",
    "not @is_cosmic",
    "@status_approved or @status_approved_long",
    "@is_field_on and @is_coherent_beam",
    "@is_dirc_production",
    "not@status_reject",
]

EQUAL_RUNS = [
    "run_type.startswith('hd')",
    "not run_type.startswith('hd_all.tsg_')",
    "run_type.startswith('')",
    "run_type.startswith(target_type)",
    "rtvs.startswith('{\"a\": [')",
    "run_config.startswith('co' + 'smic') or status == 1",
    "run_type.startswith(target_type[0] or 'x')",
]

# Runs that lack a condition: only select_values has them, select_runs joins them away.
EQUAL_VALUES = [
    "1 == 1",
    "2 > 3",
    "",
    "event_count != 2 or run_type == 'cosmic'",
    "run_type == 'cosmic' or event_count > 2",
    "event_count > 2 or run_type == 'cosmic'",
    "not (run_type == 'cosmic' or event_count > 2)",
    "event_count == beam_current",
    "run_type == target_type",
    "run_type == event_count",
    "event_count in [beam_current]",
    "run_type in [target_type, event_count + 1]",
    "event_count + beam_current == 3 or status == 1",
    "status == 1 or event_count + beam_current == 3",
    "(event_count > 5) == (beam_current > 2) or status == 1",
    "status != 1 and -event_count < 0",
    "not event_count or not beam_current",
    "(event_count or beam_current) == run_config",
    "(event_count or 0) > 1",
    "(event_count and 1) != 1",
    "status > 1 > event_count",
    "target_type[0] == 'E' or status == 1",
    "'x' in run_config or status == 1",
]

# Refused by both, each with its own QueryFormatError.
REFUSED = [
    "no_such_condition > 1",
    "event_count > True",
    "event_count == None",
    "run > 5",
    "__import__('os')",
    "event_count.__class__",
    "event_count > 1; status",
    "event_count is status",
    "event_count if status else 1",
    "lambda: 1",
    "[x for x in run_type]",
    "len(run_type) > 1",
    "run_type.upper() == 'A'",
    "print(status)",
    "event_count > 1_000",
    "@no_such_alias",
    "status == 5j",
    "f'{status}' == '1'",
]

NO_RESULT = "An operation without a result drops the run; rcdb gives up the whole query (QueryEvaluationError)."
NO_START = "startswith on a missing condition drops the run like any other operation; rcdb gives up the whole query."
TYPES_KNOWN = "Operations that the types do not have are refused at once; rcdb fails at the first run that gets there."
TIMES = "A string compared with a time is read as a time, in UTC unless it names a zone; rcdb compares texts, or fails."
NO_SPANS = "There is no arithmetic on times; in rcdb the difference of two can be compared with that of two others."
WHOLE_NAMES = "Aliases are whole names outside string literals; rcdb replaces the text wherever it stands."
DUNDER_TEXT = "Two underscores are refused in names, not in string literals."
NO_NAMES = "A query without a condition selects all runs or none; rcdb's select_runs returns None."
GRAMMAR = (
    "Not in the grammar, so refused: slices, a list anywhere but right of in, 0o17, triple quotes, a string times a "
    "number, the formatting of strings by %, a tuple in startswith."
)
SYNTAX = "A syntax error is a QueryFormatError; rcdb lets Python's SyntaxError through, or skips the character."
NO_VALUE = "A condition that stands there without a value counts as missing; rcdb's select_runs fails on it."
TOO_LONG = "Integers have up to 38 digits: beyond, the run is dropped, or a literal refused; rcdb's have no end."
CALLS = "math is not a name; rcdb lets it through and then fails."

RUNS, VALUES, BOTH = ("select_runs",), ("select_values",), ("select_runs", "select_values")
FAILS = rcdb_errors.QueryEvaluationError
REFUSES = rcdb_errors.QueryFormatError


@dataclass(frozen=True)
class Difference:
    """A query that the two answer differently, why, in which functions, and what each does: None is an answer."""

    query: str
    reason: str
    where: tuple[str, ...] = BOTH
    ours: type[Exception] | None = None
    theirs: type[Exception] | None = None


DELIBERATE_DIFFERENCES = [
    Difference("event_count / status > 5", NO_RESULT, theirs=FAILS),
    Difference("event_count // status > 5", NO_RESULT, theirs=FAILS),
    Difference("event_count % status == 0", NO_RESULT, theirs=FAILS),
    Difference("beam_current % polarization_angle > 1", NO_RESULT, theirs=FAILS),
    Difference("status ** -1 > 0", NO_RESULT, theirs=FAILS),
    Difference("polarization_angle ** 0.5 > 1", NO_RESULT, theirs=FAILS),
    Difference("1 << status > 1", NO_RESULT, theirs=FAILS),
    Difference("run_config[0] == 'c'", NO_RESULT, theirs=FAILS),
    Difference("run_type[20] == 'x'", NO_RESULT, theirs=FAILS),
    Difference("run_type.startswith('hd')", NO_START, VALUES, theirs=FAILS),
    Difference("not run_type.startswith('hd')", NO_START, VALUES, theirs=FAILS),
    Difference("event_count > 'x'", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("run_type + 1 == 2", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("run_type in 5", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("5 in run_type", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("beam_current & 1", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("status == 1 or event_count < run_type", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("event_count / 0 > 1", TYPES_KNOWN, ours=QueryFormatError, theirs=FAILS),
    Difference("run_start > '2024-02-01'", TIMES, RUNS, theirs=FAILS),
    Difference("run_start > '2024-02-01'", TIMES, VALUES),
    Difference("run_start == '2024-02-01'", TIMES),
    Difference("run_start in ['2024-02-01T01:00:00+01:00']", TIMES),
    Difference("run_start.startswith('2024')", TIMES, ours=QueryFormatError, theirs=FAILS),
    Difference("run_stop - run_start >= run_stop - run_start", NO_SPANS, RUNS, ours=QueryFormatError),
    Difference("run_stop - run_start >= run_stop - run_start", NO_SPANS, VALUES, ours=QueryFormatError, theirs=FAILS),
    Difference("notes == '@is_cosmic'", WHOLE_NAMES),
    Difference("@approved_long", WHOLE_NAMES, theirs=REFUSES),
    Difference("notes == 'a__b'", DUNDER_TEXT, theirs=REFUSES),
    Difference("1 == 1", NO_NAMES, RUNS),
    Difference("run_type[0:2] == 'hd'", GRAMMAR, RUNS, ours=QueryFormatError),
    Difference("status == [1, 2][0]", GRAMMAR, ours=QueryFormatError),
    Difference("status == 0o1", GRAMMAR, ours=QueryFormatError),
    Difference("run_type == '''cosmic'''", GRAMMAR, ours=QueryFormatError),
    Difference("run_type * 2 == 'cosmiccosmic'", GRAMMAR, RUNS, ours=QueryFormatError),
    Difference("'%d' % status == '1'", GRAMMAR, RUNS, ours=QueryFormatError),
    Difference("run_type.startswith(('hd', 'cos'))", GRAMMAR, RUNS, ours=QueryFormatError),
    Difference("status ==", SYNTAX, ours=QueryFormatError, theirs=SyntaxError),
    Difference("status <> 1", SYNTAX, ours=QueryFormatError, theirs=SyntaxError),
    Difference("status == 1 #", SYNTAX, ours=QueryFormatError),
    Difference("comment > 'A'", NO_VALUE, RUNS, theirs=FAILS),
    Difference("event_count ** 20 > 1", TOO_LONG),
    Difference("status < 10 ** 40", TOO_LONG, ours=QueryFormatError),
    Difference("math == status", CALLS, ours=QueryFormatError, theirs=FAILS),
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A store that the real package wrote: every type, missing values, and its own aliases."""
    store = tmp_path_factory.mktemp("rcdb") / "store.sqlite"
    db = rcdb_provider.RCDBProvider(f"sqlite:///{store}", check_version=False)
    rcdb_provider.destroy_all_create_schema(db)
    db.session.execute(sqlalchemy.text("PRAGMA synchronous = OFF"))
    # The package makes its lexer anew for every query, which takes longer than the query.
    made_anew = rcdb_lexer.get_lexer
    rcdb_lexer.get_lexer = lambda made=rcdb_lexer.ply.lex.lex(module=rcdb_lexer): rcdb_lexer._IndentParser(made.clone())
    for name, value_type in TYPES.items():
        db.create_condition_type(name, value_type, f"what {name} means")
    chance = random.Random(20240101)
    for number in range(1, N_RUNS + 1):
        db.create_run(number * 10)
        values = {name: value for name, value in run_values(chance).items() if chance.random() < 0.8}
        db.add_conditions(number * 10, values)
    db.add_condition(10, "comment", None)
    db.add_condition(20, "comment", "B")
    db.aliases = [
        *rcdb_alias.default_aliases,
        rcdb_alias.ConditionSearchAlias("approved", "status == 1", ""),
        rcdb_alias.ConditionSearchAlias("approved_long", "status == 2", ""),
    ]
    # The package has its aliases in its code, and a table for others.
    for alias in db.aliases:
        db.session.add(rcdb_model.Alias(name=alias.name, code=alias.expression, description=alias.comment))
    db.session.commit()
    yield db
    db.close()
    rcdb_lexer.get_lexer = made_anew


def run_values(chance: random.Random) -> dict[str, Any]:
    start = datetime(2024, 1, 25) + timedelta(days=chance.randrange(20))
    return {
        "event_count": chance.choice([0, 1, 2, -4, 999, 1000, 500_000, 500_001, 2**31 - 1, chance.randrange(10**8)]),
        "status": chance.choice([-1, 0, 1, 2, 3]),
        "run_type": chance.choice(["hd_all.tsg", "hd_all.tsg_ps", "cosmic", "PHYSICS"]),
        "run_config": chance.choice(["", "cosmic", "all cosmic rays", "käse", 'it\'s "odd"', "hd_all.tsg"]),
        "target_type": chance.choice(["EMPTY & Ready", "FULL & Ready", "cosmic"]),
        "daq_run": chance.choice(["PHYSICS", "PHYSICS_DIRC"]),
        "collimator_diameter": chance.choice(["Blocking", "5.0mm hole"]),
        "beam_current": chance.choice([0.0, 0.5, 2.5, 150.25, chance.uniform(0, 300)]),
        "polarization_angle": chance.choice([-1.0, 0.0, 45.0, 90.0, -0.25, chance.uniform(-1, 180)]),
        "solenoid_current": chance.choice([0.0, 99.9, 1345.0, 150.25]),
        "is_valid_run_end": chance.random() < 0.5,
        "radiator_in": chance.random() < 0.5,
        "run_start": start,
        "run_stop": start + timedelta(seconds=chance.choice([0, 1, 3600.5])),
        "rtvs": chance.choice(['{"a": 1}', '{"a": [1, 2], "b": null}']),
        "notes": chance.choice(["", "@is_cosmic", "a__b", "free text"]),
    }


@pytest.fixture(scope="module")
def copied(provider: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same store, imported and published."""
    home = tmp_path_factory.mktemp("imported")
    import_store(str(provider.engine.url), home / "landing")
    materialize(home)
    con = duckdb.connect(str(Warehouse(home).published_path), read_only=True)
    con.execute("SET TimeZone = 'UTC'")
    yield con
    con.close()


def ours(copied: duckdb.DuckDBPyConnection, function: str, query: str) -> list[int] | type[Exception]:
    """The run numbers of a query, or the class of the error."""
    try:
        if function == "select_runs":
            return select_runs(query, warehouse=copied).numbers
        return [row[0] for row in select_values([], query, warehouse=copied)]
    except Exception as error:
        return type(error)


def theirs(provider: Any, function: str, query: str) -> list[int] | type[Exception] | None:
    """The same by the real package."""
    try:
        if function == "select_runs":
            selection = provider.select_runs(query)
            return None if selection is None else [run.number for run in selection.runs]
        return [row[0] for row in provider.select_values([], query)]
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("query", EQUAL)
def test_equal_answers(copied: duckdb.DuckDBPyConnection, provider: Any, query: str) -> None:
    for function in BOTH:
        answer = theirs(provider, function, query)
        assert isinstance(answer, list), (function, answer)
        assert ours(copied, function, query) == answer, function


@pytest.mark.parametrize("query", EQUAL_RUNS)
def test_equal_answers_of_select_runs(copied: duckdb.DuckDBPyConnection, provider: Any, query: str) -> None:
    answer = theirs(provider, "select_runs", query)
    assert isinstance(answer, list)
    assert ours(copied, "select_runs", query) == answer


@pytest.mark.parametrize("query", EQUAL_VALUES)
def test_equal_answers_of_select_values(copied: duckdb.DuckDBPyConnection, provider: Any, query: str) -> None:
    answer = theirs(provider, "select_values", query)
    assert isinstance(answer, list)
    assert ours(copied, "select_values", query) == answer


def test_the_queries_tell_runs_apart(copied: duckdb.DuckDBPyConnection) -> None:
    counts = [len(select_values([], query, warehouse=copied)) for query in EQUAL]
    assert len(EQUAL) >= 100
    assert sum(0 < count < N_RUNS for count in counts) > 0.95 * len(EQUAL)


@pytest.mark.parametrize("query", REFUSED)
def test_both_refuse(copied: duckdb.DuckDBPyConnection, provider: Any, query: str) -> None:
    for function in BOTH:
        assert ours(copied, function, query) is QueryFormatError
        assert theirs(provider, function, query) is REFUSES


@pytest.mark.parametrize("difference", DELIBERATE_DIFFERENCES, ids=lambda d: f"{d.query} {'+'.join(d.where)}")
def test_deliberate_differences_are_as_listed(
    copied: duckdb.DuckDBPyConnection, provider: Any, difference: Difference
) -> None:
    for function in difference.where:
        our_answer = ours(copied, function, difference.query)
        their_answer = theirs(provider, function, difference.query)
        assert our_answer != their_answer
        assert our_answer is difference.ours if difference.ours else isinstance(our_answer, list), our_answer
        if difference.theirs:
            assert their_answer is difference.theirs
        else:
            assert their_answer is None or isinstance(their_answer, list), their_answer


def test_every_reason_stands_in_the_docs() -> None:
    text = " ".join(DOCS.read_text().split())
    for reason in {difference.reason for difference in DELIBERATE_DIFFERENCES}:
        assert reason in text


def comparable(value: Any) -> Any:
    """rcdb's raw SQL gives bools as 0 and 1, and the times of SQLite as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return int(value) if isinstance(value, bool) else value


@pytest.mark.parametrize("sort_desc", [False, True])
@pytest.mark.parametrize("insert_run_number", [False, True])
def test_equal_values_of_every_type(
    copied: duckdb.DuckDBPyConnection, provider: Any, sort_desc: bool, insert_run_number: bool
) -> None:
    names = [*TYPES, "status"]
    options = {"sort_desc": sort_desc, "insert_run_number": insert_run_number}
    answer = provider.select_values(names, "status > -1", 100, 600, **options)
    rows = select_values(names, "status > -1", 100, 600, warehouse=copied, **options)
    assert 0 < len(rows) < 51
    assert [[comparable(value) for value in row] for row in rows] == answer.rows


def test_equal_ranges_and_lists_of_runs(copied: duckdb.DuckDBPyConnection, provider: Any) -> None:
    for run_min, run_max in [(100, 200), (200, 100), (100, 100), (95, 105), (5000, 6000), (-5, 10)]:
        answer = [run.number for run in provider.select_runs("status > 0", run_min, run_max).runs]
        assert select_runs("status > 0", run_min, run_max, warehouse=copied).numbers == answer
        rows = provider.select_values(["status"], "", run_min, run_max).rows
        assert select_values(["status"], "", run_min, run_max, warehouse=copied) == rows
    runs = [300, 10, 10, 20, 55]
    assert (
        select_values(["status"], "", runs=runs, warehouse=copied) == provider.select_values(["status"], runs=runs).rows
    )


def test_an_empty_list_of_runs_is_no_run_here_and_no_limit_there(
    copied: duckdb.DuckDBPyConnection, provider: Any
) -> None:
    assert select_values(["status"], runs=[], warehouse=copied) == []
    assert len(provider.select_values(["status"], runs=[]).rows) == N_RUNS


@pytest.mark.parametrize("sort_desc", [False, True])
def test_equal_values_of_a_selection(copied: duckdb.DuckDBPyConnection, provider: Any, sort_desc: bool) -> None:
    names = ["run_type", "is_valid_run_end", "event_count", "run_start"]
    answer = provider.select_runs("status >= 0", sort_desc=sort_desc)
    selection = select_runs("status >= 0", sort_desc=sort_desc, warehouse=copied)
    expected = [
        [value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in row]
        for row in answer.get_values(names)
    ]
    assert selection.get_values(names) == expected


def test_equal_conditions_of_one_run(copied: duckdb.DuckDBPyConnection, provider: Any) -> None:
    for number in (30, 40, N_RUNS * 10):
        answer = provider.get_run(number).get_conditions_by_name()
        conditions = get_run(number, warehouse=copied).conditions
        assert {name: comparable(c.value) for name, c in conditions.items()} == {
            name: comparable(c.value.replace(tzinfo=UTC) if isinstance(c.value, datetime) else c.value)
            for name, c in answer.items()
        }
