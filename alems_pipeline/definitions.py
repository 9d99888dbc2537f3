"""What Dagster loads: the defs folder, the warehouse it works on, one process per run."""

from pathlib import Path

import dagster as dg

from alems_pipeline.defs.resources import WarehouseResource
from alems_pipeline.warehouse import Warehouse, default_home


def build_defs(home: Path) -> dg.Definitions:
    """Everything, over the warehouse at `home`; tests give a temporary one."""
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(
        loaded,
        dg.Definitions(
            resources={"warehouse": WarehouseResource(database=str(Warehouse(home).build_path))},
            # A step takes 30 ms; a process for each would take 2 s.
            executor=dg.in_process_executor,
        ),
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_defs(default_home())
