"""Every rule of the key functions, worked by hand from the spec's table."""

import math

import pytest

from alems_pipeline.keys import (
    hw_to_gpu_key,
    normalize_framework,
    normalize_precision,
    normalize_spec_method,
    parse_bool,
    parse_int,
    parse_isl_osl,
    parse_num,
    resolve_framework_aliases,
    resolve_model_key,
)
from alems_pipeline.keys.registry import the_registry
from alems_pipeline.keys.resolve import resolve_framework, resolve_hardware, resolve_model, resolve_precision
from alems_pipeline.keys.values import metric_number


@pytest.mark.parametrize(
    ("raw", "key", "rule"),
    [
        ("h200", "h200", "key"),
        ("H200", "h200", "key"),
        ("mi355x_0", "mi355x", "runner_index"),
        ("h200-nv_12", "h200", "suffix"),
        ("h200-nv-trt", "h200", "suffix"),  # -trt is stripped first, then -nv
        ("h200-trt-nv", "h200", "first_segment"),  # -nv comes last in the order: -trt is left over
        ("b200-multinode-slurm", "b200", "suffix"),
        ("b200-dgxc-slurm_5", "b200", "suffix"),
        ("b200-nb_1", "b200", "suffix"),
        ("h200-trt-trt", "h200", "first_segment"),  # each suffix once
        ("h200_1_2", None, None),  # the index once
        ("cluster:mi355x-amds", "mi355x", "first_segment"),
        ("cluster:mi355x-amds_3", "mi355x", "first_segment"),
        ("a:b:gb300-p1-cw", "gb300", "first_segment"),
        ("tpuv7", "tpuv7", "key"),
        ("h100x", None, None),
        ("x-h100", None, None),
        ("", None, None),
        ("_0", None, None),
        ("-nv", None, None),
        ("h200\n", None, None),
        ("h200_٣", None, None),  # an Arabic digit is no runner index
    ],
)
def test_hardware(raw: str, key: str | None, rule: str | None) -> None:
    resolution = resolve_hardware(raw, the_registry())
    assert (resolution.raw_value, resolution.key, resolution.rule) == (raw, key, rule)
    assert hw_to_gpu_key(raw) == key


def test_missing_hardware_has_no_key() -> None:
    assert hw_to_gpu_key(None) is None


@pytest.mark.parametrize(
    ("row", "key", "rule", "raw"),
    [
        ({"infmax_model_prefix": "dsr1"}, "dsr1", "prefix", "dsr1"),
        ({"infmax_model_prefix": "DSR1"}, "dsr1", "prefix", "DSR1"),
        ({"infmax_model_prefix": "gptoss"}, "gptoss120b", "prefix_alias", "gptoss"),
        ({"infmax_model_prefix": "dsr1-fp8"}, "dsr1", "stripped_prefix", "dsr1-fp8"),
        ({"infmax_model_prefix": "dsr1-nvfp4-v2"}, "dsr1", "stripped_prefix", "dsr1-nvfp4-v2"),
        ({"infmax_model_prefix": "kimik2.7-fp4"}, "kimik2.7-code", "stripped_prefix_alias", "kimik2.7-fp4"),
        ({"infmax_model_prefix": "dsr1-fp4x"}, None, None, "dsr1-fp4x"),
        # The second prefix only where the first is null; an empty one is not null.
        ({"infmax_model_prefix": None, "model_prefix": "dsr1"}, "dsr1", "prefix", "dsr1"),
        ({"model_prefix": "dsr1"}, "dsr1", "prefix", "dsr1"),
        ({"infmax_model_prefix": "", "model_prefix": "dsr1"}, None, None, ""),
        ({"infmax_model_prefix": "", "model": "openai/gpt-oss-120b"}, "gptoss120b", "name", "openai/gpt-oss-120b"),
        # An unknown prefix falls back to the model's exact name; an exact name is case-sensitive.
        ({"infmax_model_prefix": "new", "model": "dsr1-fp8"}, "dsr1", "name", "dsr1-fp8"),
        ({"infmax_model_prefix": "new", "model": "newer"}, None, None, "new"),
        ({"model": "openai/gpt-OSS-120b"}, None, None, "openai/gpt-OSS-120b"),
        ({"model": "gptoss"}, None, None, "gptoss"),  # aliases are of prefixes
        ({"infmax_model_prefix": "gptoss120b", "model": "dsr1-fp8"}, "gptoss120b", "prefix", "gptoss120b"),
        ({"model": "Groq Llama 3.3 70B"}, "llama70b", "name", "Groq Llama 3.3 70B"),
        ({"model": "tinyllama-1b"}, "tinyllama-1b", "name", "tinyllama-1b"),
        ({}, None, None, ""),
    ],
)
def test_model(row: dict[str, object], key: str | None, rule: str | None, raw: str) -> None:
    resolution = resolve_model(row, the_registry())
    assert (resolution.key, resolution.rule, resolution.raw_value) == (key, rule, raw)
    assert resolve_model_key(row) == key


