"""Drops tabular data (CSV or Parquet) as a dataset: its samples, its targets; and a model's predictions for it.

A dataset is known by its name and the digest of its file. The samples are dropped first and the record of the dataset
last, so that what a kill leaves behind is never taken for a whole dataset.
"""

import hashlib
import io
import json
import math
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from collectors.contract_datasets import ML_DATASET_RECORDS, ML_PREDICTIONS, ML_SAMPLES, ML_TARGETS
from collectors.dataset import Dataset
from collectors.drop import MAX_ROWS, MAX_SECONDS, Drop, drop_rows
from collectors.ids import stable_id

SOURCE_SYSTEM: Final = "alems-collect"
PRODUCER: Final = "alems-collect dataset"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
BATCH_ROWS: Final = 50_000
CSV_BLOCK_BYTES: Final = 4 << 20
"""A portion of a CSV file; Arrow reads some ahead. No row is longer."""
_CSV: Final = pyarrow.csv.ParseOptions(newlines_in_values=True)
OWN_COLUMNS: Final = ("sample_id", "dataset_id", "sample_index")
PREDICTION_COLUMNS: Final = ("prediction", "predictions", "class")
GREATEST_CLASS: Final = 2**53

Progress = Callable[[str, int, int], None]
"""Told of a dataset, its rows done, and its rows in all."""


class BadTable(RuntimeError):
    """A file that cannot be taken as a dataset; the message says what, which rule, and the remedy."""


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What became of a file; `n_samples` is 0 where the same was dropped before."""

    name: str
    digest: str
    n_samples: int
    n_targets: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A dataset that has landed."""

    dataset_id: int
    digest: str
    n_samples: int
    columns_json: str
    recorded_at: datetime


# ---- datasets --------------------------------------------------------------------------------------------------------


def drop_dataset(
    name: str,
    path: Path,
    landing: Path,
    *,
    targets: Sequence[str] = (),
    index: str | None = None,
    again: bool = False,
    progress: Progress = lambda dataset, done, rows: None,
) -> DatasetSummary:
    """Drop the file as the dataset `name`; of one that has landed already, with the same columns, nothing.

    `targets` are the columns that models are to predict, `index` the one that numbers the samples; all others are
    features. Raises BadTable, OSError, DropFailed.
    """
    if not NAME.fullmatch(name):
        raise BadTable(f"{name!r}: a dataset's name has letters, digits, _ . - and begins with one of the first two")
    table = _Table(path)
    digest = file_digest(path)
    columns = _columns(table, targets, index)
    columns_json = json.dumps(columns, ensure_ascii=False)
    dataset_id = stable_id(name, digest)
    known = next((one for one in landed_datasets(landing, name) if one.dataset_id == dataset_id), None)
    if known is not None and known.columns_json == columns_json and not again:
        return DatasetSummary(name, digest, 0, 0)
    if table.n_rows == 0:
        raise BadTable(f"{path}: no rows; a dataset has at least one sample")
    now = datetime.now(UTC)
    features = [column["name"] for column in columns if column["role"] == "feature"]
    ranks = {target: _ranks(table, target) for target in targets}
    seen: set[int] = set()
    with _Drops(landing, now) as drops:
        for first, batch in table.batches():
            indexes = _indexes(path, batch, index, first, seen)
            key = {
                "dataset_id": [dataset_id] * len(indexes),
                "sample_index": indexes,
                "recorded_at": [now] * len(indexes),
            }
            drops.of(ML_SAMPLES).append(key | {"features_json": _features(batch, features)})
            for number, target in enumerate(targets):
                outcome = _outcomes(path, batch, target, ranks[target])
                named = {"target_index": [number] * len(indexes), "target_name": [target] * len(indexes)}
                drops.of(ML_TARGETS).append(key | named | outcome)
            progress(name, first + len(indexes), table.n_rows)
    record = {
        "dataset_id": dataset_id, "name": name, "digest": digest, "source": str(path.resolve()),
        "n_samples": table.n_rows, "columns_json": columns_json, "source_system": SOURCE_SYSTEM,
        "host": socket.gethostname(), "recorded_at": now,
    }  # fmt: skip
    drop_rows(landing, ML_DATASET_RECORDS, [record], host=socket.gethostname(), producer=PRODUCER, date=now.date())
    return DatasetSummary(name, digest, table.n_rows, len(targets))


