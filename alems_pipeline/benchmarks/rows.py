"""Artifact rows of every form as one flat row: nested objects unfolded, a producer's milliseconds as seconds.

Three forms occur. A *flat* row holds its config and its metrics side by side. A *nested* row keeps its metrics in the
objects `metrics` and `gpu`. A *producer* file is the benchmark client's own output: latencies in ms, no config.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from alems_pipeline.keys.registry import Registry, the_registry
from alems_pipeline.keys.resolve import framework_and_disagg
from alems_pipeline.keys.values import bounded_int, metric_number, text_of

Row = Mapping[str, object]
Conversion = Literal["same", "seconds", "rate"]

NESTED: Final = ("metrics", "gpu")
MS: Final = "_ms"
RENAMED: Final = {"mean_power_per_gpu_w": "measured_power_per_gpu_w"}
TOTAL_THROUGHPUT: Final = "total_token_throughput"
OUTPUT_THROUGHPUT: Final = ("output_token_throughput", "output_throughput")
GPU_COUNTS: Final = ("n_gpus", "num_gpus")
FACTORS: Final = ("pp", "pcp_size", "num_workers")  # of GPUs, beside tp
ROLES: Final = ("prefill", "decode")
SIZES: Final = (
    *(f"{role}{name}" for role in ("", "prefill_", "decode_") for name in ("tp", "ep", *FACTORS)),
    *(f"num_{role}_gpu" for role in ROLES),
)
MAX_SIZE: Final = 1_000_000  # of any of SIZES, and of GPUs: more than any cluster has
MAX_LENGTH: Final = 1_000_000_000  # tokens of a request, and concurrent requests
PRODUCER_MODEL: Final = "model_id"
PRODUCER_CONC: Final = "max_concurrency"


def is_producer(row: Row) -> bool:
    """Whether the row is a producer file: latencies in ms, and nothing that says on what it ran."""
    return row.get("hw") is None and any(
        name.endswith(MS) and metric_number(value) is not None for name, value in row.items()
    )


def with_options(row: Row, options: Row | None) -> dict[str, object]:
    """The row; a producer file with its config: its own counts, and before them what the collector was told."""
    if not is_producer(row):
        return dict(row)
    own: dict[str, object] = {}
    if row.get("model") is None:
        own["model"] = row.get(PRODUCER_MODEL)
    if bounded_int(row.get("conc")) is None:
        own["conc"] = row.get(PRODUCER_CONC)
    told = {name: value for name, value in (options or {}).items() if value is not None}
    return {**row, **own, **told}


def flatten_row(row: Row, options: Row | None = None, registry: Registry | None = None) -> dict[str, object]:
    """The row as a flat one: seconds, interactivity and per-GPU throughput derived where its form lacks them.

    `options` are what the collector was told about producer files (hw, framework, precision, model, …); other forms
    say it themselves. A flat row comes back as it is: raw names, no unit changed.
    """
    registry = registry or the_registry()
    whole = with_options(row, options)
    flat = {name: value for name, value in whole.items() if not (name in NESTED and isinstance(value, Mapping))}
    if is_producer(row):
        measured: Row = {name: value for name, value in row.items() if name.endswith(MS)}
        throughput: Row = row
        flat = {name: value for name, value in flat.items() if name not in (*measured, PRODUCER_CONC)}
    else:
        measured = {name: value for place in NESTED for name, value in _members(row.get(place))}
        throughput = measured
    for name, value in [*_converted(measured), *_per_gpu_throughput(throughput, count_gpus(whole, registry))]:
        if name not in registry.non_metric_keys and metric_number(flat.get(name)) is None:
            flat[name] = value
    return flat


def conversions(name: str) -> list[tuple[str, Conversion]]:
    """What a nested or producer field becomes: (metric, how), e.g. median_tpot_ms -> median_tpot, median_intvty."""
    if not name.endswith(MS):
        return [(RENAMED.get(name, name), "same")]
    seconds: tuple[str, Conversion] = (name.removesuffix(MS), "seconds")
    if not seconds[0].endswith("_tpot"):
        return [seconds]
    return [seconds, (seconds[0].removesuffix("tpot") + "intvty", "rate")]


def physical_gpus(row: Row) -> int | None:
    """GPUs that the row ran on: an explicit count, else tp x pp x pcp x workers; None where nothing says.

    Expert parallelism shares the GPUs of tensor parallelism: tp x ep is not a number of GPUs. Prefill and decode add
    up where they are served apart, else they are the same GPUs.
    """
    return count_gpus(row, the_registry())


def count_gpus(row: Row, registry: Registry) -> int | None:
    """physical_gpus with a given registry."""
    for place in (row, dict(_members(row.get("gpu")))):
        for name in GPU_COUNTS:
            explicit = _positive(place.get(name))
            if explicit is not None:
                return explicit
    if "prefill_tp" not in row:
        return _role_gpus(row, "", None)
    prefill, decode = (_role_gpus(row, f"{role}_", row.get(f"num_{role}_gpu")) for role in ROLES)
    _, disagg = framework_and_disagg(text_of(row.get("framework")), row.get("disagg"), registry)
    if disagg:
        return None if prefill is None or decode is None else prefill + decode or None
    return max(prefill or 0, decode or 0) or None


def _role_gpus(row: Row, prefix: str, given: object) -> int | None:
    explicit = bounded_int(given)
    if explicit is not None and 0 <= explicit <= MAX_SIZE:  # 0: the other role's GPUs do this one's work
        return explicit
    gpus = _positive(row.get(f"{prefix}tp"))
    if gpus is None:
        return None
    for name in FACTORS:
        gpus *= max(bounded_int(row.get(f"{prefix}{name}")) or 1, 1)
    return gpus if gpus <= MAX_SIZE else None


def _positive(value: object) -> int | None:
    integer = bounded_int(value)
    return integer if integer is not None and 0 < integer <= MAX_SIZE else None


def is_out_of_range(row: Row, *lengths: int) -> bool:
    """Whether a flat row says sizes or lengths that cannot be: no table of them, and no figure, would mean anything."""
    sizes = (bounded_int(row.get(name)) for name in SIZES)
    return any(not 0 < n <= MAX_LENGTH for n in lengths) or any(n is not None and abs(n) > MAX_SIZE for n in sizes)


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from value.items()


def _converted(measured: Row) -> Iterator[tuple[str, float]]:
    for name, raw in measured.items():
        value = metric_number(raw)
        if value is None:
            continue
        for metric, conversion in conversions(name):
            if conversion == "same":
                yield metric, value
            elif conversion == "seconds":
                yield metric, value / 1000
            elif value > 0:  # nothing was generated: no rate, rather than an infinite one
                yield metric, 1000 / value


def _per_gpu_throughput(row: Row, gpus: int | None) -> Iterator[tuple[str, float]]:
    """Tokens/s per GPU: total, output, and the rest as input."""
    total = metric_number(row.get(TOTAL_THROUGHPUT))
    outputs = [n for name in OUTPUT_THROUGHPUT if (n := metric_number(row.get(name))) is not None]
    if gpus is None:
        return
    if total is not None:
        yield "tput_per_gpu", total / gpus
    for output in outputs[:1]:
        yield "output_tput_per_gpu", output / gpus
        if total is not None:
            yield "input_tput_per_gpu", (total - output) / gpus
