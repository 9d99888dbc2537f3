"""Run conditions for analysts: runs and values by a query, one run with its conditions, the SQL of a query.

Every function opens the DuckDB file read-only and closes it again, unless `warehouse` is an open connection. The query
language is described in docs/conditions.md.
"""

import difflib
import gc
import json
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from alems_pipeline.conditions.compiler import ConditionType, compile_query
from alems_pipeline.sql_files import quoted
from alems_pipeline.warehouse import Warehouse, connect_published, default_home
from collectors.contract_conditions import in_queries

Source = Path | str | duckdb.DuckDBPyConnection | None
Names = str | Sequence[str]

RUN_COLUMN = "run_number"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POLARS_TYPES: Mapping[str, Any] = {
    "int": pl.Int64,
    "float": pl.Float64,
    "bool": pl.Boolean,
    "time": pl.Datetime("us", "UTC"),
    "parsed json": pl.Object,
}


class NoConditions(LookupError):
    """The file has no such schema of run conditions, or the schema no such run period."""


class UnknownCondition(LookupError):
    """A name that no condition has."""


class RunNotFound(LookupError):
    """A number that no run has."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with named parameters, for `con.execute(sql, parameters)`."""

    sql: str
    parameters: dict[str, Any]

    def __str__(self) -> str:
        return "\n".join([self.sql, *(f"-- ${name} = {value!r}" for name, value in self.parameters.items())])


class Rows(list[list[Any]]):
    """Rows of values, in the order of `columns`: (name, value type)."""

    def __init__(self, rows: Iterable[list[Any]], columns: list[tuple[str, str]]) -> None:
        super().__init__(rows)
        self.columns = columns

    def to_polars(self) -> pl.DataFrame:
        """A typed data frame. A name may stand in it only once."""
        schema = [(name, _POLARS_TYPES.get(kind, pl.String)) for name, kind in self.columns]
        return pl.DataFrame(list(self), schema=schema, orient="row")


@dataclass(frozen=True, slots=True)
class RunSelection:
    """The runs that a query selected, in the order asked for."""

    numbers: list[int]
    sort_desc: bool
    warehouse: Source
    schema: str

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def get_values(self, names: Names, *, insert_run_number: bool = False, parse_json: bool = False) -> Rows:
        """A row per run of the selection with the values of these conditions, None where the run has not got one."""
        return select_values(
            names,
            runs=self.numbers,
            insert_run_number=insert_run_number,
            sort_desc=self.sort_desc,
            parse_json=parse_json,
            warehouse=self.warehouse,
            schema=self.schema,
        )

    def to_polars(self, names: Names = ()) -> pl.DataFrame:
        """The run numbers and the values of these conditions as a typed data frame."""
        return self.get_values(names, insert_run_number=True).to_polars()


@dataclass(frozen=True, slots=True)
class RunCondition:
    """One condition of one run."""

    name: str
    value_type: str
    value: Any  # int, float, bool, str or aware datetime; json as its text
    time: datetime | None  # when it was written

    @property
    def json(self) -> Any:
        """The parsed value of a json condition. Raises TypeError for another type, ValueError for broken JSON."""
        if self.value_type != "json":
            raise TypeError(f"condition {self.name}: its type is {self.value_type}, not json; use .value")
        return json.loads(self.value)


@dataclass(frozen=True, slots=True)
class Run:
    """A run with all its conditions by name."""

    number: int
    started: datetime | None
    finished: datetime | None
    conditions: Mapping[str, RunCondition]


def select_values(
    names: Names,
    query: str = "",
    run_min: int = 0,
    run_max: int | None = None,
    runs: Iterable[int | Run] | None = None,
    *,
    insert_run_number: bool = True,
    sort_desc: bool = False,
    parse_json: bool = False,
    warehouse: Source = None,
    schema: str = "rcdb",
) -> Rows:
    """A row of values per run for which the query is true, the run number first unless told not to.

    Runs from `run_min` to `run_max`, both included; or of `runs`, and then the range does not count. A run without one
    of `names` has None there; what a missing condition means in the query stands in docs/conditions.md. Values are
    int, float, bool, str or datetime in UTC; json is text unless it is to be parsed.
    Raises QueryFormatError, UnknownCondition, NoConditions, NotPublished.
    """
    names = [names] if isinstance(names, str) else list(names)
    with _connected(warehouse) as con:
        catalog = _read_catalog(con, schema)
        run_filter = _run_filter(run_min, run_max, runs)
        statement = _statement(catalog, query, run_filter, names=names, sort_desc=sort_desc)
        # By columns: as fast again as row by row.
        fetched = con.execute(statement.sql, statement.parameters).fetchnumpy()
    columns = [(name, catalog.types[name].value_type) for name in names]
    with _no_garbage_collection():
        kinds = ["int", *(kind for _, kind in columns)]
        numbers, *values = map(_plain, fetched.values(), kinds)
        for place, (name, kind) in enumerate(columns):
            if kind == "json" and parse_json:
                values[place] = _parsed(values[place], name, numbers)
                columns[place] = (name, "parsed json")
        if insert_run_number:
            return Rows(map(list, zip(numbers, *values, strict=True)), [(RUN_COLUMN, "int"), *columns])
        return Rows(map(list, zip(*values, strict=True)) if values else ([] for _ in numbers), columns)


