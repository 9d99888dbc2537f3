"""Dagster's event log for runs in this process, with connections that stay open for the length of a run.

Dagster opens an SQLite database anew for each of hundreds of events, which took a third of a run's time. Its UI and
daemon keep Dagster's own way: they watch the files, which only a closing connection writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine


class OpenEventLog(SqliteEventLogStorage):
    """The same databases in the same folder. A connection has one user at a time, by the lock of Dagster."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "OpenEventLog":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard not in self._engines:
            with super()._connect(shard):
                pass  # makes the database, or brings it up to date
            self._engines[shard] = engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": 60, "check_same_thread": False},
            )
            with engine.connect() as connection:
                # Of a power failure the last events are not worth a sync of the disk for each of them; with the
                # write-ahead log that Dagster sets, the file stays whole all the same.
                connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        with self._db_lock, self._engines[shard].begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def open_instance(home: Path) -> dg.DagsterInstance:
    """The Dagster instance of a folder, for runs in this process."""
    folders = {"run_storage": "history", "event_log_storage": "history/runs", "schedule_storage": "schedules"}
    classes = {
        "run_storage": ("dagster._core.storage.runs", "SqliteRunStorage"),
        "event_log_storage": (__name__, OpenEventLog.__name__),
        "schedule_storage": ("dagster._core.storage.schedules", "SqliteScheduleStorage"),
    }
    storages = {
        kind: {"module": module, "class": class_, "config": {"base_dir": str(home / folders[kind])}}
        for kind, (module, class_) in classes.items()
    }
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=storages))
