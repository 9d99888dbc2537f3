"""Every rule of the mapping, worked by hand from the spec and from the real artifacts."""

import json
import math
from pathlib import Path

import pytest

from alems_pipeline.benchmarks.mapping import (
    SkipTracker,
    map_agg_eval_row,
    map_benchmark_row,
    map_eval_row,
    physical_gpus,
)
from alems_pipeline.benchmarks.rows import flatten_row, is_producer

ARTIFACTS = Path(__file__).parents[1] / "data" / "inferencex"
Row = dict[str, object]

V1: Row = {
    "hw": "h200-nv", "infmax_model_prefix": "dsr1", "framework": "SGLang", "precision": "FP8", "isl": 1024,
    "osl": 8192, "conc": 64, "tp": 8, "ep": 2, "dp_attention": "true",
}  # fmt: skip


def real(name: str) -> list[Row]:
    return [row["data"] for row in json.loads((ARTIFACTS / f"{name}_real.json").read_text())["rows"]]


def mapped(row: Row, fallback: tuple[int, int] | None = None) -> dict[str, object]:
    result = map_benchmark_row(row, SkipTracker(), fallback)
    assert result is not None
    return result


def config_of(row: Row) -> dict[str, object]:
    config = mapped(row)["config"]
    assert isinstance(config, dict)
    return config


def metrics_of(row: Row) -> dict[str, float]:
    metrics = mapped(row)["metrics"]
    assert isinstance(metrics, dict)
    return metrics


def skipped(row: Row, fallback: tuple[int, int] | None = None) -> dict[str, object]:
    """What the tracker says of a row that is not mapped: counts above 0 and raw values."""
    tracker = SkipTracker()
    assert map_benchmark_row(row, tracker, fallback) is None
    return {name: count for name, count in tracker.snapshot().items() if count}


def test_v1_copies_one_role_to_both() -> None:
    assert config_of(V1) == {
        "hardware": "h200", "framework": "sglang", "model": "dsr1", "precision": "fp8", "spec_method": "none",
        "disagg": False, "is_multinode": False,
        "prefill_tp": 8, "prefill_ep": 2, "prefill_dp_attention": True, "prefill_num_workers": 0,
        "decode_tp": 8, "decode_ep": 2, "decode_dp_attention": True, "decode_num_workers": 0,
        "num_prefill_gpu": 16, "num_decode_gpu": 16,
    }  # fmt: skip
    assert config_of({k: v for k, v in V1.items() if k not in ("tp", "ep")})["num_prefill_gpu"] == 1


def test_v2_takes_each_roles_own() -> None:
    row = V1 | {
        "prefill_tp": 4, "prefill_ep": 4, "prefill_dp_attention": True, "prefill_num_workers": 3,
        "decode_tp": "16", "decode_num_workers": 1, "num_decode_gpu": 0, "is_multinode": "True", "disagg": True,
    }  # fmt: skip
    config = config_of(row)
    assert {k: config[k] for k in config if k.startswith(("prefill_", "decode_", "num_"))} == {
        "prefill_tp": 4, "prefill_ep": 4, "prefill_dp_attention": True, "prefill_num_workers": 3,
        "decode_tp": 16, "decode_ep": 1, "decode_dp_attention": False, "decode_num_workers": 1,
        "num_prefill_gpu": 16, "num_decode_gpu": 0,  # absent: tp x ep; a given 0 stays 0
    }  # fmt: skip
    assert (config["is_multinode"], config["disagg"]) == (True, True)


def test_prefill_tp_that_is_null_still_makes_it_v2() -> None:
    config = config_of(V1 | {"prefill_tp": None})
    assert (config["prefill_tp"], config["decode_tp"], config["num_prefill_gpu"]) == (1, 1, 1)
    assert config["prefill_dp_attention"] is False  # the row's dp_attention is not v2's


