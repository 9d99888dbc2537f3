"""Energy samples of the lake: raw counters of CPU packages, sifted and in order, become one sum per domain and time.

Each package is unwrapped by itself, then the packages are summed. A time at which one package's reading is missing is a
missing sample of that domain: NULL, and skipped by the next difference. What was special between two samples (a gap, a
wrap, a reset) is noted at the later one and counted per run.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from alems_pipeline.lake_files import COUNTERS
from alems_pipeline.rules import same_as_previous
from alems_pipeline.samples import number_in_run
from alems_pipeline.unwrap import KERNEL_RANGE_UJ, unwrap
from collectors.contract import ENERGY_DOMAINS

GAP_MEDIANS: Final = 3
DEFAULT_GAP_NS: Final = 100_000_000
LEADING: Final = ("pkg", "model", "core", "uncore", "dram", "psys")
"""A sample counts as read where the first of these counters that its run has was read."""

_INT: Final = pl.Int64()
_COUNTS: Final = ("n_samples", "n_gaps", "gap_ns", "n_wraps", "n_resets", "n_hidden_wrap_gaps")
_OF_RUN: Final = ("n_packages", "median_interval_ns", "gap_threshold_ns", "domains")
SAMPLING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "run_id": _INT,
    "n_samples": _INT,
    "n_packages": _INT,
    "first_ns": _INT,
    "last_ns": _INT,
    "median_interval_ns": _INT,
    "gap_threshold_ns": _INT,
    "n_gaps": _INT,
    "gap_ns": _INT,
    "n_wraps": _INT,
    "n_resets": _INT,
    "n_hidden_wrap_gaps": _INT,
    "domains": pl.List(pl.String()),
}


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What has to be known of whole runs before any part of them can be worked on.

    `packages`: run_id, package_index and per counter `<counter>_read` (ever) and `<counter>_range_uj`, sorted.
    `runs`: run_id, n_packages, domains, leading, median_interval_ns, gap_threshold_ns; sorted.
    """

    packages: pl.DataFrame
    runs: pl.DataFrame


@dataclass(slots=True)
class Ending:
    """Where a slice of a long run ended, so that the next goes on from there."""

    n_rows: int = 0
    last_ns: int | None = None  # of the last sample that was read
    readings: dict[str, pl.DataFrame] = field(default_factory=dict)  # by counter: the last one of each package


@dataclass(frozen=True, slots=True)
class Folded:
    """`samples`: lake columns. `sampling`: per run what it counts, to be added up over the slices of a run."""

    samples: pl.DataFrame
    sampling: pl.DataFrame


# ---- facts of whole runs ---------------------------------------------------------------------------------------------


def facts_of(slices: Iterable[pl.DataFrame], runs: pl.DataFrame) -> RunFacts:
    """Facts of the runs whose sifted rows `slices` hold; `runs` gives run_id and max_sample_interval_ns."""
    packages, times = [], []
    for rows in slices:
        packages.append(rows.group_by("run_id", "package_index").agg(*_PACKAGE_FACTS))
        times.append(_times(rows))
    of_packages = (
        pl.concat(packages)
        .group_by("run_id", "package_index")
        .agg(pl.col("^.*_read$").any(), pl.col("^.*_range_uj$").max())
        .sort("run_id", "package_index")
    )
    interval_ns = pl.when(pl.col("run_id") == pl.col("run_id").shift()).then(pl.col("timestamp_ns").diff())
    medians = (
        pl.concat(times)
        .select("run_id", interval_ns=interval_ns)
        .group_by("run_id")
        .agg(median_interval_ns=pl.col("interval_ns").median().floor().cast(pl.Int64))
    )
    least_gap_ns = pl.col("max_sample_interval_ns").fill_null(DEFAULT_GAP_NS)
    of_runs = (
        of_packages.group_by("run_id")
        .agg(n_packages=pl.len().cast(pl.Int64), **{c: pl.col(f"{c}_read").any() for c in COUNTERS})
        .select(
            "run_id",
            "n_packages",
            domains=pl.concat_list(pl.when(c).then(pl.lit(c)) for c in COUNTERS).list.drop_nulls(),
            leading=pl.coalesce(pl.when(c).then(pl.lit(c)) for c in LEADING),
        )
        .join(medians, on="run_id")
        .join(runs.select("run_id", "max_sample_interval_ns"), on="run_id", how="left")
        .with_columns(gap_threshold_ns=pl.max_horizontal(GAP_MEDIANS * pl.col("median_interval_ns"), least_gap_ns))
        .sort("run_id")
    )
    return RunFacts(of_packages, of_runs)


def _range_of(counter: str) -> pl.Expr:
    if counter not in ENERGY_DOMAINS:
        return pl.lit(None, pl.Int64)  # the model never wraps
    return pl.col(f"{counter}_range_uj").max().fill_null(KERNEL_RANGE_UJ)


_PACKAGE_FACTS: Final = [
    *((pl.col(f"{c}_energy_uj").count() > 0).alias(f"{c}_read") for c in COUNTERS),
    *(_range_of(c).alias(f"{c}_range_uj") for c in COUNTERS),
]


