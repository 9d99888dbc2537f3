"""What makes a landed row of run conditions bad: the rules of its datasets, beside those of any contract.

What depends on other rows (an unknown run or type, another value than the run has) is decided where all of them are
known: in sql/core/rcdb.condition_statements.sql.
"""

from typing import Final

import polars as pl

from alems_pipeline.rules import Rule
from collectors.contract_conditions import (
    CONDITION_DATASETS,
    RCDB_CONDITION_TYPES,
    RCDB_CONDITIONS,
    RCDB_RUN_PERIODS,
    VALUE_COLUMNS,
    VALUE_TYPES,
    WRITTEN_CONDITIONS,
)
from collectors.dataset import Dataset

SCHEMA_PATTERN: Final = r"^rcdb(_[a-z][a-z0-9_]{0,40})?$"  # it becomes the name of a schema

SCHEMA: Final = "schema_name is neither rcdb nor rcdb_<name> in small letters; mend the collector"
VALUE_TYPE: Final = f"value_type is none of {', '.join(VALUE_TYPES)}; use one of these"
NO_NAME: Final = "the condition's name is empty; give it one"
ONE_VALUE: Final = "not exactly the column of its value type is set; mend the collector"
MORE_VALUES: Final = "more than one value is set; dispatch on the value type"
REVERSED: Final = "run_max is below run_min; give the smaller one first"


def condition_rules(dataset: Dataset) -> list[Rule]:
    """The rules of one dataset of run conditions; none for any other dataset."""
    if dataset not in CONDITION_DATASETS:
        return []
    rules = []
    if "schema_name" in dataset.column_names:
        rules.append(Rule(SCHEMA, ~pl.col("schema_name").str.contains(SCHEMA_PATTERN)))
    columns = dict.fromkeys(VALUE_COLUMNS.values())
    n_set = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int8) for name in columns)
    if dataset is RCDB_CONDITIONS:
        rules.append(Rule(MORE_VALUES, n_set > 1))
    if dataset in (RCDB_CONDITION_TYPES, WRITTEN_CONDITIONS):
        rules.append(Rule(VALUE_TYPE, ~pl.col("value_type").is_in(VALUE_TYPES)))
        rules.append(Rule(NO_NAME, pl.col("name").str.len_bytes() == 0))
    if dataset is WRITTEN_CONDITIONS:
        its_own = [
            (pl.col("value_type") == value_type) & pl.col(column).is_not_null()
            for value_type, column in VALUE_COLUMNS.items()
        ]
        rules.append(Rule(ONE_VALUE, (n_set != 1) | ~pl.any_horizontal(its_own)))
    if dataset is RCDB_RUN_PERIODS:
        rules.append(Rule(REVERSED, pl.col("run_max") < pl.col("run_min")))
    return rules
