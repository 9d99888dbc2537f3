"""The forms for whole columns agree with the scalar ones: on every text of the real artifacts and 10,000 generated."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from alems_pipeline import keys
from alems_pipeline.keys import columns
from alems_pipeline.keys.registry import the_registry
from alems_pipeline.keys.resolve import resolve_framework, resolve_hardware, resolve_model, resolve_precision
from alems_pipeline.keys.values import bounded_int, metric_number, round_half_up

ARTIFACTS = Path(__file__).parents[1] / "data" / "inferencex"
REGISTRY = the_registry()


def texts_of(value: object) -> Iterator[str]:
    """Every string of a JSON value, field names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


def generated(n: int) -> list[str]:
    """Names put together from what the rules look at, and from what could trip them."""
    dice = random.Random(20260811)
    parts = [
        *REGISTRY.models, *REGISTRY.model_aliases, *REGISTRY.model_names, *REGISTRY.hardware_tdp_w,
        *REGISTRY.hardware_suffixes, *REGISTRY.frameworks, *REGISTRY.framework_aliases, *REGISTRY.precisions,
        *REGISTRY.precision_aliases, "-fp4", "-FP8", "-mxfp4-x", "-nvfp4", "_0", "_12", "_", "-", ":", "cluster:", ".",
        "1k8k", "_8K1k_", "-1k1k.", "true", "True", "2.5", "-2.5", "+7", "1e3", "1e999", "9223372036854775807", "12",
        "inf", "nan", " ", "\t", "\n", "İ", "ΣΑΣ", "ß", "١", "K", "é", "'", '"', "{", "",
    ]  # fmt: skip
    names = []
    for _ in range(n):
        name = "".join(dice.choice(parts) for _ in range(dice.randint(1, 4)))
        names.append(name.upper() if dice.random() < 0.2 else name)
    return names


@pytest.fixture(scope="module")
def texts() -> list[str]:
    of_artifacts = {text for path in ARTIFACTS.glob("*.json") for text in texts_of(json.loads(path.read_text()))}
    assert len(of_artifacts) > 400
    runners = [f"{hardware}_0" for hardware in REGISTRY.hardware_tdp_w]  # too rare among the generated to count on
    return sorted(of_artifacts) + runners + generated(10_000)


def column(texts: Sequence[str | None], expression: pl.Expr) -> list[object]:
    return pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(expression.alias("out"))["out"].to_list()


TEXT = pl.col("text")


def test_hardware(texts: list[str]) -> None:
    scalar = [resolve_hardware(text, REGISTRY) for text in texts]
    assert {r.rule for r in scalar} == {"key", "runner_index", "suffix", "first_segment", None}  # all rules are tried
    assert column(texts, columns.resolve_hardware(TEXT, REGISTRY)) == [
        {"raw_value": r.raw_value, "key": r.key, "rule": r.rule} for r in scalar
    ]
    assert column(texts, columns.hw_to_gpu_key(TEXT, REGISTRY)) == [keys.hw_to_gpu_key(text) for text in texts]


def test_model(texts: list[str]) -> None:
    dice = random.Random(5)
    rows = [
        {
            field: dice.choice([None, "", text, dice.choice(texts)])
            for field in ("infmax_model_prefix", "model_prefix", "model")
        }
        for text in texts
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))
    prefix, second_prefix, model = (pl.col(name) for name in frame.columns)
    out = frame.select(
        columns.resolve_model(prefix, second_prefix, model, REGISTRY).alias("resolution"),
        columns.resolve_model_key(prefix, second_prefix, model, REGISTRY).alias("key"),
    )
    scalar = [resolve_model(row, REGISTRY) for row in rows]
    rules = {"prefix", "prefix_alias", "stripped_prefix", "stripped_prefix_alias", "name", None}
    assert {r.rule for r in scalar} == rules
    assert out["resolution"].to_list() == [{"raw_value": r.raw_value, "key": r.key, "rule": r.rule} for r in scalar]
    assert out["key"].to_list() == [keys.resolve_model_key(row) for row in rows]


def test_framework(texts: list[str]) -> None:
    fields = [("true", "false", None, "True")[i % 4] for i in range(len(texts))]
    framework, disagg = columns.normalize_framework(TEXT, columns.parse_bool(pl.col("disagg")), REGISTRY)
    frame = pl.DataFrame({"text": texts, "disagg": fields}).select(framework.alias("framework"), disagg.alias("disagg"))
    assert frame.rows() == [keys.normalize_framework(t, f) for t, f in zip(texts, fields, strict=True)]
    assert column(texts, columns.resolve_framework(TEXT, REGISTRY).struct.field("rule")) == [
        resolve_framework(text, REGISTRY).rule for text in texts
    ]
    assert column(texts, columns.resolve_framework_aliases(TEXT, REGISTRY)) == [
        keys.resolve_framework_aliases(text) for text in texts
    ]


def test_precision_and_spec_method(texts: list[str]) -> None:
    assert column(texts, columns.normalize_precision(TEXT, REGISTRY)) == [keys.normalize_precision(t) for t in texts]
    assert column(texts, columns.resolve_precision(TEXT, REGISTRY).struct.field("rule")) == [
        resolve_precision(text, REGISTRY).rule for text in texts
    ]
    assert column(texts, columns.normalize_spec_method(TEXT)) == [keys.normalize_spec_method(t) for t in texts]


def test_values(texts: list[str]) -> None:
    assert column(texts, columns.parse_bool(TEXT)) == [keys.parse_bool(text) for text in texts]
    assert column(texts, columns.parse_num(TEXT)) == [keys.parse_num(text) for text in texts]
    assert column(texts, columns.parse_int(TEXT)) == [keys.parse_int(text) for text in texts]
    assert column(texts, columns.bounded_int(TEXT)) == [bounded_int(text) for text in texts]
    assert column(texts, columns.metric_number(TEXT)) == [metric_number(text) for text in texts]
    lengths = pl.concat_list(columns.parse_isl_osl(TEXT))
    assert column(texts, lengths) == [list(keys.parse_isl_osl(text) or (None, None)) for text in texts]


def test_rounding() -> None:
    dice = random.Random(7)
    numbers = [2.5, -2.5, -0.5, 0.49999999999999994, 1e15 + 0.5, *(dice.uniform(-1e6, 1e6) for _ in range(10_000))]
    frame = pl.DataFrame({"x": numbers}).select(columns.round_half_up(pl.col("x")))
    assert frame["x"].to_list() == [round_half_up(x) for x in numbers]
    unknown = pl.DataFrame({"x": [None, float("nan"), float("inf"), 1e19]}).select(columns.round_half_up(pl.col("x")))
    assert unknown["x"].to_list() == [None] * 4


def test_missing_text_is_handled_as_the_scalar_forms_do() -> None:
    resolutions = [
        (columns.hw_to_gpu_key(TEXT, REGISTRY), None),
        (columns.normalize_precision(TEXT, REGISTRY), ""),
        (columns.normalize_spec_method(TEXT), "none"),
        (columns.parse_bool(TEXT), False),
        (columns.parse_num(TEXT), None),
        (columns.parse_int(TEXT), None),
        (columns.metric_number(TEXT), None),
        (columns.parse_isl_osl(TEXT)[0], None),
    ]
    for expression, expected in resolutions:
        assert column([None], expression) == [expected]
