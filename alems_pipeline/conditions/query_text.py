"""From the text of a query to a syntax tree, or a QueryFormatError that names the token and its place.

Two gates. The scanner knows only the tokens of the query language, so that outside string literals nothing but ASCII
gets through, no keyword, no dunder name, no foreign sign. Then Python's own parser (`ast`, eval mode) makes the tree.
The text is parsed, never compiled and never evaluated. Which nodes the tree may hold is the compiler's business.
"""

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 50_000
MAX_TOKENS = 5_000
MAX_OPEN_BRACKETS = 50

_OPERATOR_WORDS = frozenset({"and", "or", "not", "in"})
_TOKEN = re.compile(
    r"""
      (?P<space> [ \t\f\v\r\n]+ )
    | (?P<foreign_string> [rRuU]?[bBfF][rR]?['"] | [rRuU]?(?:'''|\"\"\") )
    | (?P<string> [rRuU]? (?: '(?:[^'\\\r\n]|\\[^\r\n])*' | "(?:[^"\\\r\n]|\\[^\r\n])*" ) )
    | (?P<alias> @[A-Za-z_][A-Za-z0-9_]* )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<number> 0[xX][0-9A-Fa-f]+ | 0[bB][01]+ | (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? )
    | (?P<operator> \*\* | // | << | >> | <= | >= | == | != | [-+*/%&|^~<>()\[\],.] )
    """,
    re.VERBOSE,
)


class QueryFormatError(ValueError):
    """A query that is not one of the language. `token` is what was not understood, `position` its place, from 0."""

    def __init__(self, problem: str, *, token: str, position: int, source: str = "query") -> None:
        self.token = token
        self.position = position
        shown = token if len(token) <= 40 else token[:37] + "..."
        super().__init__(f"{source}, character {position + 1}, {shown!r}: {problem}")


@dataclass(frozen=True, slots=True)
class QueryText:
    """A parsed query, or the parsed expression of an alias."""

    source: str  # "query" or "alias @name", for messages
    text: str  # as it was written
    indent: int  # blanks before the first token
    tree: ast.expr
    aliases: dict[int, str]  # place of a name node -> the alias that stands there

    def alias_at(self, node: ast.Name) -> str | None:
        """Name of the alias that the node stands for; None for the name of a condition."""
        return self.aliases.get(self._place(node.col_offset))

    def error(self, problem: str, node: ast.expr) -> QueryFormatError:
        """The error of this node."""
        start = self._place(node.col_offset)
        start -= self.text[:start].endswith("@")  # an alias is shown as it was written
        end = self._place(node.end_col_offset or node.col_offset)
        return QueryFormatError(problem, token=self.text[start:end], position=start, source=self.source)

    def _place(self, utf8_bytes: int) -> int:
        # ast counts bytes of UTF-8; what it was given is one line.
        return self.indent + len(self.text[self.indent :].encode()[:utf8_bytes].decode())


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str, source: str = "query") -> QueryText:
    """The tree of a query that is not blank. Raises QueryFormatError."""
    tokens = list(_tokens(text, source))
    _check_brackets(tokens, source)
    # A blank for the @, so that an alias that touches the word before it stays a word of its own.
    code = "".join(" " + "_" * (len(t.text) - 1) if t.kind == "alias" else t.text for t in tokens)
    indent = len(code) - len(code.lstrip())
    try:
        tree = ast.parse(code.strip(), mode="eval").body
    except SyntaxError as error:
        raise _not_python(error, tokens, indent, source) from None
    except (MemoryError, RecursionError, ValueError):
        raise QueryFormatError("nested too deeply", token=text, position=indent, source=source) from None
    aliases = {t.position + 1: t.text[1:] for t in tokens if t.kind == "alias"}
    return QueryText(source, text, indent, tree, aliases)


def _not_python(error: SyntaxError, tokens: list[_Token], indent: int, source: str) -> QueryFormatError:
    problem = "the number has too many digits" if "digits" in error.msg else error.msg
    place = indent + (error.offset or 0) - 1
    for token in tokens:
        if error.offset and token.position <= place < token.position + len(token.text):
            return QueryFormatError(problem, token=token.text, position=place, source=source)
    end = tokens[-1].position + len(tokens[-1].text)
    return QueryFormatError("the query ends too early", token=tokens[-1].text, position=end, source=source)


def _tokens(text: str, source: str) -> Iterator[_Token]:
    """The tokens in order, blanks included. Raises QueryFormatError at the first that the language does not have."""
    if len(text) > MAX_CHARACTERS:
        too_long = f"the query is longer than {MAX_CHARACTERS} characters"
        raise QueryFormatError(too_long, token=text, position=0, source=source)
    position = count = 0
    before = ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        kind = match.lastgroup if match and match.lastgroup else "unknown"
        token = match.group() if match else text[position]
        count += kind != "space"
        problem = _problem(kind, token, before) if count <= MAX_TOKENS else f"the query has over {MAX_TOKENS} tokens"
        if problem:
            raise QueryFormatError(problem, token=token, position=position, source=source)
        yield _Token(kind, " " * len(token) if kind == "space" else token, position)
        position += len(token)
        before = kind


def _problem(kind: str, token: str, before: str) -> str | None:
    """Why this token, after one of kind `before`, is not of the language."""
    if kind == "foreign_string":
        return "only plain strings in single or double quotes"
    if kind == "string":
        return None if is_text(token) else "the string holds a NUL or half a character"
    if kind in ("name", "number") and before == "number":
        return "a number is decimal, float, 0x… or 0b…"
    if kind in ("name", "alias") and "__" in token:
        return "names with two underscores in a row are not allowed"
    if kind == "name" and keyword.iskeyword(token) and token not in _OPERATOR_WORDS:
        return "this word is not part of the query language"
    if token in ("'", '"'):
        return "the string is not closed"
    return "this character is not part of the query language" if kind == "unknown" else None


def is_text(value: str) -> bool:
    """Whether it can be a value in the warehouse: UTF-8, without NUL."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _check_brackets(tokens: list[_Token], source: str) -> None:
    """Only limits how many are open at one place: whether they match is Python's parser's business."""
    open_brackets = 0
    for token in tokens:
        if token.text in ("(", "["):
            open_brackets += 1
            if open_brackets > MAX_OPEN_BRACKETS:
                problem = f"more than {MAX_OPEN_BRACKETS} brackets are open"
                raise QueryFormatError(problem, token=token.text, position=token.position, source=source)
        elif token.text in (")", "]"):
            open_brackets -= 1