def test_the_natural_key_has_17_columns_in_lower_case() -> None:
    config = config_of(V1 | {"framework": "SGLang-Disagg", "spec_decoding": "MTP", "precision": "NVFP4"})
    assert len(config) == 17
    assert [config[k] for k in ("framework", "disagg", "spec_method", "precision")] == [
        "mori-sglang",
        True,
        "mtp",
        "fp4",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"infmax_model_prefix": "new", "hw": "?", "isl": 0}, {"unmapped_model": 1, "unmapped_models": {"new": 1}}),
        ({"hw": "a100-x", "isl": 0}, {"unmapped_hw": 1, "unmapped_hws": {"a100-x": 1}}),
        ({"hw": None}, {"unmapped_hw": 1, "unmapped_hws": {"": 1}}),
        ({"isl": 0}, {"no_isl_osl": 1}),  # a 0 is there: the fallback does not apply
        ({"conc": 0}, {"no_isl_osl": 1}),
        ({"conc": None}, {"no_isl_osl": 1}),
        ({"osl": "many"}, None),
        ({"isl": None, "osl": None}, None),
    ],
)
def test_checks_come_in_their_order(change: Row, expected: dict[str, object] | None) -> None:
    if expected is None:
        assert mapped(V1 | change, (2048, 4096))["osl"] == 4096
        assert skipped(V1 | change) == {"no_isl_osl": 1}
    else:
        assert skipped(V1 | change, (2048, 4096)) == expected


def test_an_unknown_precision_is_reported_and_kept() -> None:
    tracker = SkipTracker()
    result = map_benchmark_row(V1 | {"precision": "INT2"}, tracker)
    assert result is not None
    assert result["config"]["precision"] == "int2"  # type: ignore[index]
    assert tracker.unmapped_precisions == {"INT2": 1}


@pytest.mark.parametrize(
    ("value", "size"), [(2.5, 3), (-2.5, -2), ("2.5", 2), ("8 GPUs", 8), (None, 1), (True, 1), (8.0, 8)]
)
def test_sizes_are_read_by_parse_int(value: object, size: int) -> None:
    assert config_of(V1 | {"tp": value})["decode_tp"] == size


@pytest.mark.parametrize(
    ("image", "expected"), [("vllm#vllm-openai:v1", "vllm/vllm-openai:v1"), ("", None), (None, None), ("a/b", "a/b")]
)
def test_image(image: object, expected: str | None) -> None:
    assert mapped(V1 | {"image": image})["image"] == expected


def test_metrics_are_every_number_that_is_no_config_under_its_own_name() -> None:
    values: Row = {
        "tput_per_gpu": 5, "median_ttft_ms": 12.5, "as_text": "1.5e3", "new_one": 0, "missing": None, "flag": True,
        "ts": "2026-06-11T23:25:28+00:00", "date": "20260611", "list": [1, 2], "object": {"a": 1}, "text": "12 ms",
        "request_rate": "inf", "nan": math.nan,
    }  # fmt: skip
    tracker = SkipTracker()
    result = map_benchmark_row(V1 | values, tracker)
    assert result is not None
    assert result["metrics"] == {"tput_per_gpu": 5, "median_ttft_ms": 12.5, "as_text": 1500.0, "new_one": 0}
    assert tracker.unknown_metrics.keys() == {"median_ttft_ms", "as_text", "new_one"}  # reported, not dropped


def test_real_fixed_sequence_rows() -> None:
    rows = real("agg_fixed_seq")
    assert [mapped(row)["conc"] for row in rows] == [4, 32, 64]
    assert config_of(rows[0])["spec_method"] == "mtp"
    numbers = {k for k, v in rows[0].items() if isinstance(v, float)}
    assert metrics_of(rows[0]) == {k: rows[0][k] for k in numbers}  # raw names, raw values, all of them


def test_real_agentic_rows_are_counted_not_lost() -> None:
    tracker = SkipTracker()
    assert [map_benchmark_row(row, tracker) for row in real("agentic_flat")] == [None] * 44
    assert tracker.no_isl_osl == 44
    assert (tracker.unmapped_model, tracker.unmapped_hw) == (0, 0)