def drop_predictions(
    name: str,
    path: Path,
    landing: Path,
    *,
    run_uuid: str | None = None,
    model: str | None = None,
    version: int | None = None,
    columns: Sequence[str] = (),
    index: str | None = None,
    digest: str | None = None,
) -> int:
    """Drop a file of predictions for samples of the dataset `name`; returns how many.

    `columns` hold the predictions of the first target, the second, …; without them the column called prediction, or
    the only one. `index` says which sample a row is for; without it, and without a column sample_index, the rows are
    the samples in order. `digest` tells datasets of one name apart; without it the newest counts.
    Raises BadTable, OSError, DropFailed.
    """
    if run_uuid is None and (model is None or version is None):
        raise BadTable("predictions of what? Give --run-uuid, or --model and --model-version, or all of them")
    known = landed_datasets(landing, name)
    if digest is not None:
        known = [one for one in known if one.digest.startswith(digest)]
    if not known:
        which = name if digest is None else f"{name} with the digest {digest}"
        raise BadTable(f"{which}: no such dataset in {landing}; drop it first: alems-collect dataset {name} FILE")
    dataset = known[-1]
    table = _Table(path)
    index = index or next((column for column in table.names if column == "sample_index"), None)
    columns = columns or [_prediction_column(path, [column for column in table.names if column != index])]
    for column in [*columns, *([index] if index else [])]:
        table.need(column)
    is_numbered = any(column["role"] == "index" for column in json.loads(dataset.columns_json))
    if index is None and (is_numbered or table.n_rows != dataset.n_samples):
        raise BadTable(
            f"{path}: {table.n_rows} predictions for {dataset.n_samples} {'numbered ' * is_numbered}samples of {name}; "
            "say by a column sample_index (or --index COLUMN) which sample each is for"
        )
    now = datetime.now(UTC)
    seen: set[int] = set()
    with _Drops(landing, now, whole=True) as drops:  # a part of the predictions would give false metrics
        for first, batch in table.batches():
            indexes = _indexes(path, batch, index, first, seen)
            of_all = {
                "dataset_id": dataset.dataset_id, "run_uuid": run_uuid, "model_name": model, "model_version": version,
                "host": socket.gethostname(), "recorded_at": now,
            }  # fmt: skip
            for number, column in enumerate(columns):
                repeated = {
                    key: [value] * len(indexes) for key, value in (of_all | {"prediction_index": number}).items()
                }
                outcome = _outcomes(path, batch, column, None)
                drops.of(ML_PREDICTIONS).append(repeated | {"sample_index": indexes} | outcome)
    return table.n_rows * len(columns)


def file_digest(path: Path) -> str:
    """The digest by which a dataset is known: 32 hex digits, so that MLflow's 36 hold it too."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def landed_datasets(landing: Path, name: str) -> list[_Known]:
    """The datasets of that name in a landing folder, the newest last."""
    found: dict[int, _Known] = {}
    for path in sorted((landing / ML_DATASET_RECORDS.name).glob("date=*/*.parquet")):
        try:
            rows = pq.ParquetFile(path).read().to_pylist()
        except (OSError, pa.ArrowException):
            continue  # the pipeline quarantines it, with the reason
        for row in rows:
            one = _Known(*(row[column] for column in _Known.__slots__))
            if row["name"] == name and (
                one.dataset_id not in found or found[one.dataset_id].recorded_at < one.recorded_at
            ):
                found[one.dataset_id] = one
    return sorted(found.values(), key=lambda one: one.recorded_at)


# ---- files -----------------------------------------------------------------------------------------------------------


class _Table:
    """A CSV or Parquet file with named columns."""

    def __init__(self, path: Path) -> None:
        """Raises BadTable, OSError."""
        self.path = path
        self.n_rows: int
        path.stat()  # Arrow's own words for a file that is not there are long
        try:
            if path.suffix.lower() in (".parquet", ".pq"):
                self._parquet: pq.ParquetFile | None = pq.ParquetFile(path)
                self.schema, self.n_rows = self._parquet.schema_arrow, self._parquet.metadata.num_rows
            else:
                self._parquet = None
                self.schema, self.n_rows = _survey_csv(path)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            remedy = "give a Parquet file, or a CSV file saved as UTF-8"
            raise BadTable(f"{path}: not readable as {self._kind} ({_first_line(error)}); {remedy}") from error
        # Python has no nanoseconds: times are read to the microsecond.
        self.schema = pa.schema([field.with_type(_microseconds(field.type)) for field in self.schema])
        self.names: list[str] = self.schema.names
        lower = [name.lower() for name in self.names]
        twice = sorted({name for name in self.names if lower.count(name.lower()) > 1})
        if twice or "" in self.names:
            which = f"column {twice[0]!r} stands twice (case aside)" if twice else "a column has no name"
            raise BadTable(f"{path}: {which}; name each column once, in the first line of a CSV file")

    @property
    def _kind(self) -> str:
        return "Parquet" if self.path.suffix.lower() in (".parquet", ".pq") else "CSV"

    def need(self, column: str) -> None:
        """Raises BadTable where there is no such column."""
        if column not in self.names:
            raise BadTable(f"{self.path}: no column {column!r}; it has {', '.join(self.names)}")

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The rows in portions, each with the position of its first row. Raises BadTable."""
        first = 0
        try:
            if self._parquet is not None:
                batches: Iterable[pa.RecordBatch] = self._parquet.iter_batches(BATCH_ROWS, columns=columns)
            else:
                batches = _csv_batches(self.path, self.schema, columns)
            for batch in batches:
                yield first, batch.cast(pa.schema([self.schema.field(name) for name in batch.schema.names]), safe=False)
                first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise BadTable(f"{self.path}: damaged ({_first_line(error)}); copy it again") from error


