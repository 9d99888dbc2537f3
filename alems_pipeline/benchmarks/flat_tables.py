"""Raw rows as flat tables: `rows.flatten_row` for a column of JSON texts, without a Python loop over rows.

What fields a batch of rows has, and of which type, is read from the batch itself: no field is lost by being new.
"""

import io
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl
from polars.datatypes import DataTypeClass

from alems_pipeline.benchmarks.rows import (
    FACTORS,
    GPU_COUNTS,
    MAX_SIZE,
    MS,
    NESTED,
    OUTPUT_THROUGHPUT,
    PRODUCER_CONC,
    PRODUCER_MODEL,
    SIZES,
    TOTAL_THROUGHPUT,
    conversions,
    count_gpus,
    flatten_row,
    with_options,
)
from alems_pipeline.keys import columns, parse_bool
from alems_pipeline.keys.registry import Registry
from alems_pipeline.keys.values import BEYOND, INT64, bounded_int, metric_number, text_of

LEAST_BATCH_ROWS: Final = 64
SAMPLE_ROWS: Final = 64

TEXTS: Final = (
    "hw",
    "model",
    "infmax_model_prefix",
    "model_prefix",
    "framework",
    "precision",
    "spec_decoding",
    "image",
)
FLAGS: Final = ("disagg", "is_multinode", "dp_attention", "prefill_dp_attention", "decode_dp_attention")
INTEGERS: Final = ("isl", "osl", "conc", *GPU_COUNTS, *SIZES)
# Beside the registry's hot metrics, what curves and energy figures are made from.
FURTHER_METRICS: Final = (
    "output_tput_per_gpu",
    "input_tput_per_gpu",
    "measured_power_per_gpu_w",
    "peak_power_per_gpu_w",
)
SUCCESSES: Final = ("num_requests_successful", "successful_requests", "completed")

AnyType = pl.DataType | DataTypeClass


class _NotATable(Exception):
    """Polars cannot read these rows as one table: broken JSON, or a field that is a list here and a number there."""


def flatten_rows(rows: pl.DataFrame, registry: Registry) -> tuple[pl.DataFrame, Counter[str]]:
    """Typed config fields and metrics of raw rows, and how often each metric that the registry lacks occurs."""
    try:
        return _flatten_table(rows, registry)
    except _NotATable:
        if rows.height <= LEAST_BATCH_ROWS:
            return _flatten_singly(rows, registry)
    half = rows.height // 2
    parts = [flatten_rows(part, registry) for part in (rows[:half], rows[half:])]
    return pl.concat(part for part, _ in parts), parts[0][1] + parts[1][1]


def _flatten_table(rows: pl.DataFrame, registry: Registry) -> tuple[pl.DataFrame, Counter[str]]:
    table = _Table(_read(rows["raw"]), rows["raw"], registry)
    fields = table.fields(_options(rows["options"]))
    fields = fields.with_columns(_physical_gpus(registry))
    metrics = table.metrics(fields)
    known = sorted((c for c in metrics if c.null_count() < len(c)), key=lambda column: column.name)
    values = {column.name: column for column in known}
    unknown = Counter({name: len(c) - c.null_count() for name, c in values.items() if name not in registry.metrics})
    hot = [
        values.get(name, pl.Series(name, [None] * rows.height)).cast(pl.Float64).alias(name)
        for name in hot_columns(registry)
    ]
    successes = [values[name].cast(pl.Int64, strict=False) for name in SUCCESSES if name in values]
    flat = fields.with_columns(
        _json_objects(known, rows.height).alias("metrics"),
        pl.DataFrame(successes).select(pl.coalesce(pl.all())).to_series().alias("n_successful")
        if successes
        else pl.lit(None, pl.Int64).alias("n_successful"),
        pl.lit(False).alias("bad_json"),
        *hot,
    )
    return flat.select(_flat_schema(registry).names()), unknown


