"""A query on the published file and its result in the form that was asked for: table, CSV, JSON or Parquet."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from rich.console import Console
from rich.table import Table

MAX_TABLE_ROWS = 200  # of a table for a person; CSV, JSON and Parquet are never cut


class OutputFormat(StrEnum):
    """Forms of a result."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


class BadParameter(ValueError):
    """A parameter is not NAME=VALUE, or not one that the query has."""


def parse_params(params: Sequence[str]) -> dict[str, str]:
    """['run_id=3'] -> {'run_id': '3'}. DuckDB casts the text to what the query needs. Raises BadParameter."""
    parsed = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not (name.isidentifier() or name.isdecimal()):  # a ? is named by its place
            raise BadParameter(f"--param {param}: give it as NAME=VALUE")
        parsed[name] = value
    return parsed


def run_query(con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, str]) -> pl.DataFrame:
    """The result of a query, its parameters bound, never pasted. A statement without a result gives an empty frame.

    Raises BadParameter where the query has other parameters.
    """
    _hold_to_parameters(con, query, params)
    relation = con.sql(query, params=dict(params)) if params else con.sql(query)
    frame: pl.DataFrame = relation.pl() if relation is not None else pl.DataFrame()
    return frame


def _hold_to_parameters(con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, str]) -> None:
    named = sorted({name for statement in con.extract_statements(query) for name in statement.named_parameters})
    unknown = sorted(params.keys() - set(named))
    missing = " ".join(f"--param {name}=VALUE" for name in named if name not in params)
    if unknown:
        has = ", ".join(f"${name}" for name in named) or "none"
        rest = f"give {missing}" if missing else "leave it out"
        raise BadParameter(f"--param {unknown[0]}: no parameter of the query, which has {has}; {rest}")
    if missing:
        raise BadParameter(f"the query has parameters without a value: give {missing}")


def show(frame: pl.DataFrame, output: OutputFormat, console: Console, path: Path | None) -> None:
    """Print the result, or write it to `path`."""
    if output is OutputFormat.parquet:
        if path is None:
            raise BadParameter("Parquet is not text: write it to a file")
        with path.open("wb") as parquet:  # here, since an error of Polars would not name the path
            frame.write_parquet(parquet)
        return
    if output is OutputFormat.table:
        text_table = _table(frame)
        if path is None:
            console.print(text_table)
            if frame.height > MAX_TABLE_ROWS:
                console.print(f"{frame.height} rows, the first {MAX_TABLE_ROWS} shown; --format csv gives all")
        else:
            with path.open("w") as file:
                Console(file=file, width=10_000).print(text_table)
        return
    text = _json(frame) if output is OutputFormat.json else _flat(frame).write_csv()
    if path is None:
        console.file.write(text)
    else:
        path.write_text(text)


def _table(frame: pl.DataFrame) -> Table:
    table = Table()
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.head(MAX_TABLE_ROWS).iter_rows():
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def _json(frame: pl.DataFrame) -> str:
    return _json_text(frame.to_dicts()) + "\n"


def _json_text(value: object) -> str:
    return json.dumps(_plain(value), default=str, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it: DuckDB's large integers and decimals as numbers, times as ISO text, no number as null."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case float():
            return value if math.isfinite(value) else None
        case date() | time():
            return value.isoformat()
        case dict():
            return {name: _plain(of) for name, of in value.items()}
        case list() | pl.Series():
            return [_plain(one) for one in value]
    return value


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """CSV has no lists or structs: they become JSON text."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(pl.col(name).map_elements(_json_text, return_dtype=pl.String) for name in nested)
