"""A day's landed samples of one dataset, in parts: sorted by run and time, without duplicates and bad rows.

A part is some whole runs, or a slice of the time of a run too long to be held at once: memory stays bounded however
large the day is. What the parts hold together depends on the set of landed rows only, not on files, order or repeats.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from alems_pipeline.lake_files import not_written
from alems_pipeline.landing import BATCH_ROWS, LandingFile, Unusable, read_batches
from alems_pipeline.rules import (
    REASON,
    Sifted,
    contract_rules,
    key_first,
    normalised,
    same_as_previous,
    set_aside_contradictions,
    split,
    within_run_rules,
)
from collectors.contract import Dataset

PART_ROWS: Final = 1_000_000
"""Rows held at once; of this order, since a part is filled up with whole runs."""

MOST_READS: Final = 3
"""How often the parts may read a row, on average, before it pays to write the rows apart first."""


class LandingChanged(RuntimeError):
    """A landing file was read well once and not a second time; landing files are never to be changed."""


RUN_COLUMNS: Final = ("run_key", "run_id", "run_start_ns", "run_end_ns", "max_sample_interval_ns")


@dataclass(frozen=True, slots=True)
class Survey:
    """Which runs a file's row groups hold. `kept`: its rows, where the whole day is small enough to keep them."""

    file: LandingFile
    groups: pl.DataFrame  # row_group, run_key, n_rows, first_ns, last_ns
    kept: dict[int, pl.DataFrame] = field(default_factory=dict)

    @property
    def row_groups(self) -> list[int]:
        return self.groups["row_group"].unique().sort().to_list()


@dataclass(frozen=True, slots=True)
class Part:
    """Runs that are worked on together; of one long run, the time from `from_ns` (included) to `until_ns`."""

    runs: pl.DataFrame  # RUN_COLUMNS, one row per run_key, ordered as its rows will be
    groups: pl.DataFrame  # what to read, in this order: file, row_group, n_read, has_strangers (rows of other runs)
    from_ns: int | None = None
    until_ns: int | None = None

    @property
    def is_slice(self) -> bool:
        return self.from_ns is not None or self.until_ns is not None


# ---- what is there ---------------------------------------------------------------------------------------------------


def survey(file: LandingFile, n_row_groups: int, *, keep: bool) -> Survey:
    """Read a file through, which proves that all of it can be read. Raises Unusable.

    With `keep` its rows stay in memory, for a day that is small.
    """
    found: list[pl.DataFrame] = [_NO_GROUPS]
    kept: dict[int, list[pl.DataFrame]] = {}
    for row_group, rows in _frames(file, range(n_row_groups)):
        found.append(_group_of(rows, row_group))
        if keep:
            kept.setdefault(row_group, []).append(rows)
    return Survey(file, pl.concat(found), {group: pl.concat(rows) for group, rows in kept.items()})


_NO_GROUPS: Final = pl.DataFrame(
    schema={
        "row_group": pl.Int64,
        "run_key": pl.Int64,
        "n_rows": pl.Int64,
        "first_ns": pl.Int64,
        "last_ns": pl.Int64,
        "n_without_time": pl.Int64,
    }
)


def _group_of(rows: pl.DataFrame, row_group: int) -> pl.DataFrame:
    """Which runs some rows of a row group are of."""
    runs = rows.group_by("run_key").agg(
        n_rows=pl.len().cast(pl.Int64),
        first_ns=pl.col("timestamp_ns").min(),
        last_ns=pl.col("timestamp_ns").max(),
        n_without_time=pl.col("timestamp_ns").null_count().cast(pl.Int64),
    )
    return runs.select(pl.lit(row_group, pl.Int64).alias("row_group"), *_NO_GROUPS.columns[1:])


def _frames(file: LandingFile, row_groups: Sequence[int]) -> Iterator[tuple[int, pl.DataFrame]]:
    for row_group, table in read_batches(file, row_groups):
        yield row_group, normalised(pl.DataFrame(table))


# ---- how it is taken apart -------------------------------------------------------------------------------------------


