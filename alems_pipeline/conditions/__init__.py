"""Run conditions: typed name-value pairs on any run, selected by a safe query language.

`query_text` parses a query, `compiler` makes SQL of it, `terms` holds what each operation means, `api` is for analysts.
"""

from alems_pipeline.conditions.api import (
    NoConditions,
    Rows,
    Run,
    RunCondition,
    RunNotFound,
    RunSelection,
    Statement,
    UnknownCondition,
    explain,
    get_run,
    list_conditions,
    run_range,
    select_runs,
    select_values,
)
from alems_pipeline.conditions.query_text import QueryFormatError

__all__ = [
    "NoConditions",
    "QueryFormatError",
    "Rows",
    "Run",
    "RunCondition",
    "RunNotFound",
    "RunSelection",
    "Statement",
    "UnknownCondition",
    "explain",
    "get_run",
    "list_conditions",
    "run_range",
    "select_runs",
    "select_values",
]