def _survey_csv(path: Path) -> tuple[pa.Schema, int]:
    """Names and types of a CSV file's columns, and its number of rows, read in portions.

    A column's type follows from all of its values: each portion is read as text, and Arrow told to find its types.
    """
    names = _open_csv(path, {}).schema.names
    types = [pa.null()] * len(names)
    n_rows = 0
    for texts in _open_csv(path, dict.fromkeys(names, pa.string())):
        n_rows += texts.num_rows
        open_ = [number for number, type_ in enumerate(types) if type_ != pa.string()]
        portion = io.BytesIO()
        pyarrow.csv.write_csv(texts.select(open_), portion)
        options = pyarrow.csv.ReadOptions(block_size=portion.tell() + 1)
        portion.seek(0)
        found = pyarrow.csv.read_csv(portion, read_options=options, parse_options=_CSV).schema.types if open_ else []
        for number, type_ in zip(open_, found, strict=True):
            types[number] = _common(types[number], type_)
    return pa.schema(list(zip(names, types, strict=True))), n_rows


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type of a column of which one portion has the one type, another the other."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    both = {one, other}
    if both == {pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC")}:
        return pa.timestamp("ns", "UTC")
    if both == {pa.int64(), pa.float64()}:
        return pa.float64()
    if both <= {pa.date32(), pa.timestamp("s"), pa.timestamp("ns")}:
        return pa.timestamp("ns") if pa.timestamp("ns") in both else pa.timestamp("s")
    return pa.string()


def _csv_batches(path: Path, schema: pa.Schema, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    for batch in _open_csv(path, dict(zip(schema.names, schema.types, strict=True)), columns):
        for first in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(first, BATCH_ROWS)


def _open_csv(
    path: Path, types: dict[str, pa.DataType], columns: Sequence[str] | None = None
) -> pyarrow.csv.CSVStreamingReader:
    convert = pyarrow.csv.ConvertOptions(column_types=types, include_columns=columns)
    options = pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES)
    return pyarrow.csv.open_csv(path, read_options=options, parse_options=_CSV, convert_options=convert)


def _microseconds(type_: pa.DataType) -> pa.DataType:
    is_finer = pa.types.is_timestamp(type_) and type_.unit == "ns"
    return pa.timestamp("us", tz=type_.tz) if is_finer else type_


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


class _Drops:
    """The drops of one collection; written when the last row is there.

    A long one is written in parts before: its rows count only with a record that is dropped last. `whole`: one file.
    """

    def __init__(self, landing: Path, now: datetime, *, whole: bool = False) -> None:
        self._landing = landing
        self._now = now
        self._max_rows, self._max_seconds = (sys.maxsize, math.inf) if whole else (MAX_ROWS, MAX_SECONDS)
        self._drops: dict[str, Drop] = {}

    def of(self, dataset: Dataset) -> Drop:
        if dataset.name not in self._drops:
            self._drops[dataset.name] = Drop(
                self._landing, dataset, host=socket.gethostname(), producer=PRODUCER, date=self._now.date(),
                max_rows=self._max_rows, max_seconds=self._max_seconds,
            )  # fmt: skip
        return self._drops[dataset.name]

    def __enter__(self) -> "_Drops":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            for drop in self._drops.values():
                drop.flush()


# ---- columns and values ----------------------------------------------------------------------------------------------


def _columns(table: _Table, targets: Sequence[str], index: str | None) -> list[dict[str, str]]:
    """Name, SQL type and role of each column. Raises BadTable."""
    roles = dict.fromkeys(targets, "target")
    if index is not None:
        roles[index] = "index"
    for column in roles:
        table.need(column)
    features = [name for name in table.names if name not in roles]
    if not features:
        raise BadTable(f"{table.path}: no features: every column is a target or the index; leave one over")
    for name in features:
        if name.lower() in OWN_COLUMNS:
            raise BadTable(
                f"{table.path}: a feature cannot be called {name!r}, as the store's own column is; "
                "rename it, or give it as --index"
            )
    return [
        {"name": field.name, "type": _sql_type(table.path, field), "role": roles.get(field.name, "feature")}
        for field in table.schema
    ]


def _sql_type(path: Path, field: pa.Field) -> str:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    if pa.types.is_integer(kind):
        return "UBIGINT" if pa.types.is_uint64(kind) else "BIGINT"
    if pa.types.is_floating(kind):
        return "DOUBLE"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})" if kind.precision <= 38 else "VARCHAR"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMP WITH TIME ZONE"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_time(kind):
        return "TIME"
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    ):
        return "VARCHAR"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_struct(kind):
        return "JSON"
    raise BadTable(f"{path}: column {field.name!r} is {kind}, which a dataset cannot hold; leave it out of the file")