def _times(rows: pl.DataFrame) -> pl.DataFrame:
    """The samples of sorted rows: each time of a run once, however many packages were read at it."""
    times = rows.select("run_id", "timestamp_ns")
    if rows["package_index"].n_unique() == 1:
        return times
    return times.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in times.columns))


# ---- samples ---------------------------------------------------------------------------------------------------------


def fold(rows: pl.DataFrame, facts: RunFacts, ending: Ending | None = None) -> Folded:
    """The lake's samples of sifted `rows`, of whole runs; or of a slice of one, with the `ending` of the slice before.

    `ending` is moved on to the end of this slice.
    """
    runs = facts.runs.join(rows.select("run_id").unique(), on="run_id", how="semi", maintain_order="left")
    packages = facts.packages.join(runs, on="run_id", how="semi", maintain_order="left")
    times = _times(rows).with_columns(run=pl.col("run_id").rle_id())
    rows = rows.with_columns(row=_row(rows, times))
    samples = times.select("run_id", number_in_run(times["run"], ending.n_rows if ending else 0), "timestamp_ns")
    flags = []
    for counter in COUNTERS:
        energy_uj, flagged = _energy(counter, rows, times, packages, ending)
        samples = samples.with_columns(energy_uj.alias(f"{counter}_energy_uj"))
        flags.append(flagged)
    flagged = pl.concat(flags).group_by("row").agg(pl.all().sum())
    read = _read_times(samples, times, runs, ending)
    gaps = _gaps(read, flagged, runs)
    resets = flagged.filter(pl.col("n_resets") > 0)
    samples = samples.with_columns(
        _nulls(samples, pl.Int64).scatter(gaps["row"], gaps["interval_ns"]).alias("gap_ns"),
        _nulls(samples, pl.Boolean).scatter(resets["row"], True).alias("is_reset"),
    )
    if ending is not None:
        ending.n_rows += samples.height
        ending.last_ns = read.item(-1, "timestamp_ns") if read.height else ending.last_ns
    return Folded(samples, _sampling(times, runs, read, gaps, flagged))


def _row(rows: pl.DataFrame, times: pl.DataFrame) -> pl.Series:
    """The position in `times` of each of `rows`."""
    if rows.height == times.height:
        return pl.int_range(rows.height, dtype=pl.Int64, eager=True)
    same = same_as_previous(["run_id", "timestamp_ns"])
    return rows.select((~same).cast(pl.Int64).cum_sum() - 1).to_series()


def _nulls(samples: pl.DataFrame, dtype: type[pl.DataType]) -> pl.Series:
    return pl.repeat(None, samples.height, dtype=dtype, eager=True)


def _energy(
    counter: str, rows: pl.DataFrame, times: pl.DataFrame, packages: pl.DataFrame, ending: Ending | None
) -> tuple[pl.Series, pl.DataFrame]:
    """One counter's energy at each time, NULL where it was not read; and, by row of `times`, what was special."""
    value = rows[f"{counter}_energy_uj"]
    sources = packages.filter(f"{counter}_read").select(
        "run_id",
        "package_index",
        source=pl.int_range(pl.len(), dtype=pl.Int64),
        range_uj=f"{counter}_range_uj",
        n_sources=pl.len().over("run_id"),
    )
    if sources.is_empty():
        return _nulls(times, pl.Int64), _NO_FLAGS
    one_package = packages["run_id"].n_unique() == packages.height == sources.height
    if one_package and value.null_count() == 0 and ending is None:
        unwrapped = unwrap(times.select("timestamp_ns", series="run", value=value), sources["range_uj"])
        return unwrapped.energy_uj, _flags(unwrapped.flagged, unwrapped.flagged["position"])
    readings = (
        rows.select("row", "run_id", "package_index", "timestamp_ns", value=value)
        .drop_nulls("value")
        .join(sources, on=["run_id", "package_index"])
        .filter(pl.len().over("row") == pl.col("n_sources"))  # else a package is missing, and so is the sum
        .select("row", "source", "timestamp_ns", "value")
    )
    energies, flagged = _energy_by_source(counter, readings, sources["range_uj"], ending)
    sums = energies.group_by("row").agg(pl.col("energy_uj").sum())
    return _nulls(times, pl.Int64).scatter(sums["row"], sums["energy_uj"]), flagged


