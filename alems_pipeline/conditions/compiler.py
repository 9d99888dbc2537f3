"""The query compiler: from a syntax tree to one SQL predicate with bound parameters.

Every node that the query language has stands in a `case` below; any other is a QueryFormatError. What the operations
mean, and how a run is dropped, stands in terms.py.
"""

import ast
import difflib
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from alems_pipeline.conditions import terms
from alems_pipeline.conditions.query_text import QueryFormatError, QueryText, is_text, parse
from alems_pipeline.conditions.terms import Kind, Null, Operand, Truth, Undefined

MAX_DEPTH = 100  # of nested expressions, aliases included
MAX_NODES = 10_000  # visited, aliases included: an alias may name others that name others
MAX_SQL = 100_000  # characters of an expression, its two predicates together
TOO_LARGE = "the query is too large; `in [...]` is smaller than many comparisons"
MAX_SQL_NESTING = 300  # brackets; DuckDB gives up at an expression depth of 1000
MAX_CASES = 16  # combinations of what `a or b` as a value may be

VALUE_COLUMNS: Mapping[str, tuple[str, Kind]] = {
    "json": ("text_value", "string"),
    "string": ("text_value", "string"),
    "blob": ("text_value", "string"),
    "float": ("float_value", "float"),
    "int": ("int_value", "int"),
    "bool": ("bool_value", "bool"),
    "time": ("time_value", "time"),
}

