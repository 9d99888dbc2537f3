"""The files of `sql/`: what each makes, what it reads, what its columns mean, and how it is run.

A file makes one table or view and says so in its header and its column comments; the SQL is run as it stands. Those
comments become the comments in the DuckDB file, the column schema in Dagster and the data dictionary.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import duckdb

SQL_ROOT: Final = Path(__file__).resolve().parent.parent / "sql"
LAYERS: Final = ("ddl", "day", "core", "marts", "computed", "views", "checks")

_CREATED = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?P<kind>TABLE|VIEW|MACRO)\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<schema>\w+)\.(?P<name>\w+)",
    re.IGNORECASE,
)
_FIELD = re.compile(r"(group|depends|unique|severity|again while|made by):")
_LAKE = re.compile(r"\{lake:(\w+)\}")
_REGISTRY = re.compile(r"\{registry:(\w+)\}")
_LINE_WITH_DOC = re.compile(r"^\s*(?P<code>[^-\s].*?)\s+--\s*(?P<doc>.+)$")


class BrokenSqlFile(ValueError):
    """A file of sql/ does not keep to the form that its folder's README describes."""


@dataclass(frozen=True, eq=False)  # a file is read once: it is equal to itself only, and a key of dicts
class SqlFile:
    """One file of `sql/`. `depends` are names as in SQL, with their schema unless it is main."""

    path: Path
    layer: str
    kind: str  # table, view, macro or check
    schema: str
    name: str
    description: str
    depends: tuple[str, ...]
    severity: str  # of a check: error or warn
    column_docs: dict[str, str]
    text: str
    again_while: str | None = None  # a query; while its value is true the file is run once more
    group: str | None = None  # domain of a table of main, other than energy
    made_by: tuple[str, ...] = ()  # what computes the rows, beside SQL: Python files and registries

    @property
    def is_kept(self) -> bool:
        """Whether a run keeps the rows of the run before, and only replaces what has changed."""
        return self.layer != "ddl" and bool(re.search(r"CREATE\s+TABLE\s+IF\s+NOT\s+EXISTS", self.text, re.IGNORECASE))

    @property
    def qualified_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def code_version(self) -> str:
        texts = [self.text, *_registries(self.text, of=self.path.name), *(_text_of(name) for name in self.made_by)]
        return hashlib.sha256("".join(texts).encode()).hexdigest()[:12]


def parse(path: Path) -> SqlFile:
    """Read one file. Raises BrokenSqlFile."""
    text = path.read_text()
    layer = path.parent.name
    header = [line[2:].strip() for line in _leading_comments(text)]
    fields = dict(line.split(":", 1) for line in header if _FIELD.match(line))
    description = " ".join(line for line in header if not _FIELD.match(line))
    if not description:
        raise BrokenSqlFile(f"{path}: no description; begin the file with `-- <what a row is>`")
    created = _CREATED.search(text)
    if layer == "checks":
        kind, schema, name = "check", "ops", path.stem
    elif created is None:
        raise BrokenSqlFile(f"{path}: makes nothing; a file holds one CREATE of schema.name")
    else:
        kind, schema, name = created["kind"].lower(), created["schema"], created["name"]
        if path.stem not in (name, f"{schema}.{name}"):  # with the schema, where two schemas have a table of one name
            raise BrokenSqlFile(f"{path}: makes {name}; name the file {name}.sql")
    return SqlFile(
        path=path,
        layer=layer,
        kind=kind,
        schema=schema,
        name=name,
        description=description,
        depends=tuple(name.strip() for name in fields.get("depends", "").split(",") if name.strip()),
        severity=fields.get("severity", "error").strip(),
        column_docs=_column_docs(text, of_view=kind in ("view", "macro")),
        text=text,
        again_while=fields.get("again while", "").strip() or None,
        group=fields.get("group", "").strip() or None,
        made_by=tuple(name for one in fields.get("made by", "").split(",") if one.strip() for name in _expand(one)),
    )


def parse_ddl(path: Path) -> list[SqlFile]:
    """The tables of one file of sql/ddl, which holds all tables of a schema that are made once."""
    tables = []
    for statement in path.read_text().split("\n\n"):
        created = _CREATED.search(statement)
        if created is None:
            continue
        tables.append(
            SqlFile(
                path=path,
                layer="ddl",
                kind=created["kind"].lower(),
                schema=created["schema"],
                name=created["name"],
                description=" ".join(line[2:].strip() for line in _leading_comments(statement)),
                depends=(),
                severity="error",
                column_docs=_column_docs(statement, of_view=False),
                text=statement,
            )
        )
    return tables


@cache
def layer_files(layer: str) -> tuple[SqlFile, ...]:
    """The tables, views or checks of one folder, each after those of the folder that it reads."""
    if layer == "ddl":
        return tuple(table for path in sorted((SQL_ROOT / layer).glob("*.sql")) for table in parse_ddl(path))
    files = {file.qualified_name: file for file in map(parse, sorted((SQL_ROOT / layer).glob("*.sql")))}
    graph = {name: sorted({qualified(d) for d in file.depends} & files.keys() - {name}) for name, file in files.items()}
    return tuple(files[name] for name in TopologicalSorter(graph).static_order())


def run(con: duckdb.DuckDBPyConnection, file: SqlFile, lake_paths: Callable[[str], list[str]] | None = None) -> None:
    """Run one file. `lake_paths` gives the Parquet files of a lake dataset, put in the place of `{lake:dataset}`.

    The place of `{registry:name}` takes the path of sql/registry/name.csv.

    A file that works in portions, so that memory stays bounded, is run until there are none left.
    """
    text = _REGISTRY.sub(lambda match: registry(match[1]), file.text)
    if lake_paths is not None:
        text = _LAKE.sub(lambda match: _sql_list(lake_paths(match[1])), text)
    con.execute(text)
    while file.again_while is not None and con.execute(file.again_while).fetchall() == [(True,)]:
        con.execute(text)


