"""What makes a landed row of serving benchmarks bad, beside the rules of any contract."""

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from alems_pipeline.rules import Rule
from collectors.contract import FIRST_DAY
from collectors.contract_inference import INFERENCE_ARTIFACTS, MAX_ATTEMPT
from collectors.dataset import Dataset

FIRST_TIME: Final = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
AHEAD: Final = timedelta(days=2)  # the clocks of two hosts, and a day that begins earlier elsewhere


def inference_rules(dataset: Dataset) -> list[Rule]:
    """The rules of artifact rows; none for any other dataset."""
    if dataset is not INFERENCE_ARTIFACTS:
        return []
    created, recorded = pl.col("created_at"), pl.col("recorded_at")
    return [
        Rule(
            f"run_attempt is none of 1 … {MAX_ATTEMPT:,}; give the collector --attempt",
            ~pl.col("run_attempt").is_between(1, MAX_ATTEMPT),
        ),
        Rule(
            f"created_at is before {FIRST_DAY} or after its collection; give the collector --date",
            ~created.is_between(FIRST_TIME, recorded + AHEAD),
        ),
        Rule("row_index is below 0; number the rows of a file from 0", pl.col("row_index") < 0),
    ]
