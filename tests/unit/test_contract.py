"""The landing contract: its own rules, and that it has a place for everything an A-LEMS store holds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collectors import contract
from collectors.contract import DATASETS, RECORD_DATASETS, SAMPLE_DATASETS
from collectors.contract_conditions import CONDITION_DATASETS
from collectors.contract_datasets import ML_DATASETS
from collectors.contract_inference import INFERENCE_DATASETS
from collectors.contract_outcomes import OUTCOME_DATASETS
from collectors.contract_tracking import TRACKING_DATASETS
from collectors.contract_usage import USAGE_DATASETS
from collectors.dataset import TS, B, D, Dataset, I, R, T
from collectors.sources.alems_values import RUN_RESULTS

STORE = Path(__file__).parent.parent / "data" / "host_a.db"

every_dataset = pytest.mark.parametrize("dataset", DATASETS.values(), ids=list(DATASETS))


@every_dataset
def test_a_dataset_is_sound(dataset: Dataset) -> None:
    names = dataset.column_names
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and name.isidentifier() for name in names)
    assert set(dataset.key) <= set(names), "the key consists of columns"
    assert any(c.required for c in dataset.columns if c.name in dataset.key)
    assert all(c.doc.strip() and "\n" not in c.doc for c in dataset.columns), "every column has a sentence"
    assert {c.type for c in dataset.columns} <= {I, R, T, B, TS, D}
    assert dataset.doc.endswith(".")


@every_dataset
def test_the_schema_says_what_the_dataset_says(dataset: Dataset) -> None:
    assert dataset.schema.names == dataset.column_names
    for column in dataset.columns:
        field = dataset.schema.field(column.name)
        assert (field.type, field.nullable) == (column.type, not column.required)
        assert field.metadata[b"doc"].decode() == column.doc


@every_dataset
def test_units_are_in_the_names(dataset: Dataset) -> None:
    units = {
        "_ns": I,
        "_uj": I,
        "_mj": I,
        "_mw": I,
        "_ms": R,
        "_mhz": R,
        "_watts": R,
        "_percent": R,
        "_at": TS,
        "_json": T,
    }
    if dataset.name.startswith("mlflow_"):  # its columns are named, and typed, by MLflow
        del units["_ms"]
    for column in dataset.columns:
        for unit, type_ in units.items():
            if column.name.endswith(unit):
                assert column.type == type_, column.name


@every_dataset
def test_of_several_records_one_is_the_newest(dataset: Dataset) -> None:
    if dataset.newest_wins:
        recorded_at = next(c for c in dataset.columns if c.name == "recorded_at")
        assert recorded_at.required
        assert recorded_at.name not in dataset.key


def test_samples_belong_to_a_run_and_a_time() -> None:
    assert {d.name for d in SAMPLE_DATASETS} == {
        "energy_samples", "cpu_samples", "interrupt_samples", "thermal_samples", "gpu_samples",
    }  # fmt: skip
    for dataset in SAMPLE_DATASETS:
        assert dataset.has_run
        assert dataset.key[:2] == ("run_key", "timestamp_ns")
        assert not dataset.newest_wins
    assert [d.name for d in DATASETS.values()] == [d.name for d in (*RECORD_DATASETS, *SAMPLE_DATASETS)]


def test_an_environment_is_hashed_over_all_that_describes_it() -> None:
    names = contract.ENVIRONMENT_CONFIG.column_names
    described = [n for n in names if n not in ("env_id", "source_system", "host", "recorded_at", "created_at")]
    assert list(contract.ENVIRONMENT_COLUMNS) == described


@pytest.fixture
def stored_columns() -> Iterator[dict[str, set[str]]]:
    with closing(sqlite3.connect(f"file:{STORE}?mode=ro", uri=True)) as con:
        tables = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        yield {t: {row[1] for row in con.execute(f"PRAGMA table_info({t})")} for t in tables}


# What A-LEMS stores under a name of its own, and the contract's name for it.
RENAMED = {
    "exp_id": "exp_key", "run_id": "run_key", "event_id": "source_event_id", "interaction_id": "source_interaction_id",
    "linear_run_id": "linear_run_key", "agentic_run_id": "agentic_run_key",
}  # fmt: skip
# The pipeline makes these itself, from what stands beside them.
REPLACED = {
    "energy_samples": {"sample_id"}, "cpu_samples": {"sample_id"}, "interrupt_samples": {"sample_id"},
    "thermal_samples": {"sample_id"}, "reported_tax": {"comparison_id"}, "runs": set(RUN_RESULTS),
    "orchestration_events": {"duration_ns", "event_energy_uj", "tax_contribution_uj", "tax_percent"},
}  # fmt: skip


# Not of A-LEMS, or of a later one than that of the example store.
NOT_IN_THE_STORE = {
    *("gpu_samples", "run_conditions", "rejected_lines"),
    *(
        dataset.name
        for datasets in (
            OUTCOME_DATASETS,
            USAGE_DATASETS,
            ML_DATASETS,
            TRACKING_DATASETS,
            CONDITION_DATASETS,
            INFERENCE_DATASETS,
        )
        for dataset in datasets
    ),
}


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in NOT_IN_THE_STORE])
def test_there_is_a_place_for_all_that_alems_stores(name: str, stored_columns: dict[str, set[str]]) -> None:
    stored = stored_columns["orchestration_tax_summary" if name == "reported_tax" else name]
    homeless = {RENAMED.get(column, column) for column in stored} - set(DATASETS[name].column_names)
    assert homeless == REPLACED.get(name, set())


def test_run_readings_bear_the_names_that_alems_gives_them(stored_columns: dict[str, set[str]]) -> None:
    assert {c.name for c in contract.RUN_READINGS} <= stored_columns["runs"]
