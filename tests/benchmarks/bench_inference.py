"""Benchmark rows from landing to tables: mapped, normalised, loaded; the newest of each point; the same rows once more.

Each step runs in a process of its own, which tells its time and peak memory. `python -m
tests.benchmarks.bench_inference 1000000` prints the measurements for a size of one's own.
"""

import hashlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from collectors.contract_inference import INFERENCE_ARTIFACTS
from collectors.drop import Drop
from tests.benchmarks.figures import Figure, seconds
from tests.inference_warehouse import build_inference, inference_files, real_row, rows_of

FIRST: Final = date(2025, 1, 1)
HARDWARE: Final = ("h200-nv", "b200-dgxc-slurm_5", "mi355x-amds_0", "h200-trt-nv", "cluster:gb300-nv", "b300", "a100")
MODELS: Final = ("dsr1", "gptoss", "kimik2.5", "dsr1-fp4-v2", "qwen3.5", "new-model")
FRAMEWORKS: Final = ("vllm", "SGLang", "sglang-disagg", "dynamo-trtllm", "trt")
PRECISIONS: Final = ("fp4", "FP8", "mxfp4", "bf16")
ROWS_PER_DAY: Final = 20_000
ROWS_PER_RUN: Final = 2_000  # a sweep of one model
TARGET_S: Final = 20.0
TARGET_MIB: Final = 2048.0
LOADED: Final = ("inference.mapped_rows", "inference.workflow_runs", "inference.configs", "inference.latest_benchmarks")


def figures(small: bool) -> list[Figure]:
    """What `make bench` shows."""
    rows = 20_000 if small else 1_000_000
    found = run(rows)
    scale = rows / 1_000_000
    mapped = seconds(
        f"{rows:,} landed benchmark rows mapped, normalised and loaded", found["mapped"]["seconds"], TARGET_S * scale
    )
    fits = found["mapped"]["peak_mib"] <= TARGET_MIB
    return [
        Figure(
            mapped.name,
            mapped.measured,
            f"{mapped.target}, ≤ 2 GiB",
            memory=f"{found['mapped']['peak_mib']:.0f} MiB",
            met=bool(mapped.met and fits) or small,  # what does not grow with rows outweighs a few
        ),
        seconds("the newest of each point over them", found["mapped"]["latest_seconds"], 1.0),
        Figure(
            "the days landed again, and nothing new",
            f"{found['again']['seconds']:.2f} s, tables {'identical' if found['again']['identical'] else 'DIFFER'}",
            "identical",
            met=bool(found["again"]["identical"]),
        ),
        Figure(
            f"before: {rows:,} rows from landing to stage, validated and de-duplicated",
            f"{found['staged']['seconds']:.2f} s",
            memory=f"{found['staged']['peak_mib']:.0f} MiB",
        ),
        Figure(
            "curves: fronts, interpolation, cost",
            f"{found['mapped']['curves_seconds']:.2f} s",
            memory=f"{found['mapped']['peak_mib_of_all']:.0f} MiB",
        ),
    ]


