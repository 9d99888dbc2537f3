"""Tables whose rows Python computes: their SQL file declares them, a function named here gives their rows."""

from collections.abc import Callable, Mapping
from typing import Final

import duckdb
import polars as pl

from alems_pipeline.insert import insert
from alems_pipeline.sample_tables import sample_tables
from alems_pipeline.sql_files import SqlFile
from alems_pipeline.warehouse import shared_memory


def fill(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """Give a table its rows, if Python computes them; nothing of any other table."""
    if file.qualified_name in _ROWS:
        with shared_memory(con):
            rows = _ROWS[file.qualified_name](con)
            if rows.height:
                insert(con, file.qualified_name, rows)
    elif file.qualified_name in _FILLS:
        with shared_memory(con):
            _FILLS[file.qualified_name](con, file)


# Imported where they are needed: SciPy and Polars' parts take long to load, and most commands do without.


def _tax_statistics(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import tax_statistics

    columns = ", ".join(tax_statistics.PAIR_SCHEMA.names())
    return tax_statistics.tax_statistics(con.sql(f"SELECT {columns} FROM main.tax_pairs").pl())


def _ml_baseline_error(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import baseline_model

    roles = dict(con.execute("SELECT name, role FROM main.ml_feature_dictionary").fetchall())
    return baseline_model.held_out_error(con.sql("FROM main.ml_feature_table").pl(), roles)


def _name_keys(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import name_keys

    return name_keys.name_keys(con)


def _pareto_points(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import inference_curves

    return inference_curves.pareto_points(con)


def _interpolated_metrics(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import inference_curves

    return inference_curves.interpolated_metrics(con)


def _tco(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import inference_curves

    return inference_curves.tco(con)


def _mapped_rows(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    from alems_pipeline import inference

    inference.fill_mapped_rows(con, file)


def _mapped_evals(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    from alems_pipeline import inference

    inference.fill_mapped_evals(con, file)


_ROWS: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection], pl.DataFrame]]] = {
    "main.ml_baseline_error": _ml_baseline_error,
    "main.tax_statistics": _tax_statistics,
    "ml.sample_tables": sample_tables,
    "main.name_keys": _name_keys,
    "inference.pareto_points": _pareto_points,
    "inference.interpolated_metrics": _interpolated_metrics,
    "inference.tco": _tco,
}
"""All rows of a table that was just made, empty."""

_FILLS: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection, SqlFile], None]]] = {
    "inference.mapped_rows": _mapped_rows,
    "inference.mapped_evals": _mapped_evals,
}
"""Tables that are kept from run to run: the function replaces what has changed."""
