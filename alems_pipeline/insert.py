"""Rows of Polars and Arrow into tables of DuckDB."""

import duckdb
import polars as pl
import pyarrow as pa


def insert(
    con: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame | pa.Table, *, replacing: bool = False
) -> None:
    """Insert rows by the names of their columns; `replacing`: instead of those with the same primary key.

    DuckDB finds the rows by the name of the variable: registered, they would be kept until the transaction ends, and a
    million rows that come in portions would all be in memory at once.
    """
    new_rows = rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows  # noqa: F841
    con.execute(f"INSERT {'OR REPLACE ' if replacing else ''}INTO {table} BY NAME SELECT * FROM new_rows")