def run(rows: int) -> dict[str, dict[str, float]]:
    """By step: seconds, peak_mib and more."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_landing(home, rows)
        return {step: _in_a_process(step, home) for step in ("staged", "mapped", "again")}


def make_landing(home: Path, rows: int) -> None:
    """Real fixed-sequence rows with other names, sizes and figures: ten sweeps a day."""
    dice = random.Random(1)
    real = [real_row(), real_row(isl=8192), real_row(osl=8192)]
    for number in range((rows + ROWS_PER_DAY - 1) // ROWS_PER_DAY):
        day = FIRST + timedelta(days=number)
        n = min(ROWS_PER_DAY, rows - number * ROWS_PER_DAY)
        runs = [29_000_000_000 + (number * ROWS_PER_DAY + row) // ROWS_PER_RUN for row in range(n)]
        raws = [_variant(dice, real, MODELS[run % len(MODELS)]) for run in runs]
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        drop = Drop(home / "landing", INFERENCE_ARTIFACTS, host="bench", producer="bench", date=day)
        drop.append(
            {
                "source_system": ["inferencex"] * n,
                "recorded_at": [at] * n,
                "kind": ["benchmark"] * n,
                "run_name": [str(run) for run in runs],
                "github_run_id": runs,
                "run_attempt": [1] * n,
                "created_at": [at] * n,
                "artifact_path": ["results/agg_dsr1_1k8k_fp4.json"] * n,
                "row_index": pa.array(range(n)),
                "raw_sha256": [hashlib.sha256(raw.encode()).hexdigest() for raw in raws],
                "raw": raws,
            }
        )
        drop.flush()


def _variant(dice: random.Random, real: list[dict[str, Any]], model: str) -> str:
    row = dice.choice(real) | {
        "hw": dice.choice(HARDWARE),
        "infmax_model_prefix": model,
        "framework": dice.choice(FRAMEWORKS),
        "precision": dice.choice(PRECISIONS),
        "tp": dice.choice((1, 2, 4, 8)),
        "conc": dice.choice((1, 2, 4, 8, 16, 32, 64, 128, 256, 512)),
        "tput_per_gpu": dice.uniform(10, 5000),
        "median_intvty": dice.uniform(1, 300),
        "median_ttft": dice.uniform(0.05, 20),
        "is_multinode": dice.choice((True, False, "false")),
    }
    if dice.random() < 0.3:
        row |= {"prefill_tp": 4, "decode_tp": "8", "num_prefill_gpu": 4, "num_decode_gpu": 0}
    if dice.random() < 0.1:
        del row["p99.9_itl"], row["isl"]
    return json.dumps(row, separators=(",", ":"))


def _in_a_process(step: str, home: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_inference", step, str(home)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def staged(home: Path) -> dict[str, float]:
    from alems_pipeline import build
    from alems_pipeline.warehouse import Warehouse

    warehouse = Warehouse(home)
    with warehouse.write() as con:
        plan = build.plan(warehouse, con)
    started = time.perf_counter()
    build.build_days(warehouse, plan.days)
    return {"seconds": time.perf_counter() - started, "peak_mib": _peak_mib()}


def mapped(home: Path) -> dict[str, float]:
    from alems_pipeline import build
    from alems_pipeline.warehouse import Warehouse

    warehouse = Warehouse(home)
    took: dict[str, float] = {}
    peaks: dict[str, float] = {}
    opened = time.perf_counter()
    with warehouse.write() as con:
        for file in inference_files():
            started = time.perf_counter()
            build.build_tables(con, warehouse, [file])
            took[file.qualified_name] = time.perf_counter() - started
            peaks[file.qualified_name] = _peak_mib()
            if file.qualified_name == LOADED[-1]:
                loaded = time.perf_counter()
    whole = time.perf_counter() - opened
    curves = sum(s for name, s in took.items() if name.endswith(("pareto_points", "interpolated_metrics", "tco")))
    return {
        "seconds": sum(took[name] for name in LOADED),
        "to_latest_seconds": loaded - opened,
        "latest_seconds": took["inference.latest_benchmarks"],
        "curves_seconds": curves,
        "whole_seconds": whole,
        "peak_mib": peaks["inference.latest_benchmarks"],
        "peak_mib_of_all": _peak_mib(),
        **took,
    }


def again(home: Path) -> dict[str, float]:
    before = _content(home)
    for path in (home / "landing").rglob("*.parquet"):
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    started = time.perf_counter()
    build_inference(home)
    taken = time.perf_counter() - started
    return {"seconds": taken, "identical": float(_content(home) == before), "peak_mib": _peak_mib()}


def _content(home: Path) -> list[dict[str, Any]]:
    tables = ("mapped_rows", "configs", "workflow_runs", "latest_benchmarks", "latest_curves", "interpolated_metrics")
    hashed = [f"SELECT '{t}', count(*), bit_xor(hash(t)) FROM inference.{t} AS t" for t in tables]
    return rows_of(home, " UNION ALL ".join(hashed))


STEPS: Final[dict[str, Callable[[Path], dict[str, float]]]] = {"staged": staged, "mapped": mapped, "again": again}

if __name__ == "__main__":
    if sys.argv[1] in STEPS:
        print(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        print(json.dumps(run(int(sys.argv[1])), indent=1))
