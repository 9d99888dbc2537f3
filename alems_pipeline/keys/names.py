"""Plain names of models, hardware, frameworks and precisions, as measured runs and other systems give them: one name,
nothing beside it.

For any further source: resolve each different name by `resolve_name`, count it in `main.name_keys`
(`alems_pipeline.name_keys`), and join that table by kind and name.
"""

from collections.abc import Mapping
from typing import Final, Literal

from alems_pipeline.keys.registry import Registry
from alems_pipeline.keys.resolve import (
    Resolution,
    resolve_framework,
    resolve_hardware,
    resolve_model,
    resolve_precision,
)

Kind = Literal["model", "hardware", "framework", "precision"]
KINDS: Final[tuple[Kind, ...]] = ("model", "hardware", "framework", "precision")


def resolve_name(kind: Kind, raw: str, registry: Registry) -> Resolution:
    """What a plain name stands for and by which rule.

    A model's name is one of the registry's names, else a prefix as artifacts write it; hardware is a product name as
    its driver writes it, else a runner's name.
    """
    if kind == "hardware" and raw in registry.hardware_names:
        return Resolution(raw, registry.hardware_names[raw], "name")
    if kind == "hardware":
        return resolve_hardware(raw, registry)
    if kind == "framework":
        return resolve_framework(raw, registry)
    if kind == "precision":
        return resolve_precision(raw, registry)
    named = resolve_model({"model": raw}, registry)
    return named if named.key is not None else resolve_model({"model_prefix": raw}, registry)


def explain(raw: str, registry: Registry) -> Mapping[Kind, Resolution]:
    """What a name stands for in each kind."""
    return {kind: resolve_name(kind, raw, registry) for kind in KINDS}
