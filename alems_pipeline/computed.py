"""Tables whose rows Python computes: `sql/computed/<table>.sql` declares them, a function here gives their rows."""

from collections.abc import Callable, Mapping
from typing import Final

import duckdb
import polars as pl

from alems_pipeline.sample_tables import sample_tables
from alems_pipeline.sql_files import SqlFile


def fill(con: duckdb.DuckDBPyConnection, file: SqlFile) -> None:
    """Insert the rows of a table of sql/computed, which stands there empty, or as the run before left it."""
    con.register("computed_rows", _ROWS[file.qualified_name](con).to_arrow())
    con.execute(f"INSERT INTO {file.qualified_name} BY NAME SELECT * FROM computed_rows")
    con.unregister("computed_rows")


def _tax_statistics(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import tax_statistics  # here: SciPy takes long to load, and most commands do without

    columns = ", ".join(tax_statistics.PAIR_SCHEMA.names())
    return tax_statistics.tax_statistics(con.sql(f"SELECT {columns} FROM main.tax_pairs").pl())


def _ml_baseline_error(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    from alems_pipeline import baseline_model

    roles = dict(con.execute("SELECT name, role FROM main.ml_feature_dictionary").fetchall())
    return baseline_model.held_out_error(con.sql("FROM main.ml_feature_table").pl(), roles)


_ROWS: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection], pl.DataFrame]]] = {
    "main.ml_baseline_error": _ml_baseline_error,
    "main.tax_statistics": _tax_statistics,
    "ml.sample_tables": sample_tables,
}