def _read(raw: pl.Series) -> pl.DataFrame:
    """Raw rows as a table: numbers where a field has nothing else, objects of NESTED as structs, all else as text."""
    if raw.null_count() or not raw.str.contains(r"^\s*\{").all():
        raise _NotATable
    if raw.str.contains("\n", literal=True).any():
        raw = raw.str.replace_all("\n", " ", literal=True)  # a newline can only stand between tokens
    lines, sample = _lines(raw), _lines(raw.gather_every(max(1, len(raw) // SAMPLE_ROWS)))
    table = _read_as(lines, _fields(sample), keep_numbers=True)
    if table is not None and _is_all(table, raw):
        return table
    fields = _fields(lines)
    for keep_numbers in (True, False):  # a flag that is true here and 1 there is inferred as a number
        table = _read_as(lines, fields, keep_numbers)
        if table is not None and table.height == len(raw):
            return table
    raise _NotATable


def _fields(lines: bytes) -> pl.Schema:
    """Names and types of all fields of these rows."""
    try:
        return pl.scan_ndjson(io.BytesIO(lines), infer_schema_length=None).collect_schema()
    except pl.exceptions.PolarsError as error:
        raise _NotATable from error


def _read_as(lines: bytes, fields: pl.Schema, keep_numbers: bool) -> pl.DataFrame | None:
    """The rows' fields of these names; None where a value does not have the type."""
    schema: dict[str, AnyType] = {"hw": pl.String()}  # at least one column, to count the rows by
    schema |= {name: _column_type(name, dtype, keep_numbers) for name, dtype in fields.items()}
    try:
        return pl.read_ndjson(lines, schema=schema)
    except pl.exceptions.PolarsError:
        return None


def _is_all(table: pl.DataFrame, raw: pl.Series) -> bool:
    """Whether the table holds every value of the rows that is not null: a third of the time of looking at all fields.

    A key is a quote and a colon. Text can only add such pairs, so equal numbers prove that no field is missing; what
    could hide a key, or is an escaped quote, is left to the slower way.
    """
    if raw.str.contains(r'[ \t\r]:|\\"').any():
        return False
    keys = int(raw.str.count_matches('":', literal=True).sum())
    has_null = raw.str.contains("null", literal=True).any()  # a sixth of the time of counting them
    nulls = int(raw.str.count_matches(r'":\s*null').sum()) if has_null else 0
    inner = [
        table[name].struct.field(field.name).count()
        for name, dtype in table.schema.items()
        for field in _members(dtype)
    ]
    return table.height == len(raw) and keys - nulls == sum(column.count() for column in table) + sum(inner)


def _lines(raw: pl.Series) -> bytes:
    return bytes(raw.str.join("\n").cast(pl.Binary).item())


def _column_type(name: str, inferred: AnyType, keep_numbers: bool) -> AnyType:
    if isinstance(inferred, pl.Struct) and name in NESTED:
        return pl.Struct({field.name: _column_type("", field.dtype, keep_numbers) for field in inferred.fields})
    # Integers too as Float64: how a metric is written must not depend on what else stands in the batch.
    is_number = inferred in (pl.Int64, pl.Float64) and name not in TEXTS
    return pl.Float64() if keep_numbers and is_number else pl.String()


def _options(texts: pl.Series) -> pl.DataFrame | None:
    """The collector's options of each row as typed fields; None where no row has any."""
    unique = texts.unique().drop_nulls()
    if unique.is_empty():
        return None
    known = pl.DataFrame(
        [{"options": text} | _typed(json_object(text) or {}) for text in unique],
        schema={"options": pl.String, **_field_schema()},
    )
    return texts.to_frame("options").join(known, on="options", how="left", maintain_order="left").drop("options")


@dataclass(frozen=True)
class _Table:
    """A batch as read, with `raw` for the few things that typed columns cannot tell apart."""

    data: pl.DataFrame
    raw: pl.Series
    registry: Registry

    def fields(self, options: pl.DataFrame | None) -> pl.DataFrame:
        """All config fields, typed; of producer files what their counts and the collector's options say."""
        producer = self._producer()
        typed = self.data.select(
            *(self._text(name).alias(name) for name in TEXTS),
            *(self._integer(name).alias(name) for name in INTEGERS),
            *(self._flag(name).alias(name) for name in FLAGS),
            producer.alias("producer"),
            self._has_prefill_tp().alias("has_prefill_tp"),
            *(self._nested_integer(name).alias(f"nested {name}") for name in GPU_COUNTS),
        )
        if not typed["producer"].any():
            return typed
        counted = self.data.select(
            self._text(PRODUCER_MODEL).alias("model"), self._integer(PRODUCER_CONC).alias("conc")
        )
        filled = [pl.when("producer").then(pl.coalesce(n, counted[n])).otherwise(n).alias(n) for n in counted.columns]
        typed = typed.with_columns(filled)
        if options is None:
            return typed
        told = [pl.when("producer").then(pl.coalesce(options[n], n)).otherwise(n).alias(n) for n in options.columns]
        return typed.with_columns(told)

    def metrics(self, fields: pl.DataFrame) -> list[pl.Series]:
        """Every metric as a column of numbers; null where a row lacks it."""
        table = self.data.with_columns(
            fields["producer"].alias("is producer"),
            fields["physical_gpus"].alias("physical gpus"),
            # A column, since Polars multiplies by the inverse of a literal divisor: another last digit.
            pl.Series("ms per s", [1000.0]).new_from_index(0, len(fields)),
        )
        from_producers = bool(fields["producer"].any())
        found: dict[str, list[pl.Expr]] = {}
        for name, value in self._own_metrics(from_producers):
            found.setdefault(name, []).append(value)
        expressions = [
            pl.coalesce(values).alias(name)
            for name, values in found.items()
            if name not in self.registry.non_metric_keys
        ]
        # What is derived may exceed float64, too: 1000 / 5e-324.
        finite = [
            column.set(column.is_infinite(), None) if is_beyond(column, sys.float_info.max) else column
            for column in table.select(expressions).get_columns()
        ]
        return finite

    def _own_metrics(self, from_producers: bool) -> Iterator[tuple[str, pl.Expr]]:
        producer = pl.col("is producer")
        unfolded = self._unfolded()
        of_producer = {name: self._number(name) for name in self.data.columns if name not in unfolded}
        for name, value in of_producer.items():
            converted = from_producers and (name.endswith(MS) or name == PRODUCER_CONC)
            yield name, pl.when(~producer).then(value) if converted else value
        nested = {
            field.name: _number(pl.col(name).struct.field(field.name), self.data[name].struct.field(field.name))
            for name in unfolded
            for field in _members(self.data.schema[name])
        }
        yield from _derived(nested, ~producer)
        if from_producers:
            latencies = {name: value for name, value in of_producer.items() if name.endswith(MS)}
            yield from _derived(latencies, producer)
            yield from _per_gpu(of_producer, producer)
        yield from _per_gpu(nested, ~producer)

    def _unfolded(self) -> list[str]:
        return [name for name in NESTED if isinstance(self.data.schema.get(name), pl.Struct)]

    def _inner_names(self) -> list[str]:
        return [field.name for place in self._unfolded() for field in _members(self.data.schema[place])]

    def _producer(self) -> pl.Expr:
        latencies = [self._number(name).is_not_null() for name in self.data.columns if name.endswith(MS)]
        return self._text("hw").is_null() & pl.any_horizontal(latencies) if latencies else pl.lit(False)

    def _has_prefill_tp(self) -> pl.Expr:
        """Whether the row has the key, whatever its value: null looks the same as absent in a column."""
        absent = pl.Series([None]).new_from_index(0, len(self.raw))
        held = self.data.get_column("prefill_tp", default=absent).is_not_null()
        unsure = self.raw.str.contains('"prefill_tp"', literal=True) & ~held
        if not unsure.any():
            return pl.lit(held)
        if "prefill_tp" in self._inner_names():
            raise _NotATable  # the text does not tell whose it is
        return self._raw_has("prefill_tp", "")

    def _text(self, name: str) -> pl.Expr:
        if name not in self.data.columns or isinstance(self.data.schema[name], pl.Struct):
            return pl.lit(None, pl.String)
        return pl.col(name).cast(pl.String)

    def _flag(self, name: str) -> pl.Expr:
        return columns.parse_bool(self._text(name))

    def _number(self, name: str) -> pl.Expr:
        return _number(pl.col(name), self.data[name])

    def _integer(self, name: str) -> pl.Expr:
        if name not in self.data.columns:
            return pl.lit(None, pl.Int64)
        return self._as_integer(pl.col(name), self.data[name], name)

    def _nested_integer(self, name: str) -> pl.Expr:
        if name not in {field.name for field in _members(self.data.schema.get("gpu"))}:
            return pl.lit(None, pl.Int64)
        return self._as_integer(pl.col("gpu").struct.field(name), self.data["gpu"].struct.field(name), name)

    def _as_integer(self, value: pl.Expr, column: pl.Series, name: str) -> pl.Expr:
        """bounded_int: numbers are rounded, strings cut; text that could be either is looked up in the raw row."""
        if column.dtype == pl.Float64:
            return columns.bounded_round(value) if is_beyond(column, BEYOND) else columns.round_half_up(value)
        if column.dtype != pl.String:
            return pl.lit(None, pl.Int64)
        whole = column.str.contains(r"^-?[0-9]+$").fill_null(True)
        if whole.all():
            return columns.bounded_int(value)
        text = pl.lit(whole) | self._raw_has(name, '"')
        rounded = columns.bounded_round(columns.metric_number(value))
        return pl.when(text).then(columns.bounded_int(value)).otherwise(rounded)

    def _raw_has(self, name: str, value_start: str) -> pl.Expr:
        """Whether the raw row has the field, its value starting like that."""
        if [*self.data.columns, *self._inner_names()].count(name) > 1:
            raise _NotATable  # the text does not tell whose it is
        return pl.lit(self.raw.str.contains(rf'[^\\]"{name}"\s*:\s*{value_start}'))


def is_beyond(column: pl.Series, bound: float) -> bool:
    """Whether any number is farther from 0; asked first, since hardly any is, and looking at each costs."""
    least, greatest = column.min(), column.max()
    return isinstance(least, int | float) and isinstance(greatest, int | float) and max(-least, greatest) > bound


def _members(dtype: AnyType | None) -> list[pl.Field]:
    return dtype.fields if isinstance(dtype, pl.Struct) else []


def _number(value: pl.Expr, column: pl.Series) -> pl.Expr:
    """`metric_number` of a column that was read."""
    if column.dtype == pl.Float64:  # an integer of 400 digits is read as infinite
        return pl.when(value.is_finite()).then(value) if is_beyond(column, sys.float_info.max) else value
    return columns.metric_number(value) if column.dtype == pl.String else pl.lit(None, pl.Float64)


def _derived(measured: Mapping[str, pl.Expr], of_rows: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    for name, value in measured.items():
        for metric, conversion in conversions(name):
            if conversion == "same":
                yield metric, pl.when(of_rows).then(value)
            elif conversion == "seconds":
                yield metric, pl.when(of_rows).then(value / pl.col("ms per s"))
            else:
                yield metric, pl.when(of_rows & (value > 0)).then(1000 / value)


def _per_gpu(measured: Mapping[str, pl.Expr], of_rows: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    gpus = pl.col("physical gpus")
    unknown = pl.lit(None, pl.Float64)
    total = measured.get(TOTAL_THROUGHPUT, unknown)
    output = pl.coalesce(measured.get(name, unknown) for name in OUTPUT_THROUGHPUT)
    for name, value in (
        ("tput_per_gpu", total),
        ("output_tput_per_gpu", output),
        ("input_tput_per_gpu", total - output),
    ):
        yield name, pl.when(of_rows).then(value / gpus)


def _physical_gpus(registry: Registry) -> pl.Expr:
    """`rows.physical_gpus`."""
    counts = [pl.col(name) for name in (*GPU_COUNTS, *(f"nested {name}" for name in GPU_COUNTS))]
    both, prefill, decode = (_role_gpus(prefix) for prefix in ("", "prefill_", "decode_"))
    prefill = pl.coalesce(_within(0, pl.col("num_prefill_gpu")), prefill)
    decode = pl.coalesce(_within(0, pl.col("num_decode_gpu")), decode)
    _, disagg = columns.normalize_framework(pl.col("framework"), pl.col("disagg"), registry)
    shared = pl.max_horizontal(prefill, decode, pl.lit(0))
    by_role = pl.when(disagg).then(prefill + decode).otherwise(shared)
    explicit = [_within(1, count) for count in counts]
    gpus = pl.coalesce(*explicit, pl.when("has_prefill_tp").then(by_role).otherwise(both))
    return pl.when(gpus > 0).then(gpus).alias("physical_gpus")


def _role_gpus(prefix: str) -> pl.Expr:
    gpus = _within(1, pl.col(f"{prefix}tp")).cast(pl.Float64)  # of which no product overflows
    for name in FACTORS:
        gpus = gpus * pl.max_horizontal(pl.col(f"{prefix}{name}").fill_null(1), 1)
    return _within(1, gpus).cast(pl.Int64)


def _within(least: int, value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_between(least, MAX_SIZE)).then(value)


def _json_objects(metrics: list[pl.Series], height: int) -> pl.Series:
    """One JSON object per row of the metrics that it has, in the order given."""
    pieces: list[pl.Expr] = []
    for has_gaps, run in itertools.groupby(metrics, key=lambda column: column.null_count() > 0):
        # What every row has in one go: half the time of member by member.
        together = list(run)
        groups = [[column] for column in together] if has_gaps else [together]
        pieces += [pl.concat_str(_json_members(group)) for group in groups]
    joined = pl.concat_str(pieces or [pl.lit("")], separator=",", ignore_nulls=True)
    table = pl.DataFrame(metrics) if metrics else pl.DataFrame({"no metric": [None] * height})
    return table.with_columns(pl.concat_str(pl.lit("{"), joined, pl.lit("}")).alias("metrics"))["metrics"]


def _json_members(metrics: Iterable[pl.Series]) -> list[pl.Expr]:
    names = [column.name for column in metrics]
    parts = [(pl.lit(f"{',' if i else ''}{json.dumps(name)}:"), pl.col(name)) for i, name in enumerate(names)]
    return [part for pair in parts for part in pair]


def _flatten_singly(rows: pl.DataFrame, registry: Registry) -> tuple[pl.DataFrame, Counter[str]]:
    """The scalar way, for the few rows that no table can hold together."""
    unknown: Counter[str] = Counter()
    fields, metrics = [], []
    for raw, options in rows.select("raw", "options").iter_rows():
        row, told = json_object(raw), json_object(options)
        flat = flatten_row(row or {}, told, registry)
        numbers = {name: metric_number(value) for name, value in flat.items() if name not in registry.non_metric_keys}
        measured = {name: number for name, number in numbers.items() if number is not None}
        unknown.update(measured.keys() - registry.metrics)
        counted = [int(float(measured[name])) for name in SUCCESSES if name in measured]
        successes = [n for n in counted if n in INT64]
        metrics.append(measured)
        fields.append(
            {
                **_typed(flat),
                **{name: parse_bool(flat.get(name)) for name in FLAGS},
                **{name: measured.get(name) for name in hot_columns(registry)},
                "has_prefill_tp": "prefill_tp" in flat,
                "physical_gpus": count_gpus(with_options(row or {}, told), registry),
                "n_successful": successes[0] if successes else None,
                "bad_json": row is None,
            }
        )
    names = sorted({name for measured in metrics for name in measured})
    columns_of_numbers = pl.DataFrame(metrics, schema=dict.fromkeys(names, pl.Float64)).get_columns()
    texts = _json_objects(columns_of_numbers, rows.height)
    return pl.DataFrame(fields, schema=_flat_schema(registry)).with_columns(texts), unknown


def json_object(raw: str | None) -> dict[str, object] | None:
    """A row's JSON; None where it is no object, or no Unicode: half a surrogate pair fits into no column."""
    try:
        row = json.loads(raw or "")
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _typed(row: Mapping[str, object]) -> dict[str, object]:
    """The config fields that a row has, typed; None where it lacks one."""
    return {
        **{name: None if row.get(name) is None else text_of(row[name]) for name in TEXTS},
        **{name: bounded_int(row.get(name)) for name in INTEGERS},
        **{name: None if row.get(name) is None else parse_bool(row[name]) for name in FLAGS},
        "has_prefill_tp": True if row.get("prefill_tp") is not None else None,
    }


def _field_schema() -> dict[str, AnyType]:
    return {
        **dict.fromkeys(TEXTS, pl.String),
        **dict.fromkeys(INTEGERS, pl.Int64),
        **dict.fromkeys((*FLAGS, "has_prefill_tp"), pl.Boolean),
    }


def hot_columns(registry: Registry) -> tuple[str, ...]:
    return (*registry.hot_metrics, *FURTHER_METRICS)


def _flat_schema(registry: Registry) -> pl.Schema:
    return pl.Schema(
        {
            **_field_schema(),
            "physical_gpus": pl.Int64,
            "metrics": pl.String,
            "n_successful": pl.Int64,
            "bad_json": pl.Boolean,
            **dict.fromkeys(hot_columns(registry), pl.Float64),
        }
    )
