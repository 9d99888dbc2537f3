"""A query on the published file and its result in the form that was asked for: table, CSV, JSON or Parquet."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

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
    """A parameter is not NAME=VALUE."""


def parse_params(params: Sequence[str]) -> dict[str, str]:
    """['run_id=3'] -> {'run_id': '3'}. DuckDB casts the text to what the query needs. Raises BadParameter."""
    parsed = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name.isidentifier():
            raise BadParameter(f"--param {param}: give it as NAME=VALUE")
        parsed[name] = value
    return parsed


def run_query(con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, str]) -> pl.DataFrame:
    """The result of a query, its parameters bound, never pasted. A statement without a result gives an empty frame."""
    relation = con.sql(query, params=dict(params)) if params else con.sql(query)
    frame: pl.DataFrame = relation.pl() if relation is not None else pl.DataFrame()
    return frame


def show(frame: pl.DataFrame, output: OutputFormat, console: Console, path: Path | None) -> None:
    """Print the result, or write it to `path`."""
    if output is OutputFormat.parquet:
        if path is None:
            raise BadParameter("Parquet is not text: write it to a file")
        frame.write_parquet(path)
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
    return json.dumps(frame.to_dicts(), default=str, ensure_ascii=False) + "\n"


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """CSV has no lists or structs: they become JSON text."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.col(name).map_elements(lambda v: json.dumps(v.to_list() if isinstance(v, pl.Series) else v, default=str),
                                  return_dtype=pl.String)
        for name in nested
    )  # fmt: skip
