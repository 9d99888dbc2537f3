"""A copy of the published file with the lake files that its views read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from alems_pipeline import lake, sql_files
from alems_pipeline.lake_files import write_empty_files
from alems_pipeline.warehouse import Warehouse, connect_published


def copy_published(warehouse: Warehouse, folder: Path, on_file: Callable[[int, int], None]) -> Path:
    """Copy into a new folder, made whole or not at all; returns it. Raises NotPublished, FileExistsError."""
    folder = folder.resolve()
    if folder.exists():
        raise FileExistsError(f"{folder}: exists already; a backup goes to a new folder")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with connect_published(warehouse.published_path) as con:
        paths = [Path(row[0]) for row in con.execute("SELECT path FROM ops.lake_files ORDER BY path").fetchall()]
    copy = Warehouse(part)
    for number, path in enumerate(paths, 1):
        target = copy.lake / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(warehouse.lake / path, target)
        on_file(number, len(paths))
    part.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(warehouse.published_path, copy.published_path)
    write_empty_files(copy.lake)
    part.rename(folder)
    _point_views(Warehouse(folder))
    return folder


def _point_views(copy: Warehouse) -> None:
    """Make the sample views of the copy read the copy's lake."""
    with duckdb.connect(str(copy.published_path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        for file in sql_files.layer_files("views"):
            if "{lake:" in file.text:
                sql_files.run(con, file, lambda dataset: lake.published_paths(con, copy, dataset))
                sql_files.comment(con, [file])
    copy.published_path.chmod(0o444)