def _energy_by_source(
    counter: str, readings: pl.DataFrame, ranges_uj: pl.Series, ending: Ending | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Energy of each reading (row, energy_uj), its packages unwrapped apart; and what was special, by row.

    A slice begins with the last readings of the slice before, as row −1.
    """
    before = ending.readings.get(counter, _NO_READINGS) if ending else _NO_READINGS
    carried = before.select(pl.lit(-1, pl.Int64).alias("row"), "source", "timestamp_ns", "value")
    lines = pl.concat([carried, readings]).sort("source", "row")
    series = lines["source"].rle_id()
    ranges_uj = ranges_uj.gather(lines["source"].unique(maintain_order=True))
    unwrapped = unwrap(lines.select("timestamp_ns", "value", series=series), ranges_uj)
    lines = lines.with_columns(unwrapped.energy_uj)
    if before.height:
        so_far = before.select("source", so_far_uj="energy_uj")
        lines = lines.join(so_far, on="source", how="left", maintain_order="left").with_columns(
            energy_uj=pl.col("energy_uj") + pl.col("so_far_uj").fill_null(0)
        )
    if ending is not None:
        ending.readings[counter] = lines.group_by("source").last().select(_NO_READINGS.columns)
    flagged = _flags(unwrapped.flagged, lines["row"].gather(unwrapped.flagged["position"]))
    return lines.filter(pl.col("row") >= 0).select("row", "energy_uj"), flagged


_NO_READINGS: Final = pl.DataFrame(
    schema={"source": pl.Int64, "timestamp_ns": pl.Int64, "value": pl.Int64, "energy_uj": pl.Int64}
)
_NO_FLAGS: Final = pl.DataFrame(
    schema={"row": pl.Int64, "n_wraps": pl.Int64, "n_resets": pl.Int64, "n_hidden_wrap_gaps": pl.Int64}
)


def _flags(flagged: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    return flagged.select(
        row=rows.cast(pl.Int64),
        n_wraps=pl.col("is_wrap").cast(pl.Int64),
        n_resets=pl.col("is_reset").cast(pl.Int64),
        n_hidden_wrap_gaps=pl.col("may_hide_wraps").cast(pl.Int64),
    )


# ---- gaps ------------------------------------------------------------------------------------------------------------


def _read_times(samples: pl.DataFrame, times: pl.DataFrame, runs: pl.DataFrame, ending: Ending | None) -> pl.DataFrame:
    """The samples that were read: row, run, timestamp_ns, interval_ns since the one before in the run."""
    leading = runs["leading"].gather(times["run"])
    was_read = [(leading == c) & samples[f"{c}_energy_uj"].is_not_null() for c in runs["leading"].unique().drop_nulls()]
    read = times.select("run", "timestamp_ns", row=pl.int_range(pl.len(), dtype=pl.Int64)).filter(
        pl.any_horizontal(pl.lit(False), *was_read)
    )
    interval_ns: pl.Expr = pl.when(pl.col("run") == pl.col("run").shift()).then(pl.col("timestamp_ns").diff())
    if ending is not None and ending.last_ns is not None:
        first = pl.int_range(pl.len()) == 0
        interval_ns = pl.when(first).then(pl.col("timestamp_ns") - ending.last_ns).otherwise(interval_ns)
    return read.with_columns(interval_ns=interval_ns)


def _gaps(read: pl.DataFrame, flagged: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The intervals over which the counters cannot be trusted to tell how the energy was spent: row, interval_ns.

    They are longer than the run's threshold, or hold a reset, or are so long that wraps may be hidden in them.
    """
    special = flagged.filter((pl.col("n_resets") > 0) | (pl.col("n_hidden_wrap_gaps") > 0))
    is_long = pl.col("interval_ns") > runs["gap_threshold_ns"].gather(read["run"])
    return read.filter(is_long | pl.col("row").is_in(special["row"].implode())).select("row", "run", "interval_ns")


def _sampling(
    times: pl.DataFrame, runs: pl.DataFrame, read: pl.DataFrame, gaps: pl.DataFrame, flagged: pl.DataFrame
) -> pl.DataFrame:
    """What these samples of each run add to its line of stage.energy_sampling."""
    reads = read.group_by("run").agg(
        n_samples=pl.len().cast(_INT), first_ns=pl.col("timestamp_ns").min(), last_ns=pl.col("timestamp_ns").max()
    )
    gaps = gaps.group_by("run").agg(n_gaps=pl.col("interval_ns").count().cast(_INT), gap_ns=pl.col("interval_ns").sum())
    flags = flagged.group_by(run=times["run"].gather(flagged["row"])).agg(
        pl.col("n_wraps").sum(),
        n_resets=(pl.col("n_resets") > 0).sum().cast(_INT),
        n_hidden_wrap_gaps=(pl.col("n_hidden_wrap_gaps") > 0).sum().cast(_INT),
    )
    return (
        runs.with_columns(run=pl.int_range(pl.len()).cast(times["run"].dtype))
        .join(reads, on="run", how="left")
        .join(gaps, on="run", how="left")
        .join(flags, on="run", how="left")
        .with_columns(pl.col(_COUNTS).fill_null(0))
        .select(list(SAMPLING_SCHEMA))
    )


def add_up(samplings: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """One line of stage.energy_sampling per run, from those of its slices; sorted."""
    return (
        pl.concat([pl.DataFrame(schema=SAMPLING_SCHEMA), *samplings])
        .group_by("run_id")
        .agg(pl.col(_COUNTS).sum(), pl.col("first_ns").min(), pl.col("last_ns").max(), pl.col(_OF_RUN).first())
        .select(list(SAMPLING_SCHEMA))
        .sort("run_id")
    )
