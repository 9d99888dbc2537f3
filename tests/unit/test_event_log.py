"""The event log of runs in this process, read by Dagster's own classes."""

import shutil
from pathlib import Path

import dagster as dg

from alems_pipeline.event_log import open_instance

CONFIG = Path(__file__).parents[2] / "dagster.yaml"


@dg.asset
def thing() -> None:
    """An asset without value."""


def test_dagster_reads_the_runs_of_an_open_event_log(tmp_path: Path) -> None:
    shutil.copyfile(CONFIG, tmp_path / "dagster.yaml")
    with open_instance(tmp_path) as ours:
        done = [dg.materialize([thing], instance=ours).run_id for _ in range(2)]
        with dg.DagsterInstance.from_config(str(tmp_path)) as while_open:
            assert {run.run_id for run in while_open.get_runs()} == set(done)
    with dg.DagsterInstance.from_config(str(tmp_path)) as theirs:
        for run_id in done:
            types = [entry.dagster_event_type for entry in theirs.all_logs(run_id)]
            assert types[-1] == dg.DagsterEventType.RUN_SUCCESS
            assert dg.DagsterEventType.ASSET_MATERIALIZATION in types
        latest = theirs.get_latest_materialization_event(thing.key)
        assert latest is not None and latest.run_id == done[-1]
        dg.materialize([thing], instance=theirs)
    with open_instance(tmp_path) as again:
        assert len(again.get_runs()) == 3


def test_nothing_stays_open(tmp_path: Path) -> None:
    shutil.copyfile(CONFIG, tmp_path / "dagster.yaml")
    with open_instance(tmp_path) as instance:
        dg.materialize([thing], instance=instance)
    assert not list(tmp_path.rglob("*.db-wal"))