def plan_parts(surveys: Sequence[Survey], runs: pl.DataFrame, part_rows: int) -> list[list[Part]]:
    """The parts of a dataset's day in the order of their rows: by run id, unknown runs last by their key.

    `runs` has RUN_COLUMNS. Many short runs share a part; a run longer than a part is cut by time, and its slices come
    together in one list.
    """
    groups = pl.concat(
        [one.groups.select(pl.lit(number, pl.Int64).alias("file"), pl.all()) for number, one in enumerate(surveys)]
    )
    members = (
        groups.group_by("run_key")
        .agg(pl.col("n_rows").sum(), pl.col("first_ns").min(), pl.col("last_ns").max())
        .join(runs, on="run_key", how="left")
        .sort("run_id", "run_key", nulls_last=True)
        .with_columns(is_long=pl.col("n_rows") > part_rows)
        # A new part where the rows so far fill one, and before and after each long run.
        .with_columns(
            filled=pl.when("is_long").then(0).otherwise("n_rows").cum_sum() // part_rows,
            stretch=(pl.col("is_long") | pl.col("is_long").shift(fill_value=False)).cum_sum(),
        )
        .with_columns(part=pl.struct("stretch", "filled").rle_id(), position=pl.int_range(pl.len()))
    )
    to_read = (
        groups.with_columns(n_read=pl.col("n_rows").sum().over("file", "row_group"))
        .join(members.select("run_key", "part", "position"), on="run_key", nulls_equal=True)
        .group_by("part", "file", "row_group")
        .agg(
            pl.col("position").min(),
            pl.col("first_ns").min(),
            pl.col("last_ns").max(),
            pl.col("n_without_time").sum(),
            pl.col("n_read").first(),
            has_strangers=pl.col("n_rows").sum() < pl.col("n_read").first(),
        )
        # So that rows which landed in order are in order as read.
        .sort("part", "position", "first_ns", "file", "row_group")
    )
    read_by = to_read.partition_by("part", as_dict=True)
    parts = members.partition_by("part", as_dict=True)
    return [_slices(of_part, read_by[number], part_rows) for number, of_part in parts.items()]


