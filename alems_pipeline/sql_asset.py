"""Folders of `sql/` as Dagster assets: one multi-asset per layer, one asset per file, one transaction per step."""

import re
from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb

from alems_pipeline import build, sql_files
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.sql_files import SqlFile
from collectors.contract import SAMPLE_DATASETS

OWNERS = ["team:alems"]
STAGE_KEY = dg.AssetKey("stage")


def asset_key(qualified_name: str) -> dg.AssetKey:
    """The asset of a table: its name in main, schema and name elsewhere; the stage tables are one asset."""
    schema, name = sql_files.qualified(qualified_name).split(".")
    if schema in ("stage", "ops"):
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


def table_metadata(con: duckdb.DuckDBPyConnection, file: SqlFile) -> dict[str, Any]:
    """Row count, columns and column lineage of a table or view, read from the warehouse as it now is."""
    columns = con.execute(
        "SELECT column_name, data_type, NOT is_nullable, comment FROM duckdb_columns() "
        "WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
        [file.schema, file.name],
    ).fetchall()
    metadata: dict[str, Any] = {
        "dagster/table_name": file.qualified_name,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name, type_, description=doc, constraints=dg.TableColumnConstraints(nullable=not required)
                )
                for name, type_, required, doc in columns
            ]
        ),
        "dagster/column_lineage": _column_lineage(con, file, [row[0] for row in columns]),
    }
    if file.kind == "table":
        [(n_rows,)] = con.execute(f"SELECT count(*) FROM {file.qualified_name}").fetchall()
        metadata["dagster/row_count"] = n_rows
        if file.layer == "computed" and n_rows == 1:  # figures of the whole, to be seen over time
            row = con.execute(f"FROM {file.qualified_name}").fetchall()[0]
            metadata |= {column[0]: value for column, value in zip(columns, row, strict=True) if value is not None}
    return metadata


def _column_lineage(con: duckdb.DuckDBPyConnection, file: SqlFile, columns: list[str]) -> dg.TableColumnLineage:
    """Columns that a file carries on under their own name, each from the first table of its `depends` that has it.

    A computed column has none: its comment says what it is made of.
    """
    sources: dict[str, dg.TableColumnDep] = {}
    for name in file.depends:
        schema, table = sql_files.qualified(name).split(".")
        rows = con.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?", [schema, table]
        ).fetchall()
        for (column,) in rows:
            sources.setdefault(column, dg.TableColumnDep(asset_key(name), column))
    return dg.TableColumnLineage({column: [sources[column]] for column in columns if column in sources})


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
            metadata = {file: table_metadata(con, file) for file in selected}
        for file, values in metadata.items():
            yield dg.MaterializeResult(asset_key(file.qualified_name), metadata=values)

    return build_layer
