"""A copy of the published file with the lake files that its views read."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from alems_pipeline.lake_files import write_empty_files
from alems_pipeline.sql_files import sql_text
from alems_pipeline.warehouse import Warehouse, connect_published
from collectors.drop import sync


def copy_published(warehouse: Warehouse, folder: Path, on_file: Callable[[int, int], None]) -> Path:
    """Copy into a new folder and return it. The DuckDB file gets its name last: a folder without it is no backup.

    Raises NotPublished; FileExistsError where `folder` holds anything but a backup that was broken off.
    """
    copy = Warehouse(folder)
    if copy.published_path.exists() or (copy.home.exists() and not copy.lake.exists()):
        raise FileExistsError(f"{folder}: exists already; a backup goes to a new folder")
    with connect_published(warehouse.published_path) as con:
        paths = [Path(row[0]) for row in con.execute("SELECT path FROM ops.lake_files ORDER BY path").fetchall()]
    write_empty_files(copy.lake)
    for number, path in enumerate(paths, 1):
        target = copy.lake / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(warehouse.lake / path, target)
        on_file(number, len(paths))
    part = copy.home / "alems.duckdb.part"
    shutil.copyfile(warehouse.published_path, part)
    part.chmod(0o644)
    _point_views(part, warehouse.lake, copy.lake)
    part.chmod(0o444)
    os.sync()
    part.replace(copy.published_path)
    sync(copy.home)
    return copy.home


def _point_views(path: Path, lake: Path, copied_lake: Path) -> None:
    """Make the views of a DuckDB file that read `lake` read `copied_lake`, otherwise as they are."""
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        views = con.execute(
            "SELECT schema_name || '.' || view_name, comment, sql FROM duckdb_views() WHERE contains(sql, ?)",
            [f"'{lake}/"],
        ).fetchall()
        for name, comment, sql in views:
            documented = con.execute(
                "SELECT column_name, comment FROM duckdb_columns() "
                "WHERE schema_name || '.' || table_name = ? AND comment IS NOT NULL",
                [name],
            ).fetchall()
            con.execute(
                sql.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1).replace(f"'{lake}/", f"'{copied_lake}/")
            )
            con.execute(f"COMMENT ON VIEW {name} IS {sql_text(comment)}")
            for column, doc in documented:
                con.execute(f'COMMENT ON COLUMN {name}."{column}" IS {sql_text(doc)}')