def select_runs(
    query: str = "",
    run_min: int = 0,
    run_max: int | None = None,
    *,
    sort_desc: bool = False,
    warehouse: Source = None,
    schema: str = "rcdb",
) -> RunSelection:
    """The runs that have every condition named in the query and for which it is true, `run_min` and `run_max` included.

    Raises QueryFormatError, NoConditions, NotPublished.
    """
    with _connected(warehouse) as con:
        run_filter = _run_filter(run_min, run_max, None)
        statement = _statement(_read_catalog(con, schema), query, run_filter, names=None, sort_desc=sort_desc)
        numbers = con.execute(statement.sql, statement.parameters).fetchnumpy()["number"].tolist()
    return RunSelection(numbers, sort_desc, warehouse, schema)


def get_run(number: int, *, warehouse: Source = None, schema: str = "rcdb") -> Run:
    """One run with its conditions. Raises RunNotFound, NoConditions, NotPublished."""
    parameters = {"number": operator.index(number)}
    with _connected(warehouse) as con:
        prefix = _read_catalog(con, schema).prefix
        runs = con.execute(
            f"""
            SELECT started AT TIME ZONE 'UTC', finished AT TIME ZONE 'UTC'
            FROM {prefix}.runs
            WHERE number = $number
            """,
            parameters,
        ).fetchall()
        if not runs:
            raise RunNotFound(f"run {number}: not in schema {schema}; `select_runs()` lists the runs")
        rows = con.execute(
            f"""
            SELECT
                t.name, t.value_type, c.created AT TIME ZONE 'UTC',
                c.text_value, c.int_value, c.float_value, c.bool_value, c.time_value AT TIME ZONE 'UTC'
            FROM {prefix}.conditions AS c
            JOIN {prefix}.condition_types AS t ON t.id = c.condition_type_id
            WHERE c.run_number = $number
            ORDER BY t.name
            """,
            parameters,
        ).fetchall()
    conditions = {}
    for name, value_type, created, text, whole, real, flag, time in rows:
        values = {"int": whole, "float": real, "bool": flag, "time": _in_utc(time)}
        value = values.get(value_type, text)
        conditions[name] = RunCondition(name, value_type, value, _in_utc(created))
    started, finished = map(_in_utc, runs[0])
    return Run(operator.index(number), started, finished, conditions)


def list_conditions(*, warehouse: Source = None, schema: str = "rcdb") -> pl.DataFrame:
    """Every condition with its type, the number of runs that have it, and what it means.

    in_queries is false for a name that no query can hold, such as `class` or `größe`: stores and programs may use it,
    and its values are there by every other way. Raises NoConditions.
    """
    with _connected(warehouse) as con:
        prefix = _read_catalog(con, schema).prefix
        frame: pl.DataFrame = con.sql(
            f"""
            SELECT types.name AS condition, types.value_type AS type, coalesce(n_runs, 0) AS runs, types.description
            FROM {prefix}.condition_types AS types
            LEFT JOIN (
                SELECT condition_type_id, count(*) AS n_runs
                FROM {prefix}.conditions
                GROUP BY condition_type_id
            ) AS counts ON counts.condition_type_id = types.id
            ORDER BY lower(types.name), types.name
            """
        ).pl()
    named = [in_queries(name) for name in frame["condition"]]
    return frame.insert_column(3, pl.Series("in_queries", named, pl.Boolean))


def run_range(period: str, *, warehouse: Source = None, schema: str = "rcdb") -> tuple[int, int]:
    """First and last run of a run period: `select_runs(query, *run_range("2024-01"))`.

    Of several periods of one name that with the greatest id counts: the store's newest, or, before all of the store's,
    that which was written by hand. Raises NoConditions.
    """
    with _connected(warehouse) as con:
        prefix = _read_catalog(con, schema).prefix
        periods = con.execute(f"SELECT name, run_min, run_max FROM {prefix}.run_periods ORDER BY id").fetchall()
    ranges = {name: (run_min, run_max) for name, run_min, run_max in periods}
    if period not in ranges:
        known = ", ".join(ranges) or "none"
        raise NoConditions(f"run period {period!r}: none has this name; schema {schema} knows: {known}")
    return ranges[period]


def explain(
    query: str,
    names: Names | None = None,
    run_min: int = 0,
    run_max: int | None = None,
    *,
    sort_desc: bool = False,
    warehouse: Source = None,
    schema: str = "rcdb",
) -> Statement:
    """The SQL with its parameters that select_runs executes for this query; with `names`, that of select_values.

    Raises QueryFormatError, UnknownCondition, NoConditions, NotPublished.
    """
    with _connected(warehouse) as con:
        catalog = _read_catalog(con, schema)
    names = [names] if isinstance(names, str) else names
    return _statement(catalog, query, _run_filter(run_min, run_max, None), names=names, sort_desc=sort_desc)


