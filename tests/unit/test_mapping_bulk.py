"""The form for whole columns gives what the scalar mapping gives: on the real artifacts and on rows made to differ."""

import json
import random
from pathlib import Path

import polars as pl
import pytest

from alems_pipeline.benchmarks import bulk, flat_tables
from alems_pipeline.benchmarks.bulk import map_benchmark_rows
from alems_pipeline.benchmarks.mapping import SkipTracker, map_benchmark_row
from alems_pipeline.benchmarks.rows import flatten_row, physical_gpus, with_options
from alems_pipeline.keys import parse_isl_osl
from alems_pipeline.keys.registry import the_registry

ARTIFACTS = Path(__file__).parents[1] / "data" / "inferencex"
Row = dict[str, object]
OPTIONS: Row = {"hw": "mi355x-amds", "framework": "trtllm", "precision": "mxfp4", "model": "openai/gpt-oss-120b"}


def real_rows(name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((ARTIFACTS / f"{name}_real.json").read_text())["rows"]
    return rows


def assert_agree(rows: list[Row], names: list[str | None], options: list[Row | None]) -> pl.DataFrame:
    """Map the rows both ways, compare everything, and give the bulk result."""
    bulk_tracker, tracker = SkipTracker(), SkipTracker()
    frame = pl.DataFrame(
        {
            "raw": [json.dumps(row) for row in rows],
            "name": names,
            "options": [None if told is None else json.dumps(told) for told in options],
        },
        schema_overrides={"name": pl.String, "options": pl.String},
    )
    mapped = map_benchmark_rows(frame, bulk_tracker)
    assert mapped.height == len(rows)
    for row, name, told, got in zip(rows, names, options, mapped.iter_rows(named=True), strict=True):
        flat = flatten_row(row, told)
        before = tracker.snapshot()
        expected = map_benchmark_row(flat, tracker, parse_isl_osl(name or ""))
        skipped = [reason for reason in bulk_skips() if tracker.diff(before)[reason]]
        assert got["reason"] == (skipped[0] if skipped else None), row
        assert got["physical_gpus"] == physical_gpus(with_options(row, told)), row
        counts = json.loads(got["metrics"])
        successes = [int(float(counts[name])) for name in flat_tables.SUCCESSES if name in counts]
        assert got["n_successful"] == next((n for n in successes if -(2**63) <= n < 2**63), None), row
        if expected is not None:
            metrics = expected.pop("metrics")
            assert isinstance(metrics, dict)
            assert json.loads(got["metrics"]) == metrics, row
            assert list(json.loads(got["metrics"])) == sorted(metrics)
            assert {column: got[column] for column in hot()} == {column: metrics.get(column) for column in hot()}
            config = expected.pop("config")
            assert isinstance(config, dict)
            assert {column: got[column] for column in config} == config, row
            assert {column: got[column] for column in expected} == expected, row
    assert bulk_tracker.snapshot() == tracker.snapshot()
    return mapped


def bulk_skips() -> tuple[str, ...]:
    return ("unmapped_model", "unmapped_hw", "no_isl_osl", "out_of_range")


def hot() -> tuple[str, ...]:
    return (*the_registry().hot_metrics, *flat_tables.FURTHER_METRICS)


@pytest.mark.parametrize(
    ("artifact", "n_rows", "n_mapped", "reasons"),
    [
        ("agg_fixed_seq", 3, 3, {}),
        ("agentic_flat", 44, 0, {"no_isl_osl": 44}),
        ("together_baselines", 13, 13, {}),
        ("raw_bench_ms", 35, 0, {"unmapped_model": 28, "unmapped_hw": 7}),  # without options: counted, not lost
    ],
)
def test_real_artifacts(artifact: str, n_rows: int, n_mapped: int, reasons: dict[str, int]) -> None:
    rows = real_rows(artifact)
    data = [row["data"] for row in rows]
    paths = [str(row["path"]) for row in rows]
    assert len(rows) == n_rows
    mapped = assert_agree(data, paths, [None] * n_rows)  # type: ignore[arg-type]
    assert mapped["reason"].null_count() == n_mapped
    assert dict(mapped["reason"].drop_nulls().value_counts().iter_rows()) == reasons


def test_real_producer_files_with_the_collectors_options() -> None:
    rows = real_rows("raw_bench_ms")
    data: list[Row] = [row["data"] for row in rows]  # type: ignore[misc]
    told = OPTIONS | {"tp": 8, "isl": 1024, "osl": 1024}
    mapped = assert_agree(data, [None] * len(rows), [told] * len(rows))
    assert mapped["reason"].null_count() == len(rows)
    assert set(mapped["hardware"]) == {"mi355x"}
    assert set(mapped["framework"]) == {"trt"}
    assert set(mapped["precision"]) == {"fp4"}
    assert mapped["conc"].to_list() == [row["max_concurrency"] for row in data]


# Values that a careless source might write, by kind of field.
INTEGERS: list[object] = [None, 0, 1, 4, 8, 2.5, -2.5, "8", "2.5", "64 GPUs", "", "x", True, [8], "-2.5", 1e3]
ABSURD: list[object] = [
    2**62, -(2**62), 2**63, 2**70, -(2**70), 1e18, 1e300, -1e300, 10**400, str(2**62), str(2**70), "9" * 5000, -64,
    10**6, 10**6 + 1, 10**9, 10**9 + 1, 10**12, "1000001", "-1000001", "0" * 30 + "8",
]  # fmt: skip
FLAGS: list[object] = [None, True, False, "true", "True", "TRUE", "false", 1, "1", ""]
METRICS: list[object] = [
    None, 0, 1, 0.125, -3.5, 1e-7, 1e300, "12", "1.5e-3", "12 ms", "2026-06-11", "inf", "", True, False, [1.0], 2**70,
    10**400, -1e300, 1.7e308, "1e400", 5e-324,
]  # fmt: skip
ODD_NAMES: list[object] = [5, True, 1e6, 1e300, -2.50, 1e-7, 2**53, [True, "x", None], {"a": [1]}]
NAMES: dict[str, list[object]] = {
    "hw": [None, "b200", "B200-NV-TRT_3", "h200-trt-nv", "cluster:mi355x-amds", "a100", "", *ODD_NAMES],
    "infmax_model_prefix": [None, None, "dsr1", "gptoss", "dsr1-fp4-v2", "kimik2.7-fp8", "new", ""],
    "model_prefix": [None, None, "dsr1", ""],
    "model": [None, "openai/gpt-oss-120b", "dsr1-fp8", "nobody/knows", *ODD_NAMES],
    "framework": [None, "vllm", "SGLang-Disagg", "trtllm", "dynamo-trtllm", "new", "", *ODD_NAMES],
    "precision": [None, "fp8", "NVFP4", "int2", "", *ODD_NAMES],
    "spec_decoding": [None, "MTP", "none", "", "eagle", *ODD_NAMES],
    "image": [None, "", "vllm#vllm-openai:v0.19", "repo/x", *ODD_NAMES],
}


def made_up_row(dice: random.Random) -> Row:
    """A row in which any field may be absent or of an unexpected type."""

    def some(fields: tuple[str, ...] | dict[str, list[object]], values: list[object] | None = None) -> Row:
        return {
            name: dice.choice(values or fields[name])  # type: ignore[call-overload]
            for name in fields
            if dice.random() < 0.7
        }

    row = some(NAMES) | some(flat_tables.FLAGS, FLAGS)
    sizes = tuple(
        name for name in flat_tables.INTEGERS if name.startswith(("prefill_", "decode_")) == (dice.random() < 0.3)
    )
    row |= some(sizes, INTEGERS)
    if dice.random() < 0.2:
        row |= {dice.choice(flat_tables.INTEGERS): dice.choice(ABSURD) for _ in range(2)}
    if dice.random() < 0.6:  # enough rows that get through
        row |= {"hw": "h200-nv", "model": "dsr1-fp8", "isl": 1024, "osl": 8192, "conc": dice.choice([1, "64", 16.5])}
    row |= some(("tput_per_gpu", "median_ttft", "new_metric", "users", "date", "workers", 'a "quoted" one'), METRICS)
    if dice.random() < 0.2:
        row |= some(flat_tables.SUCCESSES, METRICS + ABSURD)
    if dice.random() < 0.3:
        row["metrics"] = some(
            ("median_tpot_ms", "p99_ttft_ms", "total_token_throughput", "output_token_throughput", "isl", "new"),
            METRICS,
        )
        row["gpu"] = some(("n_gpus", "mean_power_per_gpu_w", "peak_power_per_gpu_w"), METRICS)
    if dice.random() < 0.3:
        row |= some(("median_tpot_ms", "p99_ttft_ms", "total_token_throughput", "max_concurrency"), METRICS)
    return row


def test_ten_thousand_rows_made_to_differ() -> None:
    """As the pipeline maps them: whole batches, most of which Polars reads as one table only in parts."""
    dice = random.Random(7)
    rows = [made_up_row(dice) for _ in range(10_000)]
    names = [dice.choice([None, "a_1k8k_b.json", "x/1k1k/y", ""]) for _ in rows]
    mapped = assert_agree(rows, names, [None] * len(rows))
    assert mapped["reason"].n_unique() == 5


@pytest.mark.parametrize("seed", range(3))
def test_rows_made_to_differ(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS", 97)  # several batches, several threads
    monkeypatch.setattr(flat_tables, "LEAST_BATCH_ROWS", 2)  # hardly any row falls back to the scalar form
    dice = random.Random(seed)
    rows = [made_up_row(dice) for _ in range(250)]
    names = [dice.choice([None, "a_1k8k_b.json", "x/1k1k/y", ""]) for _ in rows]
    options = [dice.choice([None, OPTIONS, OPTIONS | {"tp": 4, "disagg": True}]) for _ in rows]
    mapped = assert_agree(rows, names, options)
    assert mapped["reason"].n_unique() == 5  # every way of ending occurs


def test_what_is_no_row_is_counted_and_its_neighbours_are_mapped() -> None:
    good = json.dumps(real_rows("agg_fixed_seq")[0]["data"], indent=1)  # with newlines in it
    bad = [
        None,
        "",
        "  ",
        "null",
        "[1]",
        '"text"',
        "{",
        '{"a":1',
        '{"a":1}{"b":2}',
        "NaN",
        good[:-1],
        '{"hw":"\\ud800"}',
    ]
    tracker = SkipTracker()
    mapped = map_benchmark_rows(pl.DataFrame({"raw": [good, *bad, "\n " + good]}), tracker)
    assert mapped["reason"].to_list() == [None, *["bad_json"] * len(bad), None]
    assert tracker.bad_json == len(bad)
    assert mapped["median_ttft"].to_list() == [0.2969768075272441, *[None] * len(bad), 0.2969768075272441]


@pytest.mark.parametrize(
    "late",
    [
        {"late": 1},
        {"late": "1"},
        {"metrics": {"late_ms": 1000}},
        {"gpu": {"late": 1}},
        {"a": None, "late": 1, "text": 'a "quoted": null'},
        {"prefill_tp": None},
        {"tput_per_gpu": "5"},
        {"tput_per_gpu": [5]},
        {"is_multinode": 1},
    ],
)
@pytest.mark.parametrize("spaces", [(",", ":"), (", ", ": "), (" , ", " : "), ("\n,", "\t: ")])
def test_a_field_of_one_late_row_is_not_lost(late: Row, spaces: tuple[str, str]) -> None:
    row = real_rows("agg_fixed_seq")[0]["data"]
    assert isinstance(row, dict)
    rows = [json.dumps(row, separators=spaces)] * 1001
    rows[777] = json.dumps(row | late, separators=spaces)  # no sample of the rows shows it
    mapped = map_benchmark_rows(pl.DataFrame({"raw": rows}), SkipTracker())
    expected = map_benchmark_row(row | late, SkipTracker())
    assert expected is not None
    assert json.loads(mapped["metrics"][777]) == expected["metrics"]
    assert mapped.row(777, named=True).items() >= expected["config"].items()  # type: ignore[attr-defined]
    assert mapped["reason"].null_count() == 1001


def test_no_rows() -> None:
    mapped = map_benchmark_rows(pl.DataFrame({"raw": []}, schema={"raw": pl.String}), SkipTracker())
    assert mapped.height == 0
    assert set(the_registry().config_columns) < set(mapped.columns)


def test_rows_without_metrics() -> None:
    mapped = map_benchmark_rows(pl.DataFrame({"raw": ["{}", '{"hw":"b200"}', "{}"]}), SkipTracker())
    assert mapped["metrics"].to_list() == ["{}"] * 3
    assert mapped["hardware"].to_list() == [None, "b200", None]


def test_the_same_rows_give_the_same_text_in_any_company() -> None:
    odd = [
        '{"hw":"b200","x":5,"y":1e-7,"z":1e22}',
        '{"hw":"b200","x":0.5,"y":2}',
        '{"x":[1]}',
        '{"x":"5"}',
        '{"x":true}',
    ]
    rows = [json.dumps(row["data"]) for row in real_rows("agg_fixed_seq") + real_rows("together_baselines")] + odd
    together = map_benchmark_rows(pl.DataFrame({"raw": rows}), SkipTracker())["metrics"]
    alone = [map_benchmark_rows(pl.DataFrame({"raw": [row]}), SkipTracker())["metrics"].item() for row in rows]
    assert together.to_list() == alone


def test_a_new_alias_maps_what_an_older_registry_could_not() -> None:
    from dataclasses import replace

    raw = pl.DataFrame({"raw": ['{"hw":"b200","model":"amd/Kimi-K2.5-MXFP4","isl":1024,"osl":1024,"conc":4}']})
    before = map_benchmark_rows(raw, SkipTracker())
    registry = the_registry()
    newer = replace(registry, model_names={**registry.model_names, "amd/Kimi-K2.5-MXFP4": "kimik2.5"})
    after = map_benchmark_rows(raw, SkipTracker(), newer)
    assert before.select("reason", "model", "model_raw", "model_rule").row(0) == (
        "unmapped_model", None, "amd/Kimi-K2.5-MXFP4", None,
    )  # fmt: skip
    assert after.select("reason", "model", "model_rule").row(0) == (None, "kimik2.5", "name")


@pytest.mark.parametrize(
    ("mean", "peak", "valid"),
    [
        (557.7, 772.2, True),
        (0, 772.2, False),
        (800, 772.2, False),
        (557.7, None, True),
        (1101, None, False),
        (None, 1, None),
    ],
)
def test_measured_power_is_kept_beside_whether_it_can_be_true(
    mean: float | None, peak: float | None, valid: bool | None
) -> None:
    row = {"hw": "b200", "gpu": {"mean_power_per_gpu_w": mean, "peak_power_per_gpu_w": peak}}  # TDP 1000 W
    mapped = map_benchmark_rows(pl.DataFrame({"raw": [json.dumps(row)]}), SkipTracker())
    assert mapped.select("measured_power_per_gpu_w", "measured_power_valid").row(0) == (mean, valid)
