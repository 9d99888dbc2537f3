"""Canonical keys of raw model, hardware, framework, precision and speculation names, one at a time.

`resolve_*` also say which rule matched (None: nothing did, and the raw name is to be counted as unmapped); the other
functions are the public scalar API. The forms for whole columns stand in `columns.py`; a test holds the two together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alems_pipeline.keys.registry import Registry, the_registry
from alems_pipeline.keys.values import parse_bool, text_of

# Shared with columns.py.
RUNNER_INDEX: Final = r"_[0-9]+$"
PRECISION_SUFFIX: Final = r"-(?:fp4|fp8|mxfp4|nvfp4)(?:-.*)?$"

_RUNNER_INDEX = re.compile(RUNNER_INDEX.replace("$", r"\Z"))
_PRECISION_SUFFIX = re.compile(PRECISION_SUFFIX.replace("$", r"\Z"))


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a raw name resolved to and by which rule; both None where nothing matched."""

    raw_value: str
    key: str | None
    rule: str | None


def resolve_hardware(raw: str, registry: Registry) -> Resolution:
    """Rules, in this order: `key`, `runner_index`, `suffix`, `first_segment`."""
    lower = raw.lower()
    unindexed = _RUNNER_INDEX.sub("", lower, count=1)
    stripped = unindexed
    for suffix in registry.hardware_suffixes:
        stripped = stripped.removesuffix(suffix)
    first_segment = stripped.rsplit(":", 1)[-1].split("-", 1)[0]
    candidates = {"key": lower, "runner_index": unindexed, "suffix": stripped, "first_segment": first_segment}
    for rule, key in candidates.items():
        if key in registry.hardware_tdp_w:
            return Resolution(raw, key, rule)
    return Resolution(raw, None, None)


def resolve_model(row: Mapping[str, object], registry: Registry) -> Resolution:
    """Rules: `prefix`, `prefix_alias`, `stripped_prefix`, `stripped_prefix_alias`, then `name`.

    The raw value is what resolved; of an unresolved row the prefix, or the model where there is no prefix.
    """
    prefix = text_of(row.get("model_prefix") if row.get("infmax_model_prefix") is None else row["infmax_model_prefix"])
    name = text_of(row.get("model"))
    if prefix:
        lower = prefix.lower()
        stripped = _PRECISION_SUFFIX.sub("", lower, count=1)
        for rule, candidate in (("prefix", lower), ("stripped_prefix", stripped)):
            if candidate in registry.models:
                return Resolution(prefix, candidate, rule)
            if candidate in registry.model_aliases:
                return Resolution(prefix, registry.model_aliases[candidate], f"{rule}_alias")
    if name in registry.model_names:
        return Resolution(name, registry.model_names[name], "name")
    return Resolution(prefix or name, None, None)


def resolve_framework(raw: str, registry: Registry) -> Resolution:
    """Rules: `alias`, `key`. An unknown framework keeps its lower-case name as key, with no rule."""
    lower = raw.lower()
    if lower in registry.framework_aliases:
        return Resolution(raw, registry.framework_aliases[lower].key, "alias")
    return Resolution(raw, lower, "key" if lower in registry.frameworks else None)


def resolve_precision(raw: str, registry: Registry) -> Resolution:
    """Rules: `alias`, `key`. An unknown precision keeps its lower-case name as key, with no rule."""
    lower = raw.lower()
    if lower in registry.precision_aliases:
        return Resolution(raw, registry.precision_aliases[lower], "alias")
    return Resolution(raw, lower, "key" if lower in registry.precisions else None)


def hw_to_gpu_key(raw: str | None) -> str | None:
    """The GPU type that a hardware or runner name stands for; None where it is not in the registry."""
    return resolve_hardware(text_of(raw), the_registry()).key


def resolve_model_key(row: Mapping[str, object]) -> str | None:
    """The model key of an artifact row, by its prefix before its model name; None where neither resolves."""
    return resolve_model(row, the_registry()).key


def normalize_framework(raw: str | None, disagg_field: object) -> tuple[str, bool]:
    """(canonical framework, whether prefill and decode are served apart: the alias decides before the field)."""
    return framework_and_disagg(text_of(raw), disagg_field, the_registry())


def framework_and_disagg(raw: str, disagg_field: object, registry: Registry) -> tuple[str, bool]:
    """normalize_framework with a given registry."""
    lower = raw.lower()
    alias = registry.framework_aliases.get(lower)
    if alias is None:
        return lower, parse_bool(disagg_field)
    return alias.key, parse_bool(disagg_field) if alias.disagg is None else alias.disagg


def resolve_framework_aliases(text: str) -> str:
    """The text with every framework alias in it replaced, longest alias first."""
    for alias, key in aliases_longest_first(the_registry()):
        text = text.replace(alias, key)
    return text


def aliases_longest_first(registry: Registry) -> list[tuple[str, str]]:
    """(alias, framework): longest first, so that `dynamo-trtllm` is not cut by `trtllm`."""
    ordered = sorted(registry.framework_aliases.items(), key=lambda item: -len(item[0]))
    return [(alias, framework.key) for alias, framework in ordered]


def normalize_precision(raw: str | None) -> str:
    """The precision in lower case, vendors' fp4 as fp4; empty where none is given."""
    return resolve_precision(text_of(raw), the_registry()).key or ""


def normalize_spec_method(raw: str | None) -> str:
    """The speculative decoding method in lower case; 'none' where none is given."""
    return text_of(raw).lower() or "none"