def test_real_nested_rows_with_measured_power() -> None:
    row = real("together_baselines")[0]
    metrics = metrics_of(row)
    # 9669.818 tok/s on 8 GPUs, though tp 8 and ep 8 stand beside it
    assert metrics["tput_per_gpu"] == pytest.approx(9669.817946887235 / 8)
    assert metrics["output_tput_per_gpu"] == pytest.approx(4780.3151857351295 / 8)
    assert metrics["input_tput_per_gpu"] == pytest.approx((9669.817946887235 - 4780.3151857351295) / 8)
    assert metrics["median_ttft"] == pytest.approx(0.5153742679394782)
    assert metrics["p99_e2el"] == pytest.approx(26.605433083986874)
    assert metrics["median_intvty"] == pytest.approx(1000 / 24.524340864086934)
    assert metrics["measured_power_per_gpu_w"] == 557.7
    assert metrics["peak_power_per_gpu_w"] == 772.2
    assert not [name for name in metrics if name.endswith("_ms")]
    assert config_of(row)["num_decode_gpu"] == 64  # as the config's key has it; no GPU count
    assert physical_gpus(row) == 8


def test_a_producer_file_takes_its_config_from_the_collectors_options() -> None:
    row = real("raw_bench_ms")[0]
    assert is_producer(row)
    options: Row = {"hw": "mi355x", "framework": "vllm", "precision": "fp4", "model": "openai/gpt-oss-120b", "tp": 8}
    result = mapped(flatten_row(row, options), (1024, 1024))
    metrics = result["metrics"]
    assert isinstance(metrics, dict)
    assert (result["conc"], result["isl"]) == (128, 1024)
    assert metrics["median_ttft"] == pytest.approx(0.1684953118674457)
    assert metrics["median_intvty"] == pytest.approx(67.14691776651372)  # 1000 / 14.8927 ms
    assert metrics["tput_per_gpu"] == pytest.approx(16736.560504280373 / 8)
    assert metrics["num_prompts"] == 1280
    assert "max_concurrency" not in metrics


def test_a_producer_file_without_options_is_counted() -> None:
    tracker = SkipTracker()
    assert [map_benchmark_row(row, tracker) for row in real("raw_bench_ms")] == [None] * 35
    assert tracker.unmapped_hws == {"": 7}  # the model's own name resolves, the hardware is nowhere
    assert sum(tracker.unmapped_models.values()) == 28


def test_a_failed_producer_run_has_no_interactivity_rather_than_an_infinite_one() -> None:
    failed = next(row for row in real("raw_bench_ms") if row["median_tpot_ms"] == 0)
    metrics = flatten_row(failed)
    assert metrics["median_tpot"] == 0
    assert "median_intvty" not in metrics


def test_a_row_flattened_twice_is_the_same() -> None:
    for row in [*real("together_baselines"), *real("raw_bench_ms"), *real("agg_fixed_seq")]:
        once = flatten_row(row, {"hw": "b200"})
        assert flatten_row(once) == once


@pytest.mark.parametrize(
    ("row", "gpus"),
    [
        ({"tp": 8, "ep": 8}, 8),  # experts share the GPUs
        ({"tp": 8, "ep": 8, "gpu": {"n_gpus": 8}}, 8),
        ({"tp": 4, "n_gpus": 16}, 16),
        ({"tp": 4, "pp": 2, "pcp_size": 2, "num_workers": 3}, 48),
        ({"tp": 4, "num_workers": 0}, 4),
        ({"tp": 4, "n_gpus": 0}, 4),
        ({"ep": 8}, None),
        ({"tp": 0}, None),
        ({}, None),
        ({"disagg": True, "prefill_tp": 4, "prefill_num_workers": 3, "decode_tp": 8, "decode_num_workers": 1}, 20),
        ({"disagg": True, "prefill_tp": 4, "num_prefill_gpu": 12, "decode_tp": 8, "num_decode_gpu": 16}, 28),
        ({"framework": "sglang-disagg", "prefill_tp": 4, "decode_tp": 8}, 12),
        ({"disagg": True, "prefill_tp": 4}, None),  # half of it is not the whole
        ({"prefill_tp": 8, "decode_tp": 8}, 8),  # not served apart: the same GPUs
        ({"prefill_tp": 8, "num_prefill_gpu": 8, "num_decode_gpu": 0}, 8),
    ],
)
def test_physical_gpus(row: Row, gpus: int | None) -> None:
    assert physical_gpus(row) == gpus