@dataclass(frozen=True, slots=True)
class _Catalog:
    """What a schema of run conditions knows."""

    prefix: str  # before the dot and a table's name
    types: dict[str, ConditionType]
    aliases: dict[str, str]


@contextmanager
def _connected(warehouse: Source) -> Iterator[duckdb.DuckDBPyConnection]:
    if isinstance(warehouse, duckdb.DuckDBPyConnection):
        yield warehouse
        return
    path = Warehouse(default_home()).published_path if warehouse is None else Path(warehouse)
    con = connect_published(path)
    try:
        yield con
    finally:
        con.close()


def _read_catalog(con: duckdb.DuckDBPyConnection, schema: str) -> _Catalog:
    """Raises NoConditions."""
    prefix = quoted(schema)
    [(catalog,)] = con.execute("SELECT current_catalog()").fetchall()
    if catalog.casefold() == schema.casefold():  # a file named rcdb.duckdb: the schema alone would be ambiguous
        prefix = f"{quoted(catalog)}.{prefix}"
    try:
        types = con.execute(f"SELECT id, name, value_type FROM {prefix}.condition_types").fetchall()
        aliases = con.execute(f"SELECT name, code FROM {prefix}.aliases").fetchall()
    except (duckdb.CatalogException, duckdb.ParserException):  # the latter for an empty name
        raise NoConditions(
            f"schema {schema!r}: holds no run conditions; schemas that do: {_known_schemas(con)}"
        ) from None
    return _Catalog(prefix, {name: ConditionType(id_, name, kind) for id_, name, kind in types}, dict(aliases))


def _known_schemas(con: duckdb.DuckDBPyConnection) -> str:
    found = con.execute(
        """
        SELECT schema_name
        FROM duckdb_tables()
        WHERE table_name = 'condition_types' AND database_name = current_database()
        ORDER BY ALL
        """
    ).fetchall()
    return ", ".join(name for (name,) in found) or "none; import a store by `alems-collect rcdb URL`"


def _run_filter(run_min: int, run_max: int | None, runs: Iterable[int | Run] | None) -> Statement:
    if runs is not None:
        numbers = [run.number if isinstance(run, Run) else operator.index(run) for run in runs]
        return Statement("r.number IN (SELECT unnest($runs::BIGINT[]))", {"runs": numbers})
    first, last = operator.index(run_min), None if run_max is None else operator.index(run_max)
    if last is None:
        return Statement("r.number >= $run_min", {"run_min": first})
    return Statement(
        "r.number BETWEEN $run_min AND $run_max", {"run_min": min(first, last), "run_max": max(first, last)}
    )


def _statement(
    catalog: _Catalog, query: str, run_filter: Statement, *, names: Sequence[str] | None, sort_desc: bool
) -> Statement:
    """The runs for which the query is true: of select_runs without `names`, of select_values with them."""
    predicate = compile_query(query, catalog.types, catalog.aliases, all_present=names is None)
    joined = dict(predicate.joins)
    columns = ["r.number"]
    for name in names or ():
        if name not in catalog.types:
            near = difflib.get_close_matches(name, catalog.types, n=1)
            raise UnknownCondition(
                f"condition {name!r}: none has this name" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        join = joined.setdefault(name, f"c{len(joined)}")
        value = f"{join}.{catalog.types[name].column}"
        # Times as microseconds: DuckDB takes six times as long to make a datetime of one.
        shown = f"epoch_us({value})" if catalog.types[name].value_type == "time" else value
        columns.append(f"{shown} AS v{len(columns)}")
    lines = ["SELECT " + ", ".join(columns), f"FROM {catalog.prefix}.runs AS r"]
    parameters = run_filter.parameters | predicate.parameters
    for name, join in joined.items():
        on = f"{join}.run_number = r.number AND {join}.condition_type_id = $type_{join}"
        parameters[f"type_{join}"] = catalog.types[name].id
        if names is None:
            lines.append(f"JOIN {catalog.prefix}.conditions AS {join}")
            lines.append(f"    ON {on} AND {join}.{catalog.types[name].column} IS NOT NULL")
        else:
            lines += [f"LEFT JOIN {catalog.prefix}.conditions AS {join}", f"    ON {on}"]
    lines += [f"WHERE {run_filter.sql}", f"    AND {predicate.sql}"]
    lines.append("ORDER BY r.number DESC" if sort_desc else "ORDER BY r.number")
    return Statement("\n".join(lines), parameters)


def _plain(column: Any, kind: str) -> list[Any]:
    """A column of NumPy's as Python has such values; times come as microseconds since 1970."""
    if kind == "time":
        return [None if span is None else _EPOCH + span for span in column.astype("m8[us]").tolist()]
    values: list[Any] = column.tolist()
    return values


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Rows hold no cycles, and going through them again and again takes longer than making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _in_utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _parsed(texts: list[str | None], name: str, numbers: list[int]) -> list[Any]:
    values = []
    for number, text in zip(numbers, texts, strict=True):
        try:
            values.append(None if text is None else json.loads(text))
        except ValueError as error:
            problem = f"run {number}, condition {name}: not JSON ({error}); read it without parse_json"
            raise ValueError(problem) from None
    return values
