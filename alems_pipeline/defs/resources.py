"""Resources: the warehouse, bound to Dagster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from alems_pipeline.warehouse import Warehouse


class WarehouseResource(DuckDBResource):
    """A DuckDBResource whose connections are the warehouse's: locked, in one transaction, closed after a failure too.

    A run holds the warehouse's run lock from its first step to its last; sensors and schedules do not.
    """

    @property
    def files(self) -> Warehouse:
        """The warehouse that `database`, its build file, lies in."""
        return Warehouse(Path(self.database).parent)

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.files.write() as con:
            yield con

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WarehouseResource"]:
        if context.run is None:
            yield self
            return
        with self.files.run_lock(on_wait=lambda message: context.log.info(message) if context.log else None):
            yield self