RESULTS: Row = {
    "results": {
        "GSM8K": {
            "alias": "5",
            "exact_match,strict-match": 0.95, "exact_match_stderr,strict-match": 0.006,
            "exact_match,flexible-extract": "0.96", "exact_match_stderr,flexible-extract": 0.005, "other,none": 1,
        },
        "mmlu": {"acc,none": 0.8, "acc_stderr,none": "N/A"},
    },
    "n-samples": {"GSM8K": {"original": 1319, "effective": 1319}},
    "lm_eval_version": "0.4.9",
}  # fmt: skip


def test_an_evaluation_gives_one_row_per_task() -> None:
    meta = V1 | {"prefill_tp": 2, "decode_tp": 2, "conc": None}
    gsm8k, mmlu = map_eval_row(meta, RESULTS, SkipTracker())
    assert gsm8k["metrics"] == {
        "em_strict": 0.95, "em_strict_se": 0.006, "em_flexible": 0.96, "em_flexible_se": 0.005, "other,none": 1,
        "n_eff": 1319,
    }  # fmt: skip
    assert mmlu["metrics"] == {"acc,none": 0.8}
    assert [(r["task"], r["isl"], r["osl"], r["conc"], r["lm_eval_version"]) for r in (gsm8k, mmlu)] == [
        ("gsm8k", 1024, 8192, None, "0.4.9"), ("mmlu", 1024, 8192, None, "0.4.9"),
    ]  # fmt: skip
    assert gsm8k["config"] == config_of(V1)  # always the v1 layout


def test_an_evaluation_that_cannot_be_mapped_is_empty() -> None:
    tracker = SkipTracker()
    assert map_eval_row(V1 | {"hw": "a100"}, RESULTS, tracker) == []
    assert map_eval_row({"hw": "b200", "model": "x"}, RESULTS, tracker) == []
    assert map_eval_row(V1, {"results": {}}, tracker) == []
    assert map_eval_row(V1, {}, tracker) == []
    assert (tracker.unmapped_hws, tracker.unmapped_models) == ({"a100": 1}, {"x": 1})


def test_a_compiled_evaluation_row() -> None:
    row = V1 | {
        "task": "GSM8K", "source": "eval_dsr1_1k8k_x/results_1.json", "isl": 7, "conc": "32", "em_strict": 0.9,
        "em_flexible_se": 0.1, "n_eff": 1319, "score": "0.9", "score_se": 0.01, "runtime": 12,
    }  # fmt: skip
    result = map_agg_eval_row(row, SkipTracker())
    assert result is not None
    assert [result[k] for k in ("task", "isl", "osl", "conc", "lm_eval_version")] == ["gsm8k", 1024, 8192, 32, None]
    assert result["metrics"] == {
        "em_strict": 0.9, "em_flexible_se": 0.1, "n_eff": 1319, "score": 0.9, "score_se": 0.01,
    }  # fmt: skip
    without_source = map_agg_eval_row({k: v for k, v in row.items() if k != "source"}, SkipTracker())
    assert without_source is not None
    assert without_source["isl"] is None  # only the source says it


@pytest.mark.parametrize("task", ["", None])
def test_a_compiled_evaluation_without_task_is_none(task: object) -> None:
    tracker = SkipTracker()
    assert map_agg_eval_row(V1 | {"task": task}, tracker) is None
    assert not any(tracker.snapshot().values())


def test_the_tracker_tells_what_came_on_top() -> None:
    tracker = SkipTracker(bad_zip=2)
    map_benchmark_row(V1 | {"hw": "a100"}, tracker)
    before = tracker.snapshot()
    assert (before["bad_zip"], before["unmapped_hw"], before["db_error"]) == (2, 1, 0)
    map_benchmark_row(V1 | {"hw": "a100"}, tracker)
    map_benchmark_row(V1 | {"hw": "v100"}, tracker)
    map_benchmark_row(V1 | {"conc": 0}, tracker)
    changed = {name: change for name, change in tracker.diff(before).items() if change}
    assert changed == {"unmapped_hw": 2, "no_isl_osl": 1, "unmapped_hws": {"a100": 1, "v100": 1}}
    assert before["unmapped_hw"] == 1  # a snapshot does not move
