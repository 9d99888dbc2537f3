"""The registries of `sql/registry`: read from their CSV files and checked. Nothing that they say stands in code."""

import csv
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

REGISTRY_ROOT: Final = Path(__file__).resolve().parents[2] / "sql" / "registry"

FIGURES: Final = ("power_kw", "cost_hyperscaler_usd_h", "cost_neocloud_usd_h", "cost_rental_usd_h")


class BrokenRegistry(ValueError):
    """A registry file contradicts itself or another; the message names file, value, rule and remedy."""


@dataclass(frozen=True)
class FrameworkAlias:
    """What a framework alias stands for; `disagg` is None where it says nothing about disaggregated serving."""

    key: str
    disagg: bool | None


@dataclass(frozen=True)
class Epoch:
    """A set of power and cost figures that counts from `valid_from`, None meaning from the start."""

    name: str
    valid_from: datetime.date | None


@dataclass(frozen=True)
class Registry:
    """All registries that the key functions, the mapping and the curves need."""

    models: Mapping[str, str]  # key -> display name
    model_aliases: Mapping[str, str]  # lower-case prefix -> key
    model_names: Mapping[str, str]  # exact name -> key
    hardware_tdp_w: Mapping[str, float | None]  # key -> W of one GPU
    hardware_names: Mapping[str, str]  # exact product name of a driver -> key
    hardware_suffixes: tuple[str, ...]  # in the order in which they are stripped
    epochs: tuple[Epoch, ...]  # oldest first
    hardware_values: Mapping[tuple[str, str], Mapping[str, float | None]]  # (key, epoch) -> figures
    frameworks: frozenset[str]
    framework_aliases: Mapping[str, FrameworkAlias]  # lower-case alias -> framework
    precisions: frozenset[str]
    precision_aliases: Mapping[str, str]
    metrics: frozenset[str]
    hot_metrics: tuple[str, ...]
    non_metric_keys: frozenset[str]
    config_columns: tuple[str, ...]  # the natural key of a config

    def hardware_figures(self, key: str, on: datetime.date | None = None) -> dict[str, float | None]:
        """Power (kW) and cost ($/GPU-h) of a GPU type on a day, by default the latest; gaps are inherited.

        A figure that no epoch up to that day gives is None, as are all figures of an unknown key.
        """
        figures: dict[str, float | None] = dict.fromkeys(FIGURES)
        for epoch in self.epochs:
            if on is None or epoch.valid_from is None or epoch.valid_from <= on:
                known = self.hardware_values.get((key, epoch.name), {})
                figures.update({name: value for name, value in known.items() if value is not None})
        return figures


def read_registry(root: Path = REGISTRY_ROOT) -> Registry:
    """Read and check the registries. Raises BrokenRegistry."""
    models = _mapping(root, "models", "model_key", "display_name")
    hardware = _rows(root, "hardware")
    frameworks = frozenset(_unique(root, "frameworks", "framework_key"))
    precisions = frozenset(_unique(root, "precisions", "precision_key"))
    metrics = _rows(root, "metrics")
    epochs = sorted(_rows(root, "hardware_epochs"), key=lambda row: int(row["position"]))
    hardware_keys = _unique(root, "hardware", "hardware_key")
    values = _rows(root, "hardware_values")

    for name, keys in (("models", models), ("hardware", hardware_keys), ("frameworks", frameworks)):
        _require(root, name, (k for k in keys if k != k.lower()), "keys are lower case")
    _require(root, "hardware_values", _unknown(values, "hardware_key", hardware_keys), "needs a line in hardware.csv")
    _require(
        root,
        "hardware_values",
        _unknown(values, "epoch", {row["epoch"] for row in epochs}),
        "needs a line in hardware_epochs.csv",
    )
    return Registry(
        models=models,
        model_aliases=_aliases(root, "model_aliases", "alias", "model_key", models),
        model_names=_aliases(root, "model_names", "raw_name", "model_key", models, folded=False),
        hardware_tdp_w={row["hardware_key"]: _number(root, "hardware", row["tdp_w"]) for row in hardware},
        hardware_names=_aliases(root, "hardware_names", "raw_name", "hardware_key", hardware_keys, folded=False),
        hardware_suffixes=tuple(
            row["suffix"] for row in sorted(_rows(root, "hardware_suffixes"), key=lambda row: int(row["position"]))
        ),
        epochs=tuple(
            Epoch(row["epoch"], datetime.date.fromisoformat(row["valid_from"]) if row["valid_from"] else None)
            for row in epochs
        ),
        hardware_values={
            (row["hardware_key"], row["epoch"]): {f: _number(root, "hardware_values", row[f]) for f in FIGURES}
            for row in values
        },
        frameworks=frameworks,
        framework_aliases={
            alias: FrameworkAlias(key, _flag(root, "framework_aliases", disagg))
            for (alias, key), disagg in zip(
                _aliases(root, "framework_aliases", "alias", "framework_key", frameworks).items(),
                (row["disagg"] for row in _rows(root, "framework_aliases")),
                strict=True,
            )
        },
        precisions=precisions,
        precision_aliases=_aliases(root, "precision_aliases", "alias", "precision_key", precisions),
        metrics=frozenset(_unique(root, "metrics", "metric_key")),
        hot_metrics=tuple(row["metric_key"] for row in metrics if row["is_hot_column"] == "true"),
        non_metric_keys=frozenset(_unique(root, "non_metric_keys", "field")),
        config_columns=tuple(
            row["column_name"]
            for row in sorted(_rows(root, "natural_keys"), key=lambda row: int(row["position"]))
            if row["table_name"] == "configs"
        ),
    )


@cache
def the_registry() -> Registry:
    """The registry of this process, read once. A pipeline step reads its own, so that a change counts at once."""
    return read_registry()


def _rows(root: Path, name: str) -> list[dict[str, str]]:
    with (root / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _unique(root: Path, name: str, column: str) -> list[str]:
    values = [row[column] for row in _rows(root, name)]
    _require(root, name, (v for v in values if values.count(v) > 1), f"{column} is unique; remove one of the lines")
    return values


def _mapping(root: Path, name: str, key: str, value: str) -> dict[str, str]:
    _unique(root, name, key)
    return {row[key]: row[value] for row in _rows(root, name)}


def _aliases(
    root: Path, name: str, alias: str, key: str, known: Iterable[str], *, folded: bool = True
) -> dict[str, str]:
    """Alias -> key, each key being a known one; `folded` aliases are looked up in lower case and so must be lower."""
    aliases = _mapping(root, name, alias, key)
    known = set(known)
    _require(root, name, (a for a, k in aliases.items() if k not in known), f"{key} is not registered; add it first")
    if folded:
        _require(root, name, (a for a in aliases if a != a.lower()), "aliases are lower case")
    return aliases


def _unknown(rows: Iterable[Mapping[str, str]], column: str, known: Iterable[str]) -> Iterable[str]:
    known = set(known)
    return (row[column] for row in rows if row[column] not in known)


def _require(root: Path, name: str, offenders: Iterable[str], rule: str) -> None:
    for value in offenders:
        raise BrokenRegistry(f"{root / name}.csv: {value!r}: {rule}")


def _number(root: Path, name: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise BrokenRegistry(f"{root / name}.csv: {text!r}: must be a number or empty") from error


def _flag(root: Path, name: str, text: str) -> bool | None:
    _require(root, name, [text] if text not in ("", "true", "false") else [], "must be true, false or empty")
    return text == "true" if text else None
