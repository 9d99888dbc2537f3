"""A landed day into the warehouse: records into stage tables, samples into the lake, bad rows aside, and the books.

A day is a pure function of the set of rows in its landing files: building it again, in another order, with repeats, in
one go or after late files gives the same tables and the same lake files. All of it happens in the caller's transaction;
a lake file is written before the ledger names it, so a crash leaves at most a file that nobody lists.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from alems_pipeline import energy_samples, landing, samples, stage
from alems_pipeline.lake_files import (
    EMPTY_FILE,
    QUARANTINE,
    LakeFile,
    LakeWriter,
    day_folder,
    lake_schema,
    quarantine_schema,
    write_empty_files,
)
from alems_pipeline.landing import Inspected, LandingFile, Unusable
from alems_pipeline.rules import REASON, Sifted
from alems_pipeline.subjects import NONE, subjects_of
from alems_pipeline.warehouse import NotPublished, Warehouse
from collectors.contract import ENERGY_SAMPLES, RECORD_DATASETS, RUNS, SAMPLE_DATASETS, Dataset

KEEP_UNLISTED: Final = timedelta(days=7)
Progress = Callable[[str, int, int], None]
"""Told of a dataset, its rows done, and its rows in all."""


@dataclass(slots=True)
class Books:
    """What became of a dataset's rows of a day: landed = stored + merged + duplicate + quarantined."""

    n_files: int = 0
    n_landed: int = 0
    n_stored: int = 0
    n_merged: int = 0
    n_duplicate: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def n_quarantined(self) -> int:
        return self.reasons.total()

    def add(self, sifted: Sifted) -> None:
        """Count the landed, repeated and bad rows; the good ones are counted where they are stored."""
        self.n_landed += sifted.n_landed
        self.n_duplicate += sifted.n_duplicate
        self.reasons.update(dict(sifted.bad[REASON].value_counts().iter_rows()))


def build_day(
    con: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    day: date,
    files: Sequence[LandingFile],
    progress: Progress | None = None,
) -> dict[str, Books]:
    """Make a day anew from `files`, all landing files of that day; returns the books of each dataset that has any.

    Afterwards the views day_<sample dataset> show that day's lake files to this connection. Raises OSError where the
    lake cannot be written; LandingChanged.
    """
    build = _DayBuild(con, warehouse, day, {file.path: landing.inspect(file) for file in files})
    replaced = build.clear()
    write_empty_files(warehouse.lake)
    runs = build.build_runs()
    for dataset in RECORD_DATASETS:
        if dataset is not RUNS:
            build.build_records(dataset, runs)
    for dataset in SAMPLE_DATASETS:
        build.build_samples(dataset, runs, progress or (lambda dataset, done, rows: None))
    stage.store(con, stage.LANDING_SUBJECTS.name, day, pl.concat(build.subjects))
    landing.register_day(con, day, list(build.inspected.values()))
    _touch(warehouse.lake / path for path in replaced)
    _make_day_views(con, warehouse, day)
    return build.books


