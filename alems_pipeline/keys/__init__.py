"""Canonical keys of models, hardware, frameworks and precisions: the public scalar functions.

The registries behind them are tables (`sql/registry`), read by `registry.py`; `columns.py` holds the same functions for
whole columns, `resolve.py` those that also say which rule matched.
"""

from alems_pipeline.keys.resolve import (
    hw_to_gpu_key,
    normalize_framework,
    normalize_precision,
    normalize_spec_method,
    resolve_framework_aliases,
    resolve_model_key,
)
from alems_pipeline.keys.values import parse_bool, parse_int, parse_isl_osl, parse_num

__all__ = [
    "hw_to_gpu_key",
    "normalize_framework",
    "normalize_precision",
    "normalize_spec_method",
    "parse_bool",
    "parse_int",
    "parse_isl_osl",
    "parse_num",
    "resolve_framework_aliases",
    "resolve_model_key",
]
