"""Artifact rows to configs and metrics, one at a time: benchmark rows and both forms of evaluation results.

A row that cannot be mapped is None and counted in the SkipTracker with the raw value that did not resolve. The form for
whole columns of rows stands in `bulk.py`; a test holds the two together.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from alems_pipeline.benchmarks.rows import Row, flatten_row, is_out_of_range, physical_gpus
from alems_pipeline.keys import normalize_spec_method, parse_bool, parse_int, parse_isl_osl
from alems_pipeline.keys.registry import Registry, the_registry
from alems_pipeline.keys.resolve import (
    framework_and_disagg,
    resolve_hardware,
    resolve_model,
    resolve_precision,
)
from alems_pipeline.keys.values import bounded_int, metric_number, text_of

__all__ = [
    "SkipTracker",
    "map_agg_eval_row",
    "map_benchmark_row",
    "map_eval_row",
    "physical_gpus",
]

Mapped = dict[str, object]

EVAL_METRICS: Final = {
    "exact_match,strict-match": "em_strict",
    "exact_match_stderr,strict-match": "em_strict_se",
    "exact_match,flexible-extract": "em_flexible",
    "exact_match_stderr,flexible-extract": "em_flexible_se",
}
AGG_EVAL_METRICS: Final = ("n_eff", "score", "score_se")

SKIPS: Final = ("bad_zip", "bad_json", "unmapped_model", "unmapped_hw", "no_isl_osl", "out_of_range", "db_error")
RAW_VALUES: Final = ("unmapped_models", "unmapped_hws", "unmapped_precisions", "unknown_metrics", "errors")


@dataclass
class SkipTracker:
    """What was skipped, how often, and the raw values behind it ('' where a row gives none).

    Unknown precisions and metrics are kept in their rows and only reported here, once per name.
    """

    bad_zip: int = 0
    bad_json: int = 0
    unmapped_model: int = 0
    unmapped_hw: int = 0
    no_isl_osl: int = 0
    out_of_range: int = 0
    db_error: int = 0
    unmapped_models: Counter[str] = field(default_factory=Counter)
    unmapped_hws: Counter[str] = field(default_factory=Counter)
    unmapped_precisions: Counter[str] = field(default_factory=Counter)
    unknown_metrics: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # what went wrong in ZIPs and in the database

    def snapshot(self) -> dict[str, int | dict[str, int]]:
        """All counts as they are now: numbers by kind of skip, and raw value -> rows by kind of name."""
        counts: dict[str, int | dict[str, int]] = {name: getattr(self, name) for name in SKIPS}
        return counts | {name: dict(getattr(self, name)) for name in RAW_VALUES}

    def diff(self, before: Mapping[str, int | dict[str, int]]) -> dict[str, int | dict[str, int]]:
        """What came on top of an earlier snapshot; raw values that did not are left out."""
        changed: dict[str, int | dict[str, int]] = {}
        for name, now in self.snapshot().items():
            then = before[name]
            if isinstance(now, int) and isinstance(then, int):
                changed[name] = now - then
            elif isinstance(now, dict) and isinstance(then, dict):
                changed[name] = {raw: n - then.get(raw, 0) for raw, n in now.items() if n != then.get(raw, 0)}
        return changed


def map_benchmark_row(
    row: Row,
    tracker: SkipTracker,
    isl_osl_fallback: tuple[int, int] | None = None,
    *,
    registry: Registry | None = None,
) -> Mapped | None:
    """Config, sequence lengths (tokens), concurrency, image and metrics of a benchmark row; None where it is skipped.

    `isl_osl_fallback` is what the file name says (`parse_isl_osl`), for rows that do not say it themselves. Metrics
    keep their raw names and units. Nested rows and producer files are flattened first (`rows.flatten_row`); a producer
    file flattened with the collector's options comes here as a flat row. `registry`: by default the process's.
    """
    registry = registry or the_registry()
    row = flatten_row(row, registry=registry)
    metrics = _metrics(row, tracker, registry)
    identity = _identity(row, tracker, registry)
    if identity is None:
        return None
    fallback_isl, fallback_osl = isl_osl_fallback or (None, None)
    isl, osl, conc = (bounded_int(row.get(name)) for name in ("isl", "osl", "conc"))
    isl = fallback_isl if isl is None else isl
    osl = fallback_osl if osl is None else osl
    if not (isl and osl and conc):
        tracker.no_isl_osl += 1
        return None
    if is_out_of_range(row, isl, osl, conc):
        tracker.out_of_range += 1
        return None
    shape = _separate_roles(row) if "prefill_tp" in row else _one_role(row)
    image = text_of(row.get("image")).replace("#", "/")
    return {
        "config": _config(row, identity, shape, tracker, registry),
        "isl": isl,
        "osl": osl,
        "conc": conc,
        "image": image or None,
        "metrics": metrics,
    }


def map_eval_row(meta: Row, results: Row, tracker: SkipTracker, *, registry: Registry | None = None) -> list[Mapped]:
    """One mapping per task of an lm-eval result; [] where model or hardware is unknown, or there is no task.

    `meta` is the artifact's meta_env.json, `results` its results_*.json. `registry`: by default the process's.
    """
    registry = registry or the_registry()
    identity = _identity(meta, tracker, registry)
    tasks = results.get("results")
    if identity is None or not isinstance(tasks, Mapping) or not tasks:
        return []
    lengths = {name: bounded_int(meta.get(name)) or None for name in ("isl", "osl", "conc")}
    if is_out_of_range(meta, *(n for n in lengths.values() if n is not None)):
        tracker.out_of_range += 1
        return []
    config = _config(meta, identity, _one_role(meta), tracker, registry)
    samples = results.get("n-samples")
    return [
        {
            "config": config,
            "task": str(task).lower(),
            **lengths,
            "lm_eval_version": text_of(results.get("lm_eval_version")) or None,
            "metrics": _eval_metrics(values) | _effective_samples(samples, task),
        }
        for task, values in tasks.items()
    ]


def map_agg_eval_row(row: Row, tracker: SkipTracker, *, registry: Registry | None = None) -> Mapped | None:
    """The mapping of one row of a compiled evaluation file; None where model, hardware or task is missing.

    Sequence lengths stand only in its `source` path. `registry`: by default the process's.
    """
    registry = registry or the_registry()
    identity = _identity(row, tracker, registry)
    task = text_of(row.get("task")).lower()
    if identity is None or not task:
        return None
    isl, osl = parse_isl_osl(text_of(row.get("source"))) or (None, None)
    conc = bounded_int(row.get("conc")) or None
    if is_out_of_range(row, *(n for n in (isl, osl, conc) if n is not None)):
        tracker.out_of_range += 1
        return None
    known = {name: v for name, v in row.items() if name.startswith("em_") or name in AGG_EVAL_METRICS}
    return {
        "config": _config(row, identity, _one_role(row), tracker, registry),
        "task": task,
        "isl": isl,
        "osl": osl,
        "conc": conc,
        "lm_eval_version": None,
        "metrics": _eval_metrics(known),
    }


def _identity(row: Row, tracker: SkipTracker, registry: Registry) -> tuple[str, str] | None:
    """(model, hardware), or None with the first that does not resolve counted."""
    model = resolve_model(row, registry)
    if model.key is None:
        tracker.unmapped_model += 1
        tracker.unmapped_models[model.raw_value] += 1
        return None
    hardware = resolve_hardware(text_of(row.get("hw")), registry)
    if hardware.key is None:
        tracker.unmapped_hw += 1
        tracker.unmapped_hws[hardware.raw_value] += 1
        return None
    return model.key, hardware.key


def _config(row: Row, identity: tuple[str, str], shape: Mapped, tracker: SkipTracker, registry: Registry) -> Mapped:
    """The natural key of a config. An unknown precision is reported and kept."""
    model, hardware = identity
    framework, disagg = framework_and_disagg(text_of(row.get("framework")), row.get("disagg"), registry)
    precision = resolve_precision(text_of(row.get("precision")), registry)
    if precision.rule is None:
        tracker.unmapped_precisions[precision.raw_value] += 1
    return {
        "hardware": hardware,
        "framework": framework,
        "model": model,
        "precision": precision.key,
        "spec_method": normalize_spec_method(text_of(row.get("spec_decoding"))),
        "disagg": disagg,
        "is_multinode": parse_bool(row.get("is_multinode")),
        **shape,
    }


def _one_role(row: Row) -> Mapped:
    """The v1 layout: one tp, ep and dp_attention for both prefill and decode."""
    tp, ep = _or_one(row.get("tp")), _or_one(row.get("ep"))
    attention = parse_bool(row.get("dp_attention"))
    role = {"tp": tp, "ep": ep, "dp_attention": attention, "num_workers": 0}
    return {
        **{f"prefill_{name}": value for name, value in role.items()},
        **{f"decode_{name}": value for name, value in role.items()},
        "num_prefill_gpu": tp * ep,
        "num_decode_gpu": tp * ep,
    }


def _separate_roles(row: Row) -> Mapped:
    """The v2 layout: prefill and decode each say their own; a GPU count that is given stays, also 0."""
    shape: Mapped = {}
    counts: Mapped = {}
    for role in ("prefill", "decode"):
        tp, ep = _or_one(row.get(f"{role}_tp")), _or_one(row.get(f"{role}_ep"))
        shape[f"{role}_tp"] = tp
        shape[f"{role}_ep"] = ep
        shape[f"{role}_dp_attention"] = parse_bool(row.get(f"{role}_dp_attention"))
        shape[f"{role}_num_workers"] = parse_int(row.get(f"{role}_num_workers")) or 0
        given = parse_int(row.get(f"num_{role}_gpu"))
        counts[f"num_{role}_gpu"] = tp * ep if given is None else given
    return shape | counts


def _or_one(value: object) -> int:
    integer = parse_int(value)
    return 1 if integer is None else integer


def _metrics(row: Row, tracker: SkipTracker, registry: Registry) -> dict[str, float]:
    """Every numeric field that is no config, under its own name; names that the registry lacks are reported."""
    metrics = {
        name: number
        for name, value in row.items()
        if name not in registry.non_metric_keys and (number := metric_number(value)) is not None
    }
    tracker.unknown_metrics.update(metrics.keys() - registry.metrics)
    return metrics


def _eval_metrics(values: object) -> dict[str, float]:
    """The numeric results of a task, lm-eval's names shortened."""
    results: Row = values if isinstance(values, Mapping) else {}
    return {
        EVAL_METRICS.get(name, name): number
        for name, value in results.items()
        if name != "alias" and (number := metric_number(value)) is not None
    }


def _effective_samples(samples: object, task: str) -> dict[str, float]:
    counts = samples.get(task) if isinstance(samples, Mapping) else None
    effective = metric_number(counts.get("effective")) if isinstance(counts, Mapping) else None
    return {} if effective is None else {"n_eff": effective}