_ARITHMETIC: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_ORDER: Mapping[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_SIGNS: Mapping[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}


@dataclass(frozen=True, slots=True)
class ConditionType:
    """A row of rcdb.condition_types."""

    id: int
    name: str
    value_type: str

    @property
    def column(self) -> str:
        """The column of rcdb.conditions that holds its values."""
        return VALUE_COLUMNS[self.value_type][0]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A compiled query: which joins it needs, its SQL, and the values of its parameters."""

    sql: str
    parameters: dict[str, object]
    joins: dict[str, str]  # condition name -> alias of its join


def compile_query(
    query: str, types: Mapping[str, ConditionType], aliases: Mapping[str, str], *, all_present: bool
) -> Predicate:
    """Compile a query over these condition types. Raises QueryFormatError.

    `all_present`: the joins leave only runs that have every condition named; else a condition may be missing.
    """
    if not query.strip():
        return Predicate("TRUE", {}, {})
    return _Compiler(types, aliases, all_present).compile(query)


@dataclass(frozen=True, slots=True)
class _Case:
    """One of the values that an expression may have, and for which runs: `a or b` is a where a is true, else b."""

    when: str
    value: Operand


class _Compiler:
    def __init__(self, types: Mapping[str, ConditionType], aliases: Mapping[str, str], all_present: bool) -> None:
        self._types = types
        self._aliases = aliases
        self._null = Null.NEVER if all_present else Null.NONE
        self._joins: dict[str, str] = {}
        self._parameters: dict[tuple[type, object], str] = {}
        self._texts: list[QueryText] = []  # the query, then the aliases that are being expanded
        self._alias_texts: dict[str, QueryText] = {}
        self._depth = 0
        self._nodes = 0

    def compile(self, query: str) -> Predicate:
        text = parse(query)
        self._texts.append(text)
        sql = self._truth(text.tree).true
        if _nesting(sql) > MAX_SQL_NESTING:
            raise self._error("nested too deeply", text.tree)
        used = set(re.findall(r"\$p\d+", sql))  # a literal that was folded into another is not
        parameters = {name: value for (_, value), name in self._parameters.items() if f"${name}" in used}
        return Predicate(sql, parameters, self._joins)

    # What an expression is to `and`, `or`, `not` and the query as a whole: a truth.

    def _truth(self, node: ast.expr) -> Truth:
        with self._inside(node):
            return self._truth_here(node)

    def _truth_here(self, node: ast.expr) -> Truth:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                truth = terms.conjunction(_bounded(self._truth(value) for value in values))
            case ast.BoolOp(op=ast.Or(), values=values):
                truth = terms.disjunction(_bounded(self._truth(value) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self._truth(operand).negated()
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip(ops, [left, *comparators[:-1]], comparators, strict=True)
                truth = terms.conjunction(_bounded(self._comparison(op, a, b) for op, a, b in pairs))
            case ast.Call():
                truth = self._startswith(node)
            case ast.Name() if alias := self._texts[-1].alias_at(node):
                with self._expanded(alias, node) as tree:
                    truth = self._truth(tree)
            case _:
                truth = _any_case([(case.when, terms.truth_of(case.value)) for case in self._cases_here(node)])
        if len(truth.true) + len(truth.false) > MAX_SQL:
            raise Undefined(TOO_LARGE)
        return truth

    def _startswith(self, node: ast.Call) -> Truth:
        match node:
            case ast.Call(func=ast.Attribute(value=whole, attr="startswith"), args=[prefix], keywords=[]):
                return _any_case([(when, terms.starts_with(*both)) for when, both in self._combined(whole, prefix)])
            case _:
                raise self._error("the only function is name.startswith(expr)", node.func)

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Truth:
        if isinstance(op, ast.NotEq | ast.NotIn):
            return self._comparison(ast.Eq() if isinstance(op, ast.NotEq) else ast.In(), left, right).negated()
        if isinstance(op, ast.In) and isinstance(right, ast.List | ast.Tuple):
            found = self._combined(left, *right.elts)
            read = [(when, self._read_times(values)) for when, values in found]
            return _any_case([(when, terms.member(value, items)) for when, (value, *items) in read])
        return _any_case([(when, self._compared(op, *both)) for when, both in self._combined(left, right)])

    def _compared(self, op: ast.cmpop, left: Operand, right: Operand) -> Truth:
        if isinstance(op, ast.In):
            return terms.contains(left, right)
        left, right = self._read_times([left, right])
        if isinstance(op, ast.Eq):
            return terms.equal(left, right)
        if type(op) in _ORDER:
            return terms.ordered(_ORDER[type(op)], left, right)
        raise Undefined("this comparison is not part of the query language")

    # What an expression is to a comparison or to arithmetic: a value, or one of several.

    def _cases(self, node: ast.expr) -> list[_Case]:
        with self._inside(node):
            return self._cases_here(node)

    def _cases_here(self, node: ast.expr) -> list[_Case]:
        match node:
            case ast.Constant(value=value):
                cases = [_Case("TRUE", self._constant(value))]
            case ast.Name(id=name):
                if alias := self._texts[-1].alias_at(node):
                    with self._expanded(alias, node) as tree:
                        return self._cases(tree)
                cases = [_Case("TRUE", self._condition(name))]
            case ast.BoolOp():
                cases = self._choices(node)
            case ast.Compare() | ast.Call() | ast.UnaryOp(op=ast.Not()):
                cases = [_Case("TRUE", self._truth_here(node).as_operand())]
            case ast.UnaryOp(op=op, operand=operand):
                cases = [_Case(c.when, self._signed(_SIGNS[type(op)], c.value)) for c in self._cases(operand)]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                symbol = _ARITHMETIC[type(op)]
                found = self._combined(left, right)
                cases = [_Case(when, self._arithmetic(symbol, *both, only=len(found) == 1)) for when, both in found]
            case ast.Subscript(value=text, slice=index):
                cases = [_Case(when, terms.character(*both)) for when, both in self._combined(text, index)]
            case ast.List() | ast.Tuple():
                raise Undefined("a list stands only right of `in`")
            case _:
                raise Undefined("not part of the query language")
        if sum(len(case.when) + len(case.value.sql) for case in cases) > MAX_SQL:
            raise Undefined("the expression is too large")
        return cases

    def _choices(self, node: ast.BoolOp) -> list[_Case]:
        """The values that `a or b or c` may have, each for the runs for which no earlier one decides."""
        cases: list[_Case] = []
        before: list[str] = []
        for value in node.values[:-1]:
            truth = self._truth(value) if isinstance(node.op, ast.Or) else self._truth(value).negated()
            cases += [_Case(terms.all_of(*before, truth.true, c.when), c.value) for c in self._cases(value)]
            before.append(truth.false)
        return cases + [_Case(terms.all_of(*before, c.when), c.value) for c in self._cases(node.values[-1])]

    def _combined(self, *nodes: ast.expr) -> list[tuple[str, list[Operand]]]:
        """The values of several expressions together."""
        cases = [self._cases(node) for node in nodes]
        if math.prod(len(c) for c in cases) > MAX_CASES:
            raise Undefined("too many `and` and `or` between operators; write them between comparisons")
        return [
            (terms.all_of(*(case.when for case in chosen)), [case.value for case in chosen])
            for chosen in itertools.product(*cases)
        ]

    def _read_times(self, values: list[Operand]) -> list[Operand]:
        """A string literal that is compared with a time is one."""
        if not any(value.kind == "time" for value in values):
            return values
        return [self._time(value.constant) if isinstance(value.constant, str) else value for value in values]

    def _time(self, text: str) -> Operand:
        try:
            time = datetime.fromisoformat(text)
            in_utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise Undefined(f"{text[:40]!r} is no time; write '2024-05-01' or '2024-05-01T13:30:00+02:00'") from None
        return Operand("time", self._parameter(in_utc))

    def _constant(self, value: object) -> Operand:
        if isinstance(value, str):
            if not is_text(value):
                raise Undefined("the string holds a NUL or half a character")
            return Operand("string", self._parameter(value), constant=value)
        number = terms.checked(value)
        return Operand("float" if isinstance(number, float) else "int", self._parameter(number), constant=number)

    def _condition(self, name: str) -> Operand:
        if name not in self._types:
            near = difflib.get_close_matches(name, self._types, n=1)
            raise Undefined(
                f"no condition has this name; did you mean {near[0]!r}?" if near else "no condition has this name"
            )
        column, kind = VALUE_COLUMNS[self._types[name].value_type]
        join = self._joins.setdefault(name, f"c{len(self._joins)}")
        return Operand(kind, f"{join}.{column}", self._null)

    def _signed(self, symbol: str, value: Operand) -> Operand:
        if isinstance(value.constant, int | float):
            return self._constant(terms.fold_sign(symbol, value.constant))
        return terms.signed(symbol, value)

    def _arithmetic(self, symbol: str, left: Operand, right: Operand, *, only: bool) -> Operand:
        """`only`: there is no other case, so that an operation on literals that fails is a mistake in the query."""
        if left.constant is not None and right.constant is not None:
            try:
                return self._constant(terms.fold(symbol, left.constant, right.constant))
            except Undefined:
                if only:
                    raise
        elif only and symbol in terms.DIVISIONS and right.constant == 0:
            raise Undefined("division by zero")
        return terms.arithmetic(symbol, left, right)

    def _parameter(self, value: object) -> str:
        return "$" + self._parameters.setdefault((type(value), value), f"p{len(self._parameters)}")

    @contextmanager
    def _inside(self, node: ast.expr) -> Iterator[None]:
        """Counts, and gives an operation that is not defined its place."""
        self._depth += 1
        self._nodes += 1
        try:
            if self._depth > MAX_DEPTH:
                raise Undefined("nested too deeply")
            if self._nodes > MAX_NODES:
                raise Undefined("the query is too large, its aliases included")
            yield
        except Undefined as problem:
            raise self._error(str(problem), node) from None
        finally:
            self._depth -= 1

    @contextmanager
    def _expanded(self, alias: str, node: ast.expr) -> Iterator[ast.expr]:
        """The expression of an alias, with messages that speak of its text."""
        source = f"alias @{alias}"
        if not self._aliases.get(alias, "").strip():
            raise self._error("there is no such alias", node)
        if any(text.source == source for text in self._texts):
            raise self._error("the alias refers to itself", node)
        if alias not in self._alias_texts:
            self._alias_texts[alias] = parse(self._aliases[alias], source)
        self._texts.append(self._alias_texts[alias])
        try:
            yield self._texts[-1].tree
        finally:
            self._texts.pop()

    def _error(self, problem: str, node: ast.expr) -> QueryFormatError:
        return self._texts[-1].error(problem, node)


def _bounded(truths: Iterable[Truth]) -> list[Truth]:
    """The truths, as long as they are not too large together: joining them takes the square of their size."""
    taken, size = [], 0
    for truth in truths:
        taken.append(truth)
        size += len(truth.true) + len(truth.false)
        if size > MAX_SQL:
            raise Undefined(TOO_LARGE)
    return taken


def _any_case(cases: Sequence[tuple[str, Truth]]) -> Truth:
    """The truth of an expression by cases; a run for which no case holds is dropped."""
    if len(cases) == 1 and cases[0][0] == "TRUE":
        return cases[0][1]
    return Truth(
        terms.any_of(*(terms.all_of(when, truth.true) for when, truth in cases)),
        terms.any_of(*(terms.all_of(when, truth.false) for when, truth in cases)),
        total=False,
    )


def _nesting(sql: str) -> int:
    """Greatest number of brackets open at one place. The SQL holds no literals."""
    depth = deepest = 0
    for character in sql:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest
