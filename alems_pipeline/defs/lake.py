"""The lake layer: landed days, validated and reduced to run energies, partitioned by day."""

import time
from collections.abc import Iterator
from datetime import date

import dagster as dg

from alems_pipeline import build, sql_files
from alems_pipeline.defs.partitions import days
from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.sql_asset import OWNERS, STAGE_KEY, asset_key, asset_spec, lake_key, table_metadata
from collectors.contract import RECORD_DATASETS, SAMPLE_DATASETS

DAY_DONE, DAY_GOES_ON = "built", "building"  # how the messages begin that tell of progress
TELL_EVERY_S = 5

_RECORDS = [dataset.name for dataset in RECORD_DATASETS]
DAY_FILES = sql_files.layer_files("day")

LAKE_KEYS = [lake_key(dataset.name) for dataset in SAMPLE_DATASETS]
DAY_KEYS = [asset_key(file.qualified_name) for file in DAY_FILES]


def specs() -> list[dg.AssetSpec]:
    """The assets of a day: its records, its lake files, what is reduced from them. (A list at module level would be
    loaded by Dagster a second time.)"""
    stage = dg.AssetSpec(
        STAGE_KEY,
        description=f"Validated landing records, a table stage.<dataset> for each of {', '.join(_RECORDS)}",
        group_name="landing",
        kinds={"parquet", "duckdb"},
        owners=OWNERS,
        tags={"layer": "stage"},
        code_version=build.DAY_CODE,
    )
    lake_files = [
        stage.replace_attributes(
            key=lake_key(dataset.name),
            deps=[STAGE_KEY],
            description=dataset.doc,
            kinds={"parquet", "polars"},
            tags={"layer": "lake"},
        )
        for dataset in SAMPLE_DATASETS
    ]
    reduced = [asset_spec(file).replace_attributes(group_name="landing") for file in DAY_FILES]
    return [stage, *lake_files, *reduced]


@dg.multi_asset(
    name="build_lake",
    specs=specs(),
    partitions_def=days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,  # a backfill from the UI asks for it; the day is built whole whatever the selection
)
def build_lake(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
    """Build days from all their landing files; a day is one unit, so its assets are never built apart."""
    wanted = [date.fromisoformat(key) for key in context.partition_keys]
    done = 0
    told_at = time.monotonic()

    def report(day: date) -> None:
        nonlocal done
        done += 1
        context.log.info(f"{DAY_DONE} {day} ({done} of {len(wanted)} days)")

    def report_rows(dataset: str, n_done: int, n_rows: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            context.log.info(f"{DAY_GOES_ON} {wanted[done]}: {dataset}, {n_done:,} of {n_rows:,} rows")

    rows = build.build_days(warehouse.files, wanted, report, report_rows)
    selected = context.selected_asset_keys
    for day, stored in rows.items():
        counts = {
            STAGE_KEY: sum(stored.get(name, 0) for name in _RECORDS),
            **{lake_key(dataset.name): stored.get(dataset.name, 0) for dataset in SAMPLE_DATASETS},
        }
        for key in counts.keys() & selected:
            context.add_asset_metadata(
                {"dagster/partition_row_count": counts[key]}, asset_key=key, partition_key=day.isoformat()
            )
    with warehouse.get_connection() as con:
        metadata = {asset_key(file.qualified_name): of for file, of in table_metadata(con, DAY_FILES).items()}
    for key in [STAGE_KEY, *LAKE_KEYS, *DAY_KEYS]:
        if key in selected:
            yield dg.MaterializeResult(key, metadata=metadata.get(key))
