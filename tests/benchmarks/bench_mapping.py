"""How fast benchmark rows are mapped: raw JSON from Parquet to configs, metrics and keys, as the pipeline does it."""

import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from alems_pipeline.benchmarks.bulk import map_benchmark_rows
from alems_pipeline.benchmarks.mapping import SkipTracker
from tests.benchmarks.figures import Figure, seconds

ARTIFACTS = Path(__file__).parents[1] / "data" / "inferencex"
CHUNK_ROWS = 32_768
HARDWARE = ("h200-nv", "b200-dgxc-slurm_5", "mi355x-amds_0", "h200-trt-nv", "cluster:gb300-nv", "b300", "a100")
MODELS = ("dsr1", "gptoss", "kimik2.5", "dsr1-fp4-v2", "qwen3.5", "new-model")
FRAMEWORKS = ("vllm", "SGLang", "sglang-disagg", "dynamo-trtllm", "trt")
PRECISIONS = ("fp4", "FP8", "mxfp4", "bf16")


def figures(small: bool) -> list[Figure]:
    """Rows of 1.4 kB read from Parquet and mapped."""
    rows = 10_000 if small else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        _write(path, rows)
        started = time.perf_counter()
        for chunk in _chunks(path):
            map_benchmark_rows(chunk, SkipTracker())
        taken = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [seconds(f"{rows:,} benchmark rows mapped", taken, 20, peak_mib)]


def _chunks(path: Path) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(CHUNK_ROWS):
            chunk = pl.from_arrow(pa.Table.from_batches([batch]))
            assert isinstance(chunk, pl.DataFrame)
            yield chunk


def _write(path: Path, rows: int) -> None:
    """Real fixed-sequence rows with other names, sizes and figures."""
    dice = random.Random(1)
    real = [row["data"] for row in json.loads((ARTIFACTS / "agg_fixed_seq_real.json").read_text())["rows"]]
    schema = pa.schema([("raw", pa.large_string()), ("name", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, CHUNK_ROWS):
            raw = [_variant(dice, real) for _ in range(min(CHUNK_ROWS, rows - start))]
            names = ["agg_dsr1_1k8k_fp4.json"] * len(raw)
            writer.write_table(pa.table({"raw": raw, "name": names}, schema=schema))


def _variant(dice: random.Random, real: list[dict[str, object]]) -> str:
    row = dice.choice(real) | {
        "hw": dice.choice(HARDWARE),
        "infmax_model_prefix": dice.choice(MODELS),
        "framework": dice.choice(FRAMEWORKS),
        "precision": dice.choice(PRECISIONS),
        "conc": dice.choice((1, 4, 16, 64, 256)),
        "tput_per_gpu": dice.uniform(10, 5000),
        "median_intvty": dice.uniform(1, 300),
        "median_ttft": dice.uniform(0.05, 20),
        "is_multinode": dice.choice((True, False, "false")),
    }
    if dice.random() < 0.3:
        row |= {"prefill_tp": 4, "decode_tp": "8", "num_prefill_gpu": 4, "num_decode_gpu": 0}
    if dice.random() < 0.1:
        del row["p99.9_itl"], row["isl"]
    return json.dumps(row)
