"""Asset checks: the files of `sql/checks`, one step per layer; a failed blocking check stops what comes after."""

from collections.abc import Iterator

import dagster as dg

from alems_pipeline import build, sql_files
from alems_pipeline.build import TABLE_LAYERS
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.sql_asset import asset_key
from alems_pipeline.sql_files import SqlFile


def anchor(check: SqlFile, layer: str) -> dg.AssetKey:
    """The asset that a check hangs on: the first that it reads in its layer."""
    built_here = [asset_key(file.qualified_name) for file in sql_files.layer_files(layer)]
    read = [asset_key(name) for name in check.depends]
    return next((key for key in read if key in built_here), built_here[0])


def layer_checks(layer: str) -> dg.AssetChecksDefinition | None:
    """The checks that can run once `layer` is built, as one step; None where there are none."""
    checks = [check for check in sql_files.layer_files("checks") if build.check_layer(check) == layer]
    if not checks:
        return None
    layer_keys = [asset_key(file.qualified_name) for file in sql_files.layer_files(layer)]
    specs = [
        dg.AssetCheckSpec(
            check.name,
            asset=anchor(check, layer),
            description=check.description,
            blocking=check.severity == "error",
            additional_deps=[key for key in layer_keys if key != anchor(check, layer)],
        )
        for check in checks
    ]

    @dg.multi_asset_check(name=f"check_{layer}", specs=specs)
    def run_layer_checks(warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        with warehouse.get_connection() as con:
            results = build.run_checks(con, checks)
        for result in results:
            yield dg.AssetCheckResult(
                check_name=result.check.name,
                asset_key=anchor(result.check, layer),
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR if result.blocking else dg.AssetCheckSeverity.WARN,
                description=result.summary or None,
                metadata={
                    "findings": dg.TableMetadataValue(
                        records=[
                            dg.TableRecord({"table": table, "problem": problem, "rows": n})
                            for table, problem, n in result.findings
                        ],
                        schema=dg.TableSchema(
                            columns=[dg.TableColumn("table"), dg.TableColumn("problem"), dg.TableColumn("rows", "int")]
                        ),
                    )
                },
            )

    return run_layer_checks


@dg.definitions
def checks() -> dg.Definitions:
    found = (layer_checks(layer) for layer in TABLE_LAYERS)
    return dg.Definitions(asset_checks=[definition for definition in found if definition is not None])
