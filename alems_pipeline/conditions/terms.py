"""The SQL of single operations, with the meaning that Python gives them.

SQL has one NULL; a query knows two things. A condition that a run does not have is *none*: it equals nothing but
another none, it is not true, and nothing can be computed from it. An operation without a result (order or arithmetic
on none, a division by zero, an integer beyond 38 digits) *drops* the run, wherever in the query it stands, provided
that `and` and `or` get to it. So an Operand says what its NULL means, and a Truth is a pair of predicates, "is true"
and "is false": a run for which neither is TRUE is dropped.

All SQL made here is total: it raises for no row, since the optimizer may move it before the filter that protects it.
Parameters and columns come in as `Operand.sql`; nothing else of a query gets into the text.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Kind = Literal["int", "float", "bool", "string", "time"]
Constant = int | float | str

MAX_EXPONENT = 127  # 2 ** 127 is the end of HUGEINT, the widest integer of DuckDB
MAX_INTEGER = 2**127 - 1
DIVISIONS = frozenset({"/", "//", "%"})

_COMPLEMENT = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_FOLD: dict[str, Callable[..., Constant]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_BITS = frozenset({"&", "|", "^", "<<", ">>"})


class Undefined(Exception):
    """The operation is not defined on these operands; the message says why."""


class Null(Enum):
    """What a NULL of an operand means."""

    NEVER = "there is none"
    NONE = "the run does not have the condition"
    DROPS = "no value; the run is dropped"


@dataclass(frozen=True, slots=True)
class Operand:
    """A value: its type, its SQL (a column, a parameter or something in brackets) and what its NULL means."""

    kind: Kind
    sql: str
    null: Null = Null.NEVER
    constant: Constant | None = None  # the value itself, of a literal
    may_be_nan: bool = False

    @property
    def group(self) -> str:
        """Values of different groups are never equal and have no order."""
        return "number" if self.kind in ("int", "float", "bool") else self.kind


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition as two predicates. Either may be NULL where it does not hold."""

    true: str
    false: str
    total: bool  # no run is dropped: one of the two always holds

    def negated(self) -> "Truth":
        return Truth(self.false, self.true, self.total)

    def as_operand(self) -> Operand:
        """The value True or False, to compare or to compute with."""
        sql = f"(CASE WHEN {self.true} THEN TRUE WHEN {self.false} THEN FALSE END)"
        return Operand("bool", sql, Null.NEVER if self.total else Null.DROPS)


def all_of(*predicates: str) -> str:
    """SQL conjunction."""
    return _joined(" AND ", predicates, neutral="TRUE", decisive="FALSE")


def any_of(*predicates: str) -> str:
    """SQL disjunction."""
    return _joined(" OR ", predicates, neutral="FALSE", decisive="TRUE")


def conjunction(truths: Sequence[Truth]) -> Truth:
    """`and`: the first that is false decides, and what comes after it is not looked at."""
    some_false: list[str] = []
    for truth in reversed(truths):
        if some_false and not truth.total:
            some_false = [truth.false, all_of(truth.true, any_of(*some_false))]
        else:
            some_false = [truth.false, *some_false]
    return Truth(all_of(*(t.true for t in truths)), any_of(*some_false), all(t.total for t in truths))


def disjunction(truths: Sequence[Truth]) -> Truth:
    """`or`: the first that is true decides, and what comes after it is not looked at."""
    return conjunction([t.negated() for t in truths]).negated()


def truth_of(value: Operand) -> Truth:
    """Whether a value counts as true: a number but 0, a string but the empty one, any time; none does not."""
    sql = _comparable(value)
    match value.group:
        case "number":
            true, false = (sql, f"NOT {sql}") if value.kind == "bool" else (f"{sql} <> 0", f"{sql} = 0")
        case "string":
            true, false = f"{sql} <> ''", f"{sql} = ''"
        case _:
            true, false = f"{sql} IS NOT NULL", "FALSE"
    if value.null is Null.NONE:
        false = any_of(f"{sql} IS NULL", false)
    return Truth(true, false, value.null is not Null.DROPS)


def equal(left: Operand, right: Operand) -> Truth:
    """`==`. Values of different groups differ; none equals none."""
    a, b = _comparable(left, right), _comparable(right, left)
    nones = [o.null for o in (left, right)].count(Null.NONE)
    if left.group == right.group:
        true = f"{a} IS NOT DISTINCT FROM {b}" if nones == 2 else f"{a} = {b}"
        false = f"{a} IS DISTINCT FROM {b}" if nones else f"{a} <> {b}"
    elif nones == 2:
        true, false = f"({a} IS NULL AND {b} IS NULL)", f"({a} IS NOT NULL OR {b} IS NOT NULL)"
    else:
        true, false = "FALSE", "TRUE"
    droppable = [sql for sql, o in ((a, left), (b, right)) if o.null is Null.DROPS]
    if nones or left.group != right.group:
        false = all_of(*(f"{sql} IS NOT NULL" for sql in droppable), false)
    return Truth(true, false, not droppable)