@pytest.mark.parametrize(
    ("raw", "field", "expected", "rule"),
    [
        ("vLLM", False, ("vllm", False), "key"),
        ("vllm", "True", ("vllm", True), "key"),
        ("vllm", "TRUE", ("vllm", False), "key"),
        ("SGLang-Disagg", False, ("mori-sglang", True), "alias"),  # the alias says so, whatever the field says
        ("trtllm", True, ("trt", True), "alias"),  # this alias says nothing: the field decides
        ("dynamo-trtllm", None, ("dynamo-trt", False), "alias"),
        ("atom-disagg", "false", ("mooncake-atom", True), "alias"),
        ("lmdeploy", 1, ("lmdeploy", False), None),
        ("", None, ("", False), None),
    ],
)
def test_framework(raw: str, field: object, expected: tuple[str, bool], rule: str | None) -> None:
    assert normalize_framework(raw, field) == expected
    assert resolve_framework(raw, the_registry()).rule == rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dsr1-fp8-mi355x-sglang-disagg", "dsr1-fp8-mi355x-mori-sglang"),
        ("gptoss-fp8-gb200-dynamo-trtllm", "gptoss-fp8-gb200-dynamo-trt"),  # not cut by the shorter trtllm
        ("b200-trtllm/trtllm", "b200-trt/trt"),
        ("dsr1-fp8-h200-trt", "dsr1-fp8-h200-trt"),
        ("SGLANG-DISAGG", "SGLANG-DISAGG"),
        ("", ""),
    ],
)
def test_framework_aliases_inside_a_text(text: str, expected: str) -> None:
    assert resolve_framework_aliases(text) == expected


@pytest.mark.parametrize(
    ("raw", "key", "rule"),
    [
        ("FP8", "fp8", "key"),
        ("NVFP4", "fp4", "alias"),
        ("mxfp4", "fp4", "alias"),
        ("int2", "int2", None),
        ("", "", None),
    ],
)
def test_precision(raw: str, key: str, rule: str | None) -> None:
    assert normalize_precision(raw) == key
    assert resolve_precision(raw, the_registry()).rule == rule


def test_missing_names_are_empty_or_none_never_an_error() -> None:
    assert normalize_precision(None) == ""
    assert normalize_framework(None, None) == ("", False)


@pytest.mark.parametrize(("raw", "method"), [("MTP", "mtp"), ("none", "none"), ("", "none"), (None, "none")])
def test_spec_method(raw: str | None, method: str) -> None:
    assert normalize_spec_method(raw) == method


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_true(value: object) -> None:
    assert parse_bool(value) is True


@pytest.mark.parametrize("value", [False, "TRUE", "false", "1", 1, "yes", None, "", [True]])
def test_not_true(value: object) -> None:
    assert parse_bool(value) is False


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), (2.5, 2.5), ("2.5", 2.5), (" 12px", 12.0), ("-3e2x", -300.0), (".5", 0.5), ("5.", 5.0), ("+4", 4.0),
        ("2026-06-11", 2026.0), ("x1", None), ("", None), (None, None), (True, None), ([1], None),
        (math.nan, None), (math.inf, None), ("inf", None), ("NaN", None), ("1e999", None), (0, 0),
    ],
)  # fmt: skip
def test_leading_number(value: object, number: float | None) -> None:
    assert parse_num(value) == number


@pytest.mark.parametrize(
    ("value", "integer"),
    [
        (2.5, 3), (-2.5, -2), (2.4, 2), (-2.6, -3), (0.49999999999999994, 0), (-0.5, 0), (7, 7),
        ("2.9", 2), ("-2.9", -2), ("64", 64), ("  8 GPUs", 8), ("1e3", 1), ("0x10", 0), ("x", None), ("", None),
        (None, None), (True, None), (math.nan, None), (math.inf, None), (2**63, None), ("9223372036854775808", None),
        (-(2**63), -(2**63)), ("1" * 5000, None),
    ],
)  # fmt: skip
def test_integer(value: object, integer: int | None) -> None:
    assert parse_int(value) == integer


@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("Full_Sweep_-_1k1k_12345", (1024, 1024)),
        ("results_dsr1_1k8k_4305020262.zip", (1024, 8192)),
        ("x-8K1K.json", (8192, 1024)),
        ("a_1k1k_b_8k1k_", (1024, 1024)),  # the first
        ("dsr1/1k1k/tuned", None),  # a folder is no mark
        ("1k1k_", None),
        ("_1k1k", None),
        ("_١k١k_", None),
        ("", None),
    ],
)
def test_sequence_lengths_in_a_name(name: str, lengths: tuple[int, int] | None) -> None:
    assert parse_isl_osl(name) == lengths


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1), (0.5, 0.5), ("12", 12.0), ("1.5e-3", 0.0015), ("-7.", -7.0), (".5", 0.5), ("0", 0.0),
        ("12 ms", None), (" 12", None), ("12\n", None), ("2026-06-11", None), ("20260428-095035", None), ("inf", None),
        ("nan", None), ("", None), ("1_000", None), ("0x1f", None), (True, None), (False, None), ([3], None),
        ({"a": 1}, None), (None, None), (math.nan, None), ("1e999", None), (10**400, None),
    ],
)  # fmt: skip
def test_a_metric_is_numeric_as_a_whole(value: object, number: float | None) -> None:
    assert metric_number(value) == number