@dataclass(slots=True)
class _DayBuild:
    """One day on its way through: its files as found so far, and its books."""

    con: duckdb.DuckDBPyConnection
    warehouse: Warehouse
    day: date
    inspected: dict[str, Inspected]
    books: dict[str, Books] = field(default_factory=dict)
    subjects: list[pl.DataFrame] = field(default_factory=lambda: [NONE])
    owners: dict[str, pl.DataFrame] = field(default_factory=dict)  # dataset whose records own rows -> its good records

    def clear(self) -> list[str]:
        """Take the day out of all tables; returns the lake files that it had."""
        listed = self.con.execute(
            "SELECT path FROM ops.lake_files WHERE landing_date = $day "
            "UNION SELECT path FROM ops.quarantine WHERE landing_date = $day",
            {"day": self.day},
        ).fetchall()
        for table in ("landing_days", "quarantine", "lake_files"):
            self.con.execute(f"DELETE FROM ops.{table} WHERE landing_date = ?", [self.day])
        stage.clear_day(self.con, self.day)
        return [path for (path,) in listed]

    def build_runs(self) -> pl.DataFrame:
        """Store the day's runs; returns what the rows that name them need to know, with samples.RUN_COLUMNS."""
        runs = stage.number_runs(self._sift_records(RUNS, _NO_RUNS))
        stage.store(self.con, RUNS.name, self.day, runs)
        stage.store_collisions(self.con, self.day, runs)
        return runs.rename({"start_time_ns": "run_start_ns", "end_time_ns": "run_end_ns"}).select(samples.RUN_COLUMNS)

    def build_records(self, dataset: Dataset, runs: pl.DataFrame) -> None:
        """Store the day's rows of a record dataset other than runs."""
        if self._accepted(dataset):
            good = self._sift_records(dataset, runs)
            stage.store(self.con, dataset.name, self.day, good)
            if dataset in _OWNERS:
                self.owners[dataset.name] = good

    def _sift_records(self, dataset: Dataset, runs: pl.DataFrame) -> pl.DataFrame:
        """The good rows; the others are counted and quarantined."""
        frames = [pl.DataFrame(dataset.schema.empty_table())]
        for one in self._accepted(dataset):
            with self._refusing(one):
                tables = [table for _, table in landing.read_batches(one.file, range(one.n_row_groups))]
                frames += [pl.DataFrame(table) for table in tables]
                self.subjects.append(subjects_of(dataset, one.file.path, pl.concat(frames[-len(tables) :])))
        sifted = stage.sift(dataset, pl.concat(frames), self.day, runs, self._owners_of(dataset))
        books = Books(n_stored=sifted.good.height)
        books.add(sifted)
        with self._quarantine_writer(dataset) as quarantine:
            quarantine.write(_as_quarantined(dataset, sifted.bad))
            self._finish(dataset, books, quarantine.finish())
        return sifted.good

    def _owners_of(self, dataset: Dataset) -> pl.DataFrame | None:
        owner = dataset.owner
        return None if owner is None else self.owners.get(owner.name, pl.DataFrame(owner.schema.empty_table()))

    def build_samples(self, dataset: Dataset, runs: pl.DataFrame, progress: Progress) -> None:
        """Write the day's lake file of a sample dataset; of energy also stage.energy_sampling and energy_gaps."""
        surveys = self._survey(dataset)
        if not surveys:
            return
        n_rows = sum(int(one.groups["n_rows"].sum()) for one in surveys)
        books = Books()
        sampling = [pl.DataFrame(schema=energy_samples.SAMPLING_SCHEMA)]
        gaps = [pl.DataFrame(schema=energy_samples.GAPS_SCHEMA)]
        parts = samples.plan_parts(surveys, runs, samples.PART_ROWS)
        with (
            LakeWriter(self.warehouse.lake, day_folder(dataset.name, self.day), lake_schema(dataset)) as lake,
            self._quarantine_writer(dataset) as quarantine,
            _scratch_folder(self.warehouse) as scratch,
        ):
            if samples.reads_too_much(surveys, parts):
                surveys = samples.spread(dataset, surveys, parts, scratch)
                parts = samples.plan_parts(surveys, runs, samples.PART_ROWS)
            for slices in parts:
                is_energy = dataset is ENERGY_SAMPLES
                convert = _fold(surveys, slices, runs, sampling, gaps) if is_energy else _number(len(slices))
                for part in slices:
                    sifted = samples.sift(dataset, surveys, part)
                    books.add(sifted)
                    quarantine.write(_as_quarantined(dataset, sifted.bad))
                    stored = convert(sifted.good)
                    lake.write(stored)
                    books.n_stored += stored.height
                    books.n_merged += sifted.good.height - stored.height
                    del sifted, stored  # two parts at once would double the memory
                    progress(dataset.name, books.n_landed, n_rows)
            self._list_lake_file(dataset, lake.finish())
            self._finish(dataset, books, quarantine.finish())
        stage.store(self.con, stage.ENERGY_SAMPLING.name, self.day, energy_samples.add_up(sampling))
        stage.store(self.con, stage.ENERGY_GAPS.name, self.day, pl.concat(gaps))

    def _survey(self, dataset: Dataset) -> list[samples.Survey]:
        accepted = self._accepted(dataset)
        keep = sum(one.n_rows or 0 for one in accepted) <= samples.PART_ROWS
        surveys = []
        for one in accepted:
            with self._refusing(one):
                surveys.append(samples.survey(one.file, one.n_row_groups, keep=keep))
                self.subjects.append(subjects_of(dataset, one.file.path, surveys[-1].groups))
        return surveys

    # The books

    def _accepted(self, dataset: Dataset) -> list[Inspected]:
        return [one for one in self.inspected.values() if one.reason is None and one.file.dataset == dataset.name]

    @contextmanager
    def _refusing(self, one: Inspected) -> Iterator[None]:
        """A file whose pages turn out to be damaged is quarantined whole, and the day goes on without it."""
        try:
            yield
        except Unusable as problem:
            self.inspected[one.file.path] = one.refused(str(problem))

    def _quarantine_writer(self, dataset: Dataset) -> LakeWriter:
        folder = f"{QUARANTINE}/{day_folder(dataset.name, self.day)}"
        return LakeWriter(self.warehouse.lake, folder, quarantine_schema(dataset))

    def _list_lake_file(self, dataset: Dataset, file: LakeFile | None) -> None:
        if file is not None:
            sources = [one.file.path for one in self._accepted(dataset)]
            self.con.execute(
                "INSERT INTO ops.lake_files VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [dataset.name, self.day, file.path, file.n_rows, file.bytes, file.min_run_id, file.max_run_id, sources],
            )

    def _finish(self, dataset: Dataset, books: Books, quarantined: LakeFile | None) -> None:
        """Write the books of a dataset that had any file."""
        books.n_files = len(self._accepted(dataset))
        if not books.n_files:
            return
        self.books[dataset.name] = books
        self.con.execute(
            "INSERT INTO ops.landing_days VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                dataset.name, self.day, books.n_files, books.n_landed, books.n_stored, books.n_merged,
                books.n_duplicate, books.n_quarantined,
            ],
        )  # fmt: skip
        if quarantined is not None:
            self.con.executemany(
                "INSERT INTO ops.quarantine VALUES (?, ?, ?, ?, ?)",
                [[dataset.name, self.day, reason, n, quarantined.path] for reason, n in sorted(books.reasons.items())],
            )


