"""Fixtures that several tests share: landing folders made once per test run by the real collectors."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import hypothesis
import pytest

from collectors.sources.tabular import drop_dataset, drop_predictions
from tests.small_landing import drop_session
from tests.warehouses import TRACKED_RUN, land_examples, materialize, warehouse_with

# Another program on the machine must not fail a property.
hypothesis.settings.register_profile("alems", deadline=None)
hypothesis.settings.load_profile("alems")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`soak` tests run only when asked for."""
    if "soak" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="long; run it with `make soak`"))


@pytest.fixture(scope="session")
def example_landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two example stores, landed. Do not write here; link it into a warehouse."""
    landing = tmp_path_factory.mktemp("example") / "landing"
    land_examples(landing)
    return landing


@pytest.fixture(scope="session")
def three_day_landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pair on each of 1, 2 and 4 March 2026. Do not write here; link it into a warehouse."""
    landing = tmp_path_factory.mktemp("three-days") / "landing"
    drop_session(landing, [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 4)])
    return landing


@pytest.fixture(scope="session")
def mlflow_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that MLflow itself made, with everything in it. Do not write here; copy it."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    fill_mlflow_store(f"sqlite:///{path}", path.parent / "artifacts")
    return path


def fill_mlflow_store(url: str, artifacts: Path) -> None:
    """Let MLflow make a store and fill it. Takes seconds: a new store goes through all of MLflow's migrations."""
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'alems-pipeline[test]'")
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.mlflow_content", url, str(artifacts)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def example_home(example_landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published warehouse of the example stores and of a dataset with predictions. Leave it as it is."""
    folder = tmp_path_factory.mktemp("published")
    home = warehouse_with(example_landing, folder)
    (folder / "shapes.csv").write_text("size,kind\n1,a\n2,b\n")
    drop_dataset("shapes", folder / "shapes.csv", home / "landing", targets=["kind"])
    (folder / "predicted.csv").write_text("prediction\na\na\n")
    drop_predictions("shapes", folder / "predicted.csv", home / "landing", run_uuid=TRACKED_RUN, model="m", version=2)
    materialize(home)
    return home