def ordered(symbol: str, left: Operand, right: Operand) -> Truth:
    """`<`, `<=`, `>`, `>=`. Raises Undefined for a number beside a string and the like."""
    if left.group != right.group:
        raise Undefined(f"{symbol} between {left.kind} and {right.kind}: they have no order")
    a, b = _comparable(left, right), _comparable(right, left)
    return Truth(f"{a} {symbol} {b}", f"{a} {_COMPLEMENT[symbol]} {b}", _always(left, right))


def member(value: Operand, items: Sequence[Operand]) -> Truth:
    """`in` a list."""
    constants = all(i.constant is not None and i.kind == value.kind for i in items)
    if items and constants:
        listed = ", ".join(i.sql for i in items)
        sql = _comparable(value)
        false = f"{sql} NOT IN ({listed})"
        false = any_of(f"{sql} IS NULL", false) if value.null is Null.NONE else false
        return Truth(f"{sql} IN ({listed})", false, value.null is not Null.DROPS)
    equals = [equal(value, item) for item in items]
    # The whole list is made before anything is looked up in it: an item without a value drops the run.
    made = [any_of(e.true, e.false) for e in equals if not e.total]
    if not items and value.null is Null.DROPS:
        made = [f"{_comparable(value)} IS NOT NULL"]
    true = all_of(any_of(*(e.true for e in equals)), *made)
    return Truth(true, all_of(*(e.false for e in equals), *made), not made)


def contains(part: Operand, whole: Operand) -> Truth:
    """`in` a string. Raises Undefined for anything but strings."""
    if part.kind != "string" or whole.kind != "string":
        raise Undefined(f"in: looks for a string in a string, or in a list, not for {part.kind} in {whole.kind}")
    sql = f"contains({whole.sql}, {part.sql})"
    return Truth(sql, f"NOT {sql}", _always(part, whole))


def starts_with(whole: Operand, prefix: Operand) -> Truth:
    """`startswith`. Raises Undefined for anything but strings."""
    if prefix.kind != "string" or whole.kind != "string":
        raise Undefined(f"startswith needs strings, not {whole.kind} and {prefix.kind}")
    sql = f"starts_with({whole.sql}, {prefix.sql})"
    return Truth(sql, f"NOT {sql}", _always(prefix, whole))


def character(text: Operand, index: Operand) -> Operand:
    """`text[index]`, from the end where the index is negative; beyond the ends the run is dropped."""
    if text.kind != "string" or index.kind not in ("int", "bool"):
        raise Undefined(f"[…] needs a string and an integer, not {text.kind} and {index.kind}")
    at, length = f"{index.sql}::HUGEINT", f"length({text.sql})"
    place = f"TRY_CAST(CASE WHEN {at} < 0 THEN {at} ELSE {at} + 1 END AS BIGINT)"
    sql = f"(CASE WHEN {at} >= -{length} AND {at} < {length} THEN substr({text.sql}, {place}, 1) END)"
    return Operand("string", sql, Null.DROPS)


def signed(symbol: str, value: Operand) -> Operand:
    """Unary `-`, `+`, `~`."""
    if value.group != "number" or (symbol == "~" and value.kind == "float"):
        raise Undefined(f"{symbol} needs {'an integer' if symbol == '~' else 'a number'}, not {value.kind}")
    if value.kind == "float":
        return Operand("float", f"({symbol}{value.sql})", Null.DROPS, may_be_nan=value.may_be_nan)
    return Operand("int", f"TRY({symbol}({value.sql}::HUGEINT))", Null.DROPS)


def arithmetic(symbol: str, left: Operand, right: Operand) -> Operand:
    """A binary operation. Integers are exact to 38 digits, `/` and `**` of variables are computed in doubles."""
    if symbol == "+" and left.kind == right.kind == "string":
        return Operand("string", f"({left.sql} || {right.sql})", Null.DROPS)
    if left.group != "number" or right.group != "number":
        raise Undefined(f"{symbol} needs numbers, not {left.kind} and {right.kind}")
    whole = left.kind != "float" and right.kind != "float"
    if symbol in _BITS and not whole:
        raise Undefined(f"{symbol} needs integers, not {left.kind} and {right.kind}")
    if symbol == "**" and whole and isinstance(right.constant, int) and right.constant >= 0:
        return _whole_power(left, right.constant)
    if whole and symbol not in ("/", "**"):
        sql = _integer_sql(symbol, f"{left.sql}::HUGEINT", f"{right.sql}::HUGEINT")
        return Operand("int", sql, Null.DROPS)
    sql = _float_sql(symbol, f"{left.sql}::DOUBLE", f"{right.sql}::DOUBLE")
    return Operand("float", sql, Null.DROPS, may_be_nan=True)


