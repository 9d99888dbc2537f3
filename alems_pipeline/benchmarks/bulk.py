"""Benchmark rows by the million: `mapping.map_benchmark_row` for whole columns, without a Python loop over rows.

The raw JSON goes through `flat_tables` in batches, on all cores; keys and configs are resolved over all rows at once.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from alems_pipeline.benchmarks.flat_tables import flatten_rows, hot_columns, is_beyond
from alems_pipeline.benchmarks.mapping import SkipTracker
from alems_pipeline.benchmarks.rows import MAX_LENGTH, MAX_SIZE, ROLES, SIZES
from alems_pipeline.keys import columns
from alems_pipeline.keys.registry import Registry, the_registry

BATCH_ROWS: Final = 16_384
MEAN_POWER_OVER_TDP: Final = 1.1  # GPUs hold their limit on average, but for the sensor's error


def map_benchmark_rows(frame: pl.DataFrame, tracker: SkipTracker, registry: Registry | None = None) -> pl.DataFrame:
    """One line per row of `frame`, in its order; `reason` says why a row is skipped (as in SkipTracker), else null.

    `frame` has `raw` (a row's JSON text), and optionally `name` (its file's name, for sequence lengths that the row
    lacks) and `options` (JSON object of what the collector was told about producer files). The result has the config's
    natural key, isl, osl, conc, image, metrics (JSON object), the hot metrics and FURTHER_METRICS as columns,
    physical_gpus, n_successful, measured_power_valid, and per kind of name `<kind>_raw`, `<kind>_rule`.
    """
    registry = registry or the_registry()
    absent = [pl.lit(None, pl.String).alias(name) for name in ("name", "options") if name not in frame.columns]
    rows = frame.with_columns(absent).select("raw", "options", "name")
    batches = [rows.slice(start, BATCH_ROWS) for start in range(0, max(rows.height, 1), BATCH_ROWS)]
    with ThreadPoolExecutor(min(len(batches), os.cpu_count() or 1)) as pool:
        parts = list(pool.map(lambda batch: flatten_rows(batch, registry), batches))
    for _, unknown in parts:
        tracker.unknown_metrics.update(unknown)
    flat = pl.concat(part for part, _ in parts).with_columns(rows["name"])
    mapped = _resolve(flat, registry)
    _count_skips(mapped, tracker)
    return mapped


def _resolve(flat: pl.DataFrame, registry: Registry) -> pl.DataFrame:
    """The flat rows with canonical keys, the config's natural key and the reason for which a row is skipped."""
    framework, disagg = columns.normalize_framework(pl.col("framework"), pl.col("disagg"), registry)
    fallback_isl, fallback_osl = columns.parse_isl_osl(pl.col("name"))
    of_model = columns.resolve_model(pl.col("infmax_model_prefix"), pl.col("model_prefix"), pl.col("model"), registry)
    resolved = flat.with_columns(
        _over_unique(flat, ("infmax_model_prefix", "model_prefix", "model"), of_model).alias("of_model"),
        _over_unique(flat, ("hw",), columns.resolve_hardware(pl.col("hw"), registry)).alias("of_hardware"),
        columns.resolve_framework(pl.col("framework"), registry).alias("of_framework"),
        columns.resolve_precision(pl.col("precision"), registry).alias("of_precision"),
        framework.alias("framework"),
        disagg.alias("disagg"),
        columns.normalize_spec_method(pl.col("spec_decoding")).alias("spec_method"),
        pl.coalesce("isl", fallback_isl).alias("isl"),
        pl.coalesce("osl", fallback_osl).alias("osl"),
        _image(pl.col("image")).alias("image"),
        *_layout(),
    )
    names = ("model", "hardware", "framework", "precision")
    lengths = [pl.col(name).fill_null(0) for name in ("isl", "osl", "conc")]
    large = [pl.lit(flat[name].abs() > MAX_SIZE) for name in SIZES if is_beyond(flat[name], MAX_SIZE)]
    too_large = pl.any_horizontal(*large, pl.lit(False))
    resolved = resolved.with_columns(
        *(pl.col(f"of_{n}").struct.field("key").alias(n) for n in names),
        *(pl.col(f"of_{n}").struct.field("raw_value").alias(f"{n}_raw") for n in names),
        *(pl.col(f"of_{n}").struct.field("rule").alias(f"{n}_rule") for n in names),
    ).with_columns(
        _valid_power(registry).alias("measured_power_valid"),
        pl.when("bad_json")
        .then(pl.lit("bad_json"))
        .when(pl.col("model").is_null())
        .then(pl.lit("unmapped_model"))
        .when(pl.col("hardware").is_null())
        .then(pl.lit("unmapped_hw"))
        .when(pl.any_horizontal(length == 0 for length in lengths))
        .then(pl.lit("no_isl_osl"))
        .when(too_large | ~pl.all_horizontal(length.is_between(1, MAX_LENGTH) for length in lengths))
        .then(pl.lit("out_of_range"))
        .alias("reason"),
    )
    return resolved.select(
        "reason",
        *registry.config_columns,
        *("isl", "osl", "conc", "image", "metrics"),
        *hot_columns(registry),
        *("physical_gpus", "n_successful", "measured_power_valid"),
        *(f"{name}_{part}" for name in names for part in ("raw", "rule")),
    )