@contextmanager
def _scratch_folder(warehouse: Warehouse) -> Iterator[Path]:
    """An empty folder, removed at the end; what a killed build left in it is removed at the beginning."""
    folder = warehouse.temp / "spread"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_OWNERS: Final = [dataset.owner for dataset in RECORD_DATASETS if dataset.owner is not None]
"""Datasets whose records own rows of others; they stand before those in RECORD_DATASETS."""

_NO_RUNS: Final = pl.DataFrame(schema=dict.fromkeys(samples.RUN_COLUMNS, pl.Int64))


def _as_quarantined(dataset: Dataset, bad: pl.DataFrame) -> pl.DataFrame:
    return bad.select(*(c for c in dataset.column_names if c != "reason"), pl.col(REASON).alias("reason"))


Convert = Callable[[pl.DataFrame], pl.DataFrame]
"""Makes lake rows of the sifted rows of a part; called for the slices of a run one after the other."""


def _number(n_slices: int) -> Convert:
    """Telemetry is stored as it is, numbered within its run."""
    n_before = 0

    def convert(rows: pl.DataFrame) -> pl.DataFrame:
        nonlocal n_before
        numbered = rows.with_columns(samples.number_in_run(rows["run_id"].rle_id(), n_before))
        n_before += rows.height if n_slices > 1 else 0
        return numbered

    return convert


def _fold(
    surveys: Sequence[samples.Survey],
    slices: Sequence[samples.Part],
    runs: pl.DataFrame,
    sampling: list[pl.DataFrame],
    gaps: list[pl.DataFrame],
) -> Convert:
    """Energy counters are unwrapped and summed; `sampling` and `gaps` get the rows of their stage tables."""
    is_long = len(slices) > 1
    ending = energy_samples.Ending() if is_long else None
    # A run in slices is gone through twice: its gap threshold follows from all of its samples.
    good = (samples.sift(ENERGY_SAMPLES, surveys, part).good for part in slices)
    facts = energy_samples.facts_of(good, runs) if is_long else None

    def convert(rows: pl.DataFrame) -> pl.DataFrame:
        folded = energy_samples.fold(rows, facts or energy_samples.facts_of([rows], runs), ending)
        sampling.append(folded.sampling)
        gaps.append(folded.gaps)
        return folded.samples

    return convert


# ---- what the lake holds ---------------------------------------------------------------------------------------------


def published_paths(con: duckdb.DuckDBPyConnection, warehouse: Warehouse, dataset: str) -> list[str]:
    """The files of a sample dataset, by absolute path: first the typed empty one, so that the list is never empty."""
    listed = con.execute("SELECT path FROM ops.lake_files WHERE dataset = ? ORDER BY landing_date", [dataset])
    paths = [f"{dataset}/{EMPTY_FILE}", *(path for (path,) in listed.fetchall())]
    return [str(warehouse.lake / path) for path in paths]


def _make_day_views(con: duckdb.DuckDBPyConnection, warehouse: Warehouse, day: date) -> None:
    listed = con.execute("SELECT dataset, path FROM ops.lake_files WHERE landing_date = ?", [day]).fetchall()
    file_of = dict(listed)
    for dataset in SAMPLE_DATASETS:
        path = warehouse.lake / file_of.get(dataset.name, f"{dataset.name}/{EMPTY_FILE}")
        quoted = str(path).replace("'", "''")
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW day_{dataset.name} AS SELECT {', '.join(lake_schema(dataset).names)} "
            f"FROM read_parquet('{quoted}', hive_partitioning = false)"
        )


def collect_garbage(
    con: duckdb.DuckDBPyConnection, warehouse: Warehouse, older_than: timedelta = KEEP_UNLISTED
) -> list[str]:
    """Delete lake files that neither the build file nor the published one has listed for `older_than`.

    Somebody may have an older snapshot open, which reopens its files by name. A file's modification time says when it
    was last listed: it is renewed here while the file is listed, and when a day replaces it. Returns what was deleted.
    """
    listed = set(_listed(con))
    with suppress(NotPublished), warehouse.read() as published:
        listed.update(_listed(published))
    _touch(warehouse.lake / path for path in listed)
    latest = time.time() - older_than.total_seconds()
    deleted = []
    for folder, _, files in os.walk(warehouse.lake):
        place = os.path.relpath(folder, warehouse.lake)
        for name in (f"{place}/{file}" for file in files):
            path = warehouse.lake / name if name not in listed and not name.endswith(EMPTY_FILE) else None
            if path is not None and path.stat().st_mtime < latest:
                path.unlink()
                deleted.append(name)
    return sorted(deleted)


def _listed(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        path
        for (path,) in con.execute("SELECT path FROM ops.lake_files UNION SELECT path FROM ops.quarantine").fetchall()
    ]


def _touch(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.utime(path)