def _slices(members: pl.DataFrame, to_read: pl.DataFrame, part_rows: int) -> list[Part]:
    """A part as it is, or cut by time where its only run is too long."""
    runs = members.select(RUN_COLUMNS)
    [n_slices] = members.select((pl.col("n_rows").max() - 1) // part_rows + 1).to_series()
    first, last = members.select(pl.col("first_ns").min(), pl.col("last_ns").max()).row(0)
    if n_slices == 1 or first is None:
        return [Part(runs, to_read)]
    cuts = [None, *(first + (last - first) * n // n_slices for n in range(1, n_slices)), None]
    return [
        Part(runs, to_read.filter(_in_slice(from_ns, until_ns)), from_ns, until_ns)
        for from_ns, until_ns in pairwise(cuts)
    ]


def _in_slice(from_ns: int | None, until_ns: int | None) -> pl.Expr:
    """Which row groups hold rows of a slice; rows without a time belong to the last."""
    ends_in_time = pl.lit(True) if from_ns is None else pl.col("last_ns") >= from_ns
    if until_ns is None:
        return ends_in_time | (pl.col("n_without_time") > 0)
    return ends_in_time & (pl.col("first_ns") < until_ns)


def reads_too_much(surveys: Sequence[Survey], parts: Sequence[Sequence[Part]]) -> bool:
    """Whether most rows would be read again and again, since row groups hold runs of many parts."""
    n_read = sum(int(part.groups["n_read"].sum()) for slices in parts for part in slices)
    return n_read > MOST_READS * sum(int(one.groups["n_rows"].sum()) for one in surveys)


def spread(dataset: Dataset, surveys: Sequence[Survey], parts: Sequence[Sequence[Part]], folder: Path) -> list[Survey]:
    """Write the landed rows apart, one file for each part, so that each is read but once more. Raises OSError.

    The files are to be removed by the caller.
    """
    n_parts = sum(len(slices) for slices in parts)
    files = [LandingFile(folder, f"{number}.parquet", dataset.name, None, 0) for number in range(n_parts)]
    groups = [[_NO_GROUPS] for _ in files]
    try:
        with ExitStack() as stack:
            writers = [stack.enter_context(_spread_writer(file.source, dataset)) for file in files]
            for rows in _in_batches(frame for one in surveys for _, frame in _read_again(one, one.row_groups)):
                for number, own in _apart(rows, parts):
                    writers[number].write_table(own.to_arrow().cast(writers[number].schema))
                    groups[number].append(_group_of(own, len(groups[number]) - 1))
    except OSError as error:
        raise not_written(error, folder) from error
    return [Survey(file, pl.concat(of_file)) for file, of_file in zip(files, groups, strict=True)]


def _spread_writer(path: Path, dataset: Dataset) -> pq.ParquetWriter:
    schema = pa.schema([(column.name, column.type) for column in dataset.columns])
    return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=["run_key"])


def _in_batches(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames of about BATCH_ROWS."""
    waiting: list[pl.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(one.height for one in waiting) >= BATCH_ROWS:
            yield pl.concat(waiting)
            waiting = []
    if waiting:
        yield pl.concat(waiting)


def _apart(rows: pl.DataFrame, parts: Sequence[Sequence[Part]]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows of each part, with the part's number."""
    lists = pl.concat(
        [slices[0].runs.select("run_key", parts=pl.lit(number, pl.Int64)) for number, slices in enumerate(parts)]
    )
    first = [0, *accumulate(len(slices) for slices in parts)]
    for (number,), of_runs in rows.join(lists, on="run_key", nulls_equal=True).group_by("parts"):
        for position, part in enumerate(parts[number]):
            own = of_runs.drop("parts").filter(_time_in_slice(part)) if part.is_slice else of_runs.drop("parts")
            if own.height:
                yield first[number] + position, own


# ---- the rows of a part ----------------------------------------------------------------------------------------------


def sift(dataset: Dataset, surveys: Sequence[Survey], part: Part) -> Sifted:
    """Read a part; drop exact duplicates, set aside bad rows and those that contradict another row of their key."""
    known = part.runs.drop_nulls("run_id")
    landed = pl.concat([_no_rows(dataset), *_read(surveys, part)]).with_columns(
        pl.col("run_key").replace_strict(known["run_key"], known[name], default=None, return_dtype=pl.Int64).alias(name)
        for name in ("run_id", "run_start_ns", "run_end_ns")
    )
    rows, has_ties = _in_order_once(landed, dataset)
    good, bad = split(rows, [*contract_rules(dataset), *within_run_rules(dataset)])
    if has_ties:
        good, others = set_aside_contradictions(good, dataset.key)
        bad = pl.concat([bad, others]).sort("run_id", *key_first(dataset), REASON, nulls_last=True)
    return Sifted(good.drop("run_start_ns", "run_end_ns"), bad, landed.height, landed.height - rows.height)


def _no_rows(dataset: Dataset) -> pl.DataFrame:
    return normalised(pl.DataFrame(dataset.schema.empty_table()))


def _read(surveys: Sequence[Survey], part: Part) -> Iterator[pl.DataFrame]:
    keys = part.runs["run_key"]
    wanted = list(part.groups.select("file", "row_group", "has_strangers").iter_rows())
    for number, groups in groupby(wanted, key=lambda group: group[0]):
        one = surveys[number]
        strangers = {row_group: has_strangers for _, row_group, has_strangers in groups}
        for row_group, rows in _read_again(one, list(strangers)):
            if strangers[row_group]:
                rows = rows.filter(pl.col("run_key").is_in(keys.to_list(), nulls_equal=True))
            yield rows.filter(_time_in_slice(part)) if part.is_slice else rows


def _read_again(one: Survey, row_groups: Sequence[int]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Row groups of a file that was surveyed, each in one frame or several."""
    if one.kept:
        yield from ((row_group, one.kept[row_group]) for row_group in row_groups)
        return
    try:
        yield from _frames(one.file, row_groups)
    except Unusable as problem:
        raise LandingChanged(f"{one.file.source}: changed while the day was built ({problem}); run again") from problem


def _time_in_slice(part: Part) -> pl.Expr:
    begun = pl.lit(True) if part.from_ns is None else pl.col("timestamp_ns") >= part.from_ns
    if part.until_ns is None:
        return begun | pl.col("timestamp_ns").is_null()
    return begun & (pl.col("timestamp_ns") < part.until_ns)


def _in_order_once(rows: pl.DataFrame, dataset: Dataset) -> tuple[pl.DataFrame, bool]:
    """The rows sorted and without repeats; and whether several may have one key: then sorted by all columns."""
    key = ["run_id", *dataset.key[1:]]
    if _increases(rows, key):
        return rows, False
    repeats = same_as_previous(dataset.column_names)
    if not any(rows[name].null_count() for name in key):
        rows = rows.sort(key)
        if _increases(rows, key):
            return rows, False
        rows = rows.filter(~repeats)
        if _increases(rows, key):
            return rows, False
    # Rare, and dear: several rows of one key, or rows without a key.
    return rows.sort("run_id", *key_first(dataset), nulls_last=True).filter(~repeats), True


def _increases(rows: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether each row's key is above that of the row before; most landed files are in order, and a sort is dear."""
    above = pl.lit(False)
    for name in reversed(key):
        value, previous = pl.col(name), pl.col(name).shift()
        above = (value > previous) | ((value == previous) & above)
    return bool(rows.select(above.fill_null(False).slice(1).all()).item())


def number_in_run(run: pl.Series, n_before: int = 0) -> pl.Series:
    """sample_id, 1, 2, … within each run, of rows whose runs are numbered 0, 1, …; `n_before` of it stand before."""
    position = pl.int_range(run.len(), dtype=pl.Int64, eager=True)
    first = position.filter(run.ne_missing(run.shift()))
    return (position - first.gather(run) + (1 + n_before)).alias("sample_id")