def _over_unique(frame: pl.DataFrame, names: tuple[str, ...], expression: pl.Expr) -> pl.Series:
    """The expression evaluated once per different value: names are few, their rules many."""
    unique = frame.select(names).unique()
    values = unique.with_columns(expression.alias("value"))
    return frame.select(names).join(values, on=names, how="left", nulls_equal=True, maintain_order="left")["value"]


def _image(raw: pl.Expr) -> pl.Expr:
    return pl.when(raw != "").then(raw.str.replace_all("#", "/", literal=True))


def _layout() -> Iterable[pl.Expr]:
    """The v2 layout where the row has the key prefill_tp, else v1: one role's figures for both."""
    separate = pl.col("has_prefill_tp")
    for role in ROLES:
        sizes = {}
        for name in ("tp", "ep"):
            own = pl.col(f"{role}_{name}")
            sizes[name] = pl.when(separate).then(own).otherwise(pl.col(name)).fill_null(1)
            yield sizes[name].alias(f"{role}_{name}")
        attention = pl.when(separate).then(pl.col(f"{role}_dp_attention")).otherwise(pl.col("dp_attention"))
        yield attention.alias(f"{role}_dp_attention")
        workers = pl.when(separate).then(pl.col(f"{role}_num_workers"))
        yield workers.fill_null(0).alias(f"{role}_num_workers")
        given = pl.when(separate).then(pl.col(f"num_{role}_gpu"))
        yield given.fill_null(sizes["tp"] * sizes["ep"]).alias(f"num_{role}_gpu")


def _valid_power(registry: Registry) -> pl.Expr:
    """Whether measured power can be true: above 0, not above its own peak, nor far above the GPU's TDP."""
    power, peak = pl.col("measured_power_per_gpu_w"), pl.col("peak_power_per_gpu_w")
    tdp = pl.col("hardware").replace_strict(dict(registry.hardware_tdp_w), default=None, return_dtype=pl.Float64)
    return (power > 0) & (power <= peak).fill_null(True) & (power <= MEAN_POWER_OVER_TDP * tdp).fill_null(True)


def _count_skips(mapped: pl.DataFrame, tracker: SkipTracker) -> None:
    for reason, n in mapped["reason"].drop_nulls().value_counts().iter_rows():
        setattr(tracker, reason, getattr(tracker, reason) + n)
    kept = pl.col("reason").is_null()
    for counter, column, rows in (
        (tracker.unmapped_models, "model_raw", pl.col("reason") == "unmapped_model"),
        (tracker.unmapped_hws, "hardware_raw", pl.col("reason") == "unmapped_hw"),
        (tracker.unmapped_precisions, "precision_raw", kept & pl.col("precision_rule").is_null()),
    ):
        counter.update(dict(mapped.filter(rows)[column].value_counts().iter_rows()))