def _features(batch: pa.RecordBatch, features: Sequence[str]) -> list[str]:
    return [
        json.dumps(row, ensure_ascii=False, default=str) for row in map(_finite, batch.select(features).to_pylist())
    ]


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity: NaN is no reading, infinity is a text that reads as a number again."""
    return {name: _plain(value) if isinstance(value, float) else value for name, value in row.items()}


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _indexes(path: Path, batch: pa.RecordBatch, index: str | None, first: int, seen: set[int]) -> list[int]:
    """The sample of each row; none of those already `seen`, to which they are added. Raises BadTable."""
    if index is None:
        return list(range(first, first + batch.num_rows))
    values: list[int] = batch.column(index).to_pylist()
    if wrong := [value for value in values if type(value) is not int or value < 0]:
        raise BadTable(f"{path}: {wrong[0]!r} in {index!r}, which numbers the samples; give whole numbers from 0")
    for value in values:
        if value in seen:
            raise BadTable(f"{path}: two rows for sample {value} in {index!r}; give each sample once")
        seen.add(value)
    return values


def _ranks(table: _Table, target: str) -> dict[str, int] | None:
    """The classes of a text target by name, as scikit-learn's LabelEncoder numbers them; None for any other target."""
    if _sql_type(table.path, table.schema.field(target)) != "VARCHAR":
        return None
    labels = {
        str(value)
        for _, batch in table.batches([target])
        for value in batch.column(target).to_pylist()
        if value is not None
    }
    return {label: rank for rank, label in enumerate(sorted(labels))}


def _outcomes(path: Path, batch: pa.RecordBatch, column: str, ranks: dict[str, int] | None) -> dict[str, list[Any]]:
    """The columns class, label and value of a column of targets or predictions. Raises BadTable."""
    values = batch.column(column).to_pylist()
    classes: list[int | None] = []
    labels: list[str | None] = []
    numbers: list[float | None] = []
    for value in values:
        label = value if isinstance(value, str) else None
        number = value if isinstance(value, float) and math.isfinite(value) else None
        if not isinstance(value, str | float | int | None) or (isinstance(value, int) and abs(value) > GREATEST_CLASS):
            raise BadTable(f"{path}: {value!r} in {column!r} is neither a class nor a number; give one of them")
        is_whole = isinstance(value, int) or (
            number is not None and number.is_integer() and abs(number) < GREATEST_CLASS
        )
        whole = int(value) if is_whole and not isinstance(value, str | None) else None
        classes.append(ranks[label] if ranks and label is not None else whole)
        labels.append(label)
        numbers.append(number)
    return {"class": classes, "label": labels, "value": numbers}


def _prediction_column(path: Path, names: Sequence[str]) -> str:
    for name in PREDICTION_COLUMNS:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    raise BadTable(f"{path}: which column holds the predictions? Give --column, one of {', '.join(names)}")