def fold_sign(symbol: str, value: int | float) -> int | float:
    """A unary operation on a literal."""
    if symbol == "~":
        if isinstance(value, float):
            raise Undefined("~ needs an integer")
        return ~value
    return -value if symbol == "-" else value


def fold(symbol: str, left: Constant, right: Constant) -> Constant:
    """A binary operation on two literals, computed now; nothing large is computed to find out that it is too large."""
    if symbol == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, str) or isinstance(right, str):
        raise Undefined(f"{symbol} needs numbers")
    if symbol in ("**", "<<", ">>") and isinstance(left, int) and abs(right) > MAX_EXPONENT:
        raise Undefined(f"an exponent or shift above {MAX_EXPONENT}")
    try:
        return checked(_FOLD[symbol](left, right))
    except (ArithmeticError, TypeError, ValueError) as error:
        raise Undefined(str(error)) from None


def checked(number: object) -> int | float:
    """A number that fits. Raises Undefined."""
    if isinstance(number, int) and abs(number) <= MAX_INTEGER:
        return number
    if isinstance(number, float) and abs(number) < float("inf"):
        return number
    raise Undefined("not an integer of up to 38 digits, nor a double")


def _joined(word: str, predicates: tuple[str, ...], *, neutral: str, decisive: str) -> str:
    kept = [p for p in predicates if p != neutral]
    if decisive in kept:
        return decisive
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else f"({word.join(kept)})"


def _always(*operands: Operand) -> bool:
    return all(o.null is Null.NEVER for o in operands)


def _comparable(value: Operand, other: Operand | None = None) -> str:
    """SQL to compare by. Not-a-number (inf - inf) is no value; a bool beside a number is 0 or 1."""
    if value.may_be_nan:
        return f"(CASE WHEN NOT isnan({value.sql}) THEN {value.sql} END)"
    if value.kind == "bool" and other is not None and other.kind != "bool":
        return f"{value.sql}::INTEGER"
    return value.sql


def _whole_power(base: Operand, exponent: int) -> Operand:
    if exponent > MAX_EXPONENT:
        raise Undefined(f"an exponent above {MAX_EXPONENT}")
    x = f"{base.sql}::HUGEINT"
    sql = f"TRY({' * '.join([x] * exponent)})" if exponent else f"(CASE WHEN {x} IS NOT NULL THEN 1::HUGEINT END)"
    return Operand("int", sql, Null.DROPS)


def _integer_sql(symbol: str, x: str, y: str) -> str:
    # DuckDB's // and % cut toward zero; Python's round down. TRY is for the ends of HUGEINT and for division by zero.
    modulo = f"((({x} % {y}) + {y}) % {y})"
    match symbol:
        case "%":
            return f"TRY({modulo})"
        case "//":
            return f"TRY(({x} - {modulo}) // {y})"
        case "^":
            return f"xor({x}, {y})"
        case "<<":
            return f"(CASE WHEN {y} >= 0 THEN TRY({x} * pow(2, {y}::DOUBLE)::HUGEINT) END)"
        case ">>":
            sign = f"(0::HUGEINT - ({x} < 0)::HUGEINT)"
            return f"(CASE WHEN {y} > 126 THEN {sign} WHEN {y} >= 0 THEN {x} >> {y} END)"
        case _:
            return f"TRY({x} {symbol} {y})"


def _float_sql(symbol: str, x: str, y: str) -> str:
    divisor = f"(CASE WHEN {y} <> 0 THEN {y} END)"
    rest = f"({x} % {divisor})"
    below = f"({rest} <> 0 AND ({rest} < 0) <> ({y} < 0))"  # the rest has the wrong sign for Python
    match symbol:
        case "/":
            return f"({x} / {divisor})"
        case "%":
            return f"(CASE WHEN {below} THEN {rest} + {y} ELSE {rest} END)"
        case "//":
            return f"(round(({x} - {rest}) / {divisor}) - {below}::INTEGER)"
        case "**":
            return f"(CASE WHEN isfinite(pow({x}, {y})) THEN pow({x}, {y}) END)"
        case _:
            return f"({x} {symbol} {y})"
