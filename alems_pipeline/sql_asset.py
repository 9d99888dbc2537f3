"""Folders of `sql/` as Dagster assets: one multi-asset per layer, one asset per file, one transaction per step."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg
import duckdb

from alems_pipeline import build, sql_files
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.sql_files import SqlFile
from collectors.contract import SAMPLE_DATASETS

OWNERS = ["team:alems"]
STAGE_KEY = dg.AssetKey("stage")


@cache
def asset_key(qualified_name: str) -> dg.AssetKey:
    """The asset of a table: its name in main, schema and name elsewhere; stage tables and views on them are one."""
    schema, name = sql_files.qualified(qualified_name).split(".")
    if schema in ("stage", "tracked", "ops"):
        return STAGE_KEY
    return dg.AssetKey(name) if schema == "main" else dg.AssetKey([schema, name])


def lake_key(dataset: str) -> dg.AssetKey:
    return dg.AssetKey(["lake", dataset])


def asset_deps(file: SqlFile) -> list[dg.AssetKey]:
    """What a file reads, as assets: its `depends`, and the lake datasets that stand in its text, whole or of a day."""
    keys = {asset_key(name) for name in file.depends}
    keys |= {lake_key(d.name) for d in SAMPLE_DATASETS if re.search(rf"{{lake:{d.name}}}|\bday_{d.name}\b", file.text)}
    # What reads nothing is built with the rest, after the landed days: a backfill would give it a run of its own.
    return sorted(keys - {asset_key(file.qualified_name)}, key=str) or [STAGE_KEY]


def asset_spec(file: SqlFile) -> dg.AssetSpec:
    """The asset of one SQL file."""
    return dg.AssetSpec(
        asset_key(file.qualified_name),
        deps=asset_deps(file),
        description=file.description,
        group_name=file.group or ("energy" if file.schema == "main" else file.schema),
        kinds={"duckdb", "sql", file.kind},
        owners=OWNERS,
        tags={"layer": file.layer},
        code_version=file.code_version,
        metadata={
            "dagster/table_name": file.qualified_name,
            "sql": dg.MetadataValue.path(f"sql/{file.layer}/{file.path.name}"),
        },
    )


def table_metadata(con: duckdb.DuckDBPyConnection, files: Iterable[SqlFile]) -> dict[SqlFile, dict[str, Any]]:
    """Row count, columns and column lineage of tables and views, read from the warehouse as it now is."""
    catalog: dict[str, list[tuple[str, str, bool, str | None]]] = defaultdict(list)
    for table, *column in con.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "ORDER BY schema_name, table_name, column_index"
    ).fetchall():
        catalog[table].append((column[0], column[1], column[2], column[3]))
    return {file: _metadata(con, file, catalog) for file in files}


def _metadata(
    con: duckdb.DuckDBPyConnection, file: SqlFile, catalog: Mapping[str, list[tuple[str, str, bool, str | None]]]
) -> dict[str, Any]:
    columns = catalog[file.qualified_name]
    metadata: dict[str, Any] = {
        "dagster/table_name": file.qualified_name,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name, type_, description=doc, constraints=dg.TableColumnConstraints(nullable=nullable))
                for name, type_, nullable, doc in columns
            ]
        ),
        "dagster/column_lineage": _column_lineage(
            file, {table: [column[0] for column in catalog[table]] for table in (file.qualified_name, *_read_by(file))}
        ),
    }
    if file.kind == "table":
        [(n_rows,)] = con.execute(f"SELECT count(*) FROM {file.qualified_name}").fetchall()
        metadata["dagster/row_count"] = n_rows
        if file.layer == "computed" and n_rows == 1:  # figures of the whole, to be seen over time
            row = con.execute(f"FROM {file.qualified_name}").fetchall()[0]
            metadata |= {column[0]: value for column, value in zip(columns, row, strict=True) if value is not None}
    return metadata


def _read_by(file: SqlFile) -> list[str]:
    return [sql_files.qualified(name) for name in file.depends]


def _column_lineage(file: SqlFile, columns: Mapping[str, list[str]]) -> dg.TableColumnLineage:
    """Columns that a file carries on under their own name, each from the first table of its `depends` that has it.

    A computed column has none: its comment says what it is made of.
    """
    sources: dict[str, dg.TableColumnDep] = {}
    for table in _read_by(file):
        for column in columns[table]:
            sources.setdefault(column, dg.TableColumnDep(asset_key(table), column))
    return dg.TableColumnLineage(
        {column: [sources[column]] for column in columns[file.qualified_name] if column in sources}
    )


def layer_asset(layer: str) -> dg.AssetsDefinition:
    """One multi-asset over a folder of `sql/`; any subset of it can be materialised, in dependency order."""
    files = sql_files.layer_files(layer)

    @dg.multi_asset(
        name=f"build_{layer}",
        specs=[asset_spec(file) for file in files],
        can_subset=True,
    )
    def build_layer(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        selected = [file for file in files if asset_key(file.qualified_name) in context.selected_asset_keys]
        with warehouse.get_connection() as con:
            build.build_tables(con, warehouse.files, selected)
            metadata = table_metadata(con, selected)
        for file, values in metadata.items():
            yield dg.MaterializeResult(asset_key(file.qualified_name), metadata=values)

    return build_layer
