"""The key functions for whole columns: each takes Polars expressions and gives one, without a Python loop over rows.

`resolve_*` give a struct (raw_value, key, rule); the others carry the names of their scalar forms in `resolve.py` and
`values.py`. A test holds the two together.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from alems_pipeline.keys.registry import Registry
from alems_pipeline.keys.resolve import PRECISION_SUFFIX, RUNNER_INDEX, aliases_longest_first
from alems_pipeline.keys.values import (
    BEYOND,
    LEADING_INTEGER,
    LEADING_NUMBER,
    SEQUENCE_LENGTHS,
    TOKENS_PER_K,
    TRUE_TEXTS,
    WHOLE_NUMBER,
)


def resolve_hardware(raw: pl.Expr, registry: Registry) -> pl.Expr:
    """Struct (raw_value, key, rule) of raw hardware names; key and rule are null where nothing matched."""
    raw = raw.fill_null("")
    lower = raw.str.to_lowercase()
    unindexed = lower.str.replace(RUNNER_INDEX, "")
    stripped = unindexed
    for suffix in registry.hardware_suffixes:
        stripped = stripped.str.strip_suffix(suffix)
    first_segment = stripped.str.split(":").list.last().str.split("-").list.first()
    known = list(registry.hardware_tdp_w)
    return _first_match(
        raw,
        [
            ("key", lower.is_in(known), lower),
            ("runner_index", unindexed.is_in(known), unindexed),
            ("suffix", stripped.is_in(known), stripped),
            ("first_segment", first_segment.is_in(known), first_segment),
        ],
    )


def resolve_model(infmax_model_prefix: pl.Expr, model_prefix: pl.Expr, model: pl.Expr, registry: Registry) -> pl.Expr:
    """Struct (raw_value, key, rule) of model prefixes and names; key and rule are null where nothing matched."""
    prefix = pl.coalesce(infmax_model_prefix, model_prefix, pl.lit(""))
    name = model.fill_null("")
    lower = prefix.str.to_lowercase()
    stripped = lower.str.replace(PRECISION_SUFFIX, "")
    named = prefix != ""
    keys, aliases, names = list(registry.models), registry.model_aliases, registry.model_names
    return _first_match(
        pl.when(named).then(prefix).otherwise(name),
        [
            ("prefix", named & lower.is_in(keys), lower),
            ("prefix_alias", named & lower.is_in(list(aliases)), lower.replace(aliases)),
            ("stripped_prefix", named & stripped.is_in(keys), stripped),
            ("stripped_prefix_alias", named & stripped.is_in(list(aliases)), stripped.replace(aliases)),
            ("name", name.is_in(list(names)), name.replace(names)),
        ],
        raw_of={"name": name},
    )


def resolve_framework(raw: pl.Expr, registry: Registry) -> pl.Expr:
    """Struct (raw_value, key, rule) of frameworks; an unknown one keeps its lower-case name, with a null rule."""
    aliases = {alias: framework.key for alias, framework in registry.framework_aliases.items()}
    return _alias_or_itself(raw, aliases, registry.frameworks)


def resolve_precision(raw: pl.Expr, registry: Registry) -> pl.Expr:
    """Struct (raw_value, key, rule) of precisions; an unknown one keeps its lower-case name, with a null rule."""
    return _alias_or_itself(raw, registry.precision_aliases, registry.precisions)


def hw_to_gpu_key(raw: pl.Expr, registry: Registry) -> pl.Expr:
    return resolve_hardware(raw, registry).struct.field("key")


def resolve_model_key(
    infmax_model_prefix: pl.Expr, model_prefix: pl.Expr, model: pl.Expr, registry: Registry
) -> pl.Expr:
    return resolve_model(infmax_model_prefix, model_prefix, model, registry).struct.field("key")


def normalize_framework(raw: pl.Expr, disagg: pl.Expr, registry: Registry) -> tuple[pl.Expr, pl.Expr]:
    """(canonical framework, disagg flag), `disagg` being the field already parsed by parse_bool."""
    flags = {alias: f.disagg for alias, f in registry.framework_aliases.items() if f.disagg is not None}
    lower = raw.fill_null("").str.to_lowercase()
    of_alias = lower.replace_strict(flags, default=None, return_dtype=pl.Boolean)
    return resolve_framework(raw, registry).struct.field("key"), pl.coalesce(of_alias, disagg)


def resolve_framework_aliases(text: pl.Expr, registry: Registry) -> pl.Expr:
    for alias, key in aliases_longest_first(registry):
        text = text.str.replace_all(alias, key, literal=True)
    return text


def normalize_precision(raw: pl.Expr, registry: Registry) -> pl.Expr:
    return resolve_precision(raw, registry).struct.field("key")


def normalize_spec_method(raw: pl.Expr) -> pl.Expr:
    lower = raw.fill_null("").str.to_lowercase()
    return pl.when(lower == "").then(pl.lit("none")).otherwise(lower)


def parse_bool(text: pl.Expr) -> pl.Expr:
    """Of text, where a JSON true reads "true"."""
    return text.is_in(TRUE_TEXTS).fill_null(False)


def parse_num(text: pl.Expr) -> pl.Expr:
    """Of text; numbers need no parsing."""
    return _finite(text.str.extract(LEADING_NUMBER).cast(pl.Float64, strict=False))


def parse_int(text: pl.Expr) -> pl.Expr:
    """Of text: the leading integer, truncated."""
    return text.str.extract(LEADING_INTEGER).cast(pl.Int64, strict=False)


def bounded_int(text: pl.Expr) -> pl.Expr:
    """Of text: parse_int, where what lies beyond ±BEYOND is ±BEYOND."""
    digits = text.str.extract(LEADING_INTEGER)
    end = pl.when(digits.str.starts_with("-")).then(-BEYOND).otherwise(BEYOND)
    integer = pl.coalesce(digits.cast(pl.Int64, strict=False), pl.when(digits.is_not_null()).then(end))
    return integer.clip(-BEYOND, BEYOND)


def bounded_round(number: pl.Expr) -> pl.Expr:
    """Of numbers: round_half_up, where what lies beyond ±BEYOND is ±BEYOND."""
    return round_half_up(number.clip(float(-BEYOND), float(BEYOND)))


def round_half_up(number: pl.Expr) -> pl.Expr:
    """Of numbers: parse_int's rounding; outside 64 bits null."""
    below = number.floor()
    return (below + (number - below >= 0.5).cast(pl.Float64)).cast(pl.Int64, strict=False)