def run_declaration(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """Run only the CREATE TABLE IF NOT EXISTS of a file of sql/day."""
    con.execute(file.text.partition("\n);")[0] + "\n);")


def comment(con: duckdb.DuckDBPyConnection, files: Iterable[SqlFile]) -> None:
    """Write descriptions and column meanings into the DuckDB file."""
    for file in files:
        if file.kind in ("table", "view"):
            statements = [f"COMMENT ON {file.kind.upper()} {file.qualified_name} IS {sql_text(file.description)}"]
            statements += [
                f"COMMENT ON COLUMN {file.qualified_name}.{quoted(column)} IS {sql_text(doc)}"
                for column, doc in file.column_docs.items()
            ]
            con.execute(";".join(statements))


def made_from(con: duckdb.DuckDBPyConnection, table: str) -> str | None:
    """The hash of what the table was made from that is kept from run to run; None where there is none."""
    rows = con.execute("SELECT code_hash FROM ops.kept_tables WHERE table_name = ?", [table]).fetchall()
    return rows[0][0] if rows else None


def note_made_from(con: duckdb.DuckDBPyConnection, table: str, code_hash: str) -> None:
    """Note what a table that is kept from run to run was made from."""
    con.execute("INSERT OR REPLACE INTO ops.kept_tables VALUES (?, ?)", [table, code_hash])


def comment_kept(con: duckdb.DuckDBPyConnection, docs: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
    """Write what tables that stay from run to run mean, and their columns, where the file does not say it yet.

    `docs`: by schema.table, its meaning and those of its columns. A comment costs .2 ms, and there are a thousand.
    """
    present = con.execute(
        "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns() "
        "UNION ALL SELECT schema_name || '.' || table_name, NULL, comment FROM duckdb_tables()"
    ).fetchall()
    statements = []
    for table, column, said in present:
        of_table, of_columns = docs.get(table, (None, {}))
        wanted = of_table if column is None else of_columns.get(column)
        if wanted is not None and wanted != said:
            what = f"TABLE {table}" if column is None else f"COLUMN {table}.{quoted(column)}"
            statements.append(f"COMMENT ON {what} IS {sql_text(wanted)}")
    con.execute(";".join(statements) or "SELECT 1")


def made_of(con: duckdb.DuckDBPyConnection, file: SqlFile, family: str) -> list[str]:
    """From what the kept tables that a file reads were made; in `depends` they stand in the schema `family`."""
    names = (qualified(name).split(".") for name in file.depends)
    read = [f"{file.schema}.{table}" for schema, table in names if schema == family]
    rows = con.execute(
        "SELECT code_hash FROM ops.kept_tables WHERE list_contains(?, table_name) ORDER BY table_name", [read]
    ).fetchall()
    return [code_hash for (code_hash,) in rows]


def run_ddl(con: duckdb.DuckDBPyConnection) -> None:
    """Make the schemas and books that exist in every warehouse."""
    for path in sorted((SQL_ROOT / "ddl").glob("*.sql")):
        con.execute(path.read_text())


def code_hash(*paths: Path) -> str:
    """One hash over files and folders of code or SQL; it changes with any of them and any registry that SQL reads."""
    files = sorted(
        file for path in paths for file in ([path] if path.is_file() else [*path.rglob("*.sql"), *path.rglob("*.csv")])
    )
    texts = [(file.name, file.read_text()) for file in files]
    return digest(*(text for name, code in texts for text in (name, code, *_registries(code, of=name))))


def digest(*texts: str) -> str:
    """One hash over texts."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]


def _registries(code: str, *, of: str) -> list[str]:
    """The text of each registry that a SQL file reads."""
    return [_registry_path(match[1]).read_text() for match in _REGISTRY.finditer(code)] if of.endswith(".sql") else []


def _expand(maker: str) -> list[str]:
    """The files that a maker named in a header stands for, from the checkout's root; a pattern stands for several."""
    root = SQL_ROOT.parent
    found = sorted(path.relative_to(root).as_posix() for path in root.glob(maker.strip()))
    if not found:
        raise BrokenSqlFile(f"made by {maker.strip()}: no such file; name it from the root of the checkout")
    return found


def _text_of(name: str) -> str:
    return (SQL_ROOT.parent / name).read_text()


def registry(name: str) -> str:
    """The path of sql/registry/name.csv as a literal."""
    return sql_text(str(_registry_path(name)))


def _registry_path(name: str) -> Path:
    return SQL_ROOT / "registry" / f"{name}.csv"


def _leading_comments(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return lines


def _column_docs(text: str, *, of_view: bool) -> dict[str, str]:
    """Column name -> meaning, from the comment that ends the line which declares (table) or names (view) the column."""
    docs: dict[str, str] = {}
    declared = text if of_view else text.partition("\n);")[0]  # of a table, what follows are remarks on its query
    for line in declared.splitlines():
        match = _LINE_WITH_DOC.match(line)
        if match is None:
            continue
        words = re.findall(r'"[^"]+"|\w+', match["code"])
        if words:
            docs.setdefault(words[-1 if of_view else 0].strip('"'), match["doc"].strip())
    return docs


def qualified(name: str) -> str:
    return name if "." in name else f"main.{name}"


def quoted(name: str) -> str:
    """A name as SQL has it, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def sql_text(text: str) -> str:
    """A text as a literal, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def _sql_list(paths: list[str]) -> str:
    return "[" + ", ".join(sql_text(path) for path in paths) + "]"
