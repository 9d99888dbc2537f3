"""The feature table as a Parquet file, each column with its role, unit and meaning in its field metadata."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

LEAK_FREE = ("identifier", "split", "target", "feature")


def export(con: duckdb.DuckDBPyConnection, path: Path, *, leak_free: bool = False) -> int:
    """Write main.ml_feature_table to a file, in the order of run_id; returns its rows.

    `leak_free` leaves out the columns that are computed from the target's energy. The same warehouse gives the same
    bytes. Raises OSError.
    """
    described = con.execute(
        "SELECT name, role, unit, source, meaning FROM main.ml_feature_dictionary ORDER BY position"
    ).fetchall()
    kept = {row[0]: row[1:] for row in described if not leak_free or row[1] in LEAK_FREE}
    listed = ", ".join(f'"{name}"' for name in kept)
    table = con.sql(f"SELECT {listed} FROM main.ml_feature_table ORDER BY run_id").to_arrow_table()
    fields = [field.with_metadata(_field_metadata(*kept[field.name])) for field in table.schema]
    part = path.with_name(path.name + ".tmp")
    try:
        with part.open("wb") as file:  # here, since an error of Arrow would not name the path by itself
            pq.write_table(table.cast(pa.schema(fields)), file, compression="zstd")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return int(table.num_rows)


def _field_metadata(role: str, unit: str | None, source: str, meaning: str | None) -> dict[str, str]:
    found = {"role": role, "unit": unit, "source": source, "meaning": meaning}
    return {name: value for name, value in found.items() if value is not None}
