"""What makes a landed row of experiment tracking bad, beside the rules of any contract."""

from typing import Final

import polars as pl

from alems_pipeline.rules import Rule
from collectors.contract_tracking import TRACKING_DATASETS
from collectors.dataset import Dataset

STORE_PATTERN: Final = r"^mlflow(_[a-z][a-z0-9_]{0,40})?$"  # it becomes the name of a schema

STORE: Final = "store is neither mlflow nor mlflow_<name> in small letters; import it by alems-collect mlflow"


def tracking_rules(dataset: Dataset) -> list[Rule]:
    """The rules of one dataset of experiment tracking; none for any other dataset."""
    return [Rule(STORE, ~pl.col("store").str.contains(STORE_PATTERN))] if dataset in TRACKING_DATASETS else []