def parse_isl_osl(name: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """(input, output) sequence length in tokens; both null where the name has none."""
    lengths = [name.str.extract(SEQUENCE_LENGTHS, group) for group in (1, 2)]
    sane = pl.max_horizontal(length.str.len_bytes() for length in lengths) <= 15
    isl, osl = (pl.when(sane).then(length).cast(pl.Int64, strict=False) * TOKENS_PER_K for length in lengths)
    return isl, osl


def metric_number(text: pl.Expr) -> pl.Expr:
    """Of text: a metric's value where the text is a number as a whole."""
    return _finite(pl.when(text.str.contains(WHOLE_NUMBER)).then(text).cast(pl.Float64, strict=False))


def _finite(number: pl.Expr) -> pl.Expr:
    return pl.when(number.is_finite()).then(number)


def _first_match(
    raw: pl.Expr, rules: list[tuple[str, pl.Expr, pl.Expr]], raw_of: dict[str, pl.Expr] | None = None
) -> pl.Expr:
    """Struct (raw_value, key, rule) of the first rule (name, whether it matches, key) that matches."""
    rule = pl.coalesce(pl.when(matches).then(pl.lit(name)) for name, matches, _ in rules)
    key = pl.coalesce(pl.when(matches).then(key) for _, matches, key in rules)
    for name, other in (raw_of or {}).items():
        raw = pl.when(rule == name).then(other).otherwise(raw)
    return pl.struct(raw.alias("raw_value"), key.alias("key"), rule.alias("rule"))


def _alias_or_itself(raw: pl.Expr, aliases: Mapping[str, str], known: Iterable[str]) -> pl.Expr:
    raw = raw.fill_null("")
    lower = raw.str.to_lowercase()
    rule = pl.when(lower.is_in(list(aliases))).then(pl.lit("alias")).when(lower.is_in(list(known))).then(pl.lit("key"))
    return pl.struct(raw.alias("raw_value"), lower.replace(aliases).alias("key"), rule.alias("rule"))
