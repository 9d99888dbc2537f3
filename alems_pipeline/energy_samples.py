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
"""A sample counts as read where the first of these counters that its run has was read; a package with its DRAM, since
both are of the run's total."""

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
    "max_interval_ns": _INT,
    "gap_threshold_ns": _INT,
    "n_gaps": _INT,
    "gap_ns": _INT,
    "n_wraps": _INT,
    "n_resets": _INT,
    "n_hidden_wrap_gaps": _INT,
    "domains": pl.List(pl.String()),
}
GAPS_SCHEMA: Final[dict[str, pl.DataType]] = {"run_id": _INT, "from_ns": _INT, "to_ns": _INT, "is_reset": pl.Boolean()}


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
    unplaced: list[bool] = field(default_factory=list)  # is_reset of what was special after it
    readings: dict[tuple[str, int], pl.DataFrame] = field(default_factory=dict)  # the last of each counter and package


@dataclass(frozen=True, slots=True)
class Folded:
    """`samples`: lake columns. `sampling`: per run what it counts, to be added up over the slices of a run.

    `gaps`: rows of stage.energy_gaps.
    """

    samples: pl.DataFrame
    sampling: pl.DataFrame
    gaps: pl.DataFrame


# ---- facts of whole runs ---------------------------------------------------------------------------------------------


def facts_of(slices: Iterable[pl.DataFrame], runs: pl.DataFrame) -> RunFacts:
    """Facts of the runs whose sifted rows `slices` hold; `runs` gives run_id and max_sample_interval_ns."""
    packages, times = [], []
    for rows in slices:
        packages.append(_package_facts(rows).select("run_id", "package_index", *_FACTS))
        times.append(_times(rows))
    of_packages = (
        pl.concat(packages)
        .group_by("run_id", "package_index")
        .agg(*(pl.col(f"{c}_read").any() for c in COUNTERS), *(pl.col(f"{c}_range_uj").max() for c in COUNTERS))
        .sort("run_id", "package_index")
    )
    interval_ns = pl.when(pl.col("run_id") == pl.col("run_id").shift()).then(pl.col("timestamp_ns").diff())
    medians = (
        pl.concat(times)
        .select(pl.col("run_id").set_sorted(), interval_ns=interval_ns)
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


def _package_facts(rows: pl.DataFrame) -> pl.DataFrame:
    """Per run and package, which counters were read, and their ranges."""
    varying: list[pl.Expr] = []
    constant: list[pl.Expr] = []
    for counter in COUNTERS:
        # Nearly all columns are the same throughout, and then nothing has to be grouped.
        n_null = rows[f"{counter}_energy_uj"].null_count()
        ever = (pl.col(f"{counter}_energy_uj").count() > 0) if 0 < n_null < rows.height else pl.lit(n_null == 0)
        (varying if 0 < n_null < rows.height else constant).append(ever.alias(f"{counter}_read"))
        if counter not in ENERGY_DOMAINS:
            constant.append(pl.lit(None, pl.Int64).alias(f"{counter}_range_uj"))  # the model never wraps
            continue
        given = rows[f"{counter}_range_uj"]
        is_constant = given.null_count() in (0, rows.height) and given.min() == given.max()
        greatest = pl.lit(given.max(), pl.Int64) if is_constant else pl.col(given.name).max()
        (constant if is_constant else varying).append(greatest.fill_null(KERNEL_RANGE_UJ).alias(given.name))
    return rows.group_by("run_id", "package_index").agg(varying).with_columns(constant)


_FACTS: Final = [*(f"{c}_read" for c in COUNTERS), *(f"{c}_range_uj" for c in COUNTERS)]


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
    times = _times(rows).with_columns(run=pl.col("run_id").rle_id())
    samples = times.select("run_id", number_in_run(times["run"], ending.n_rows if ending else 0), "timestamp_ns")
    packages = _apart(rows, times, facts.packages, runs)
    flags = [_NO_FLAGS]
    for counter in COUNTERS:
        energy_uj, flagged = _energy(counter, times, packages, ending)
        samples = samples.with_columns(energy_uj.alias(f"{counter}_energy_uj"))
        flags.append(flagged)
    flagged = pl.concat(flags).group_by("row").agg(pl.all().sum())
    read = _read_times(samples, times, runs, ending)
    special = _special(flagged, times, read, ending)
    gaps = _gaps(read, special, runs)
    resets = special.filter("is_reset")
    samples = samples.with_columns(
        _nulls(times).scatter(gaps["row"], gaps["interval_ns"]).alias("gap_ns"),
        _nulls(times, pl.Boolean).scatter(resets["row"], True).alias("is_reset"),
    )
    if ending is not None:
        ending.n_rows += samples.height
        ending.last_ns = read.item(-1, "timestamp_ns") if read.height else ending.last_ns
    return Folded(samples, _sampling(times, runs, read, gaps, flagged), _of_gaps(samples, gaps, resets))


def _nulls(times: pl.DataFrame, dtype: type[pl.DataType] = pl.Int64) -> pl.Series:
    return pl.repeat(None, times.height, dtype=dtype, eager=True)


@dataclass(frozen=True, slots=True)
class _Package:
    """One CPU package of several runs. `values`: its counters at each of the times, NULL where it was not read.

    `runs`: per run whether the package ever gave a counter, and the counter's range.
    """

    index: int
    values: pl.DataFrame
    runs: pl.DataFrame


def _apart(rows: pl.DataFrame, times: pl.DataFrame, facts: pl.DataFrame, runs: pl.DataFrame) -> list[_Package]:
    """The packages of `rows`, each with its readings laid beside `times`."""
    names = [f"{counter}_energy_uj" for counter in COUNTERS]
    of_runs = facts.join(runs.select("run_id"), on="run_id", how="semi")
    found = []
    for (index,), of_package in of_runs.group_by("package_index", maintain_order=True):
        values = rows.select(names)
        if of_package.height < of_runs.height:
            row = rows.select((~same_as_previous(["run_id", "timestamp_ns"])).cast(pl.Int64).cum_sum() - 1).to_series()
            own = rows.with_columns(row=row).filter(pl.col("package_index") == index)
            values = pl.DataFrame([_nulls(times).scatter(own["row"], own[name]).alias(name) for name in names])
        aligned = runs.select("run_id").join(of_package, on="run_id", how="left", maintain_order="left")
        found.append(_Package(index, values, aligned.with_columns(pl.col("^.*_read$").fill_null(False))))
    return sorted(found, key=lambda package: package.index)


def _energy(
    counter: str, times: pl.DataFrame, packages: list[_Package], ending: Ending | None
) -> tuple[pl.Series, pl.DataFrame]:
    """One counter's energy at each time, NULL where it was not read; and, by row of `times`, what was special."""
    name = f"{counter}_energy_uj"
    sources = [package for package in packages if package.runs[f"{counter}_read"].any()]
    if not sources:
        return _nulls(times), _NO_FLAGS
    lines = times.select("run", "timestamp_ns", row=pl.int_range(pl.len(), dtype=pl.Int64))
    is_wanted = [package.runs[f"{counter}_read"].gather(times["run"]) for package in sources]
    is_missing = [wanted & package.values[name].is_null() for wanted, package in zip(is_wanted, sources, strict=True)]
    is_read = pl.select(pl.any_horizontal(*is_wanted) & ~pl.any_horizontal(*is_missing)).to_series()
    total_uj = pl.zeros(times.height, dtype=pl.Int64, eager=True)
    flags = []
    for wanted, package in zip(is_wanted, sources, strict=True):
        is_own = wanted & is_read
        readings = lines.with_columns(value=package.values[name])
        readings = readings if is_own.all() else readings.filter(is_own)
        energy_uj, flagged = _energy_of_package(counter, package, readings, ending)
        if readings.height < times.height:
            energy_uj = pl.zeros(times.height, dtype=pl.Int64, eager=True).scatter(readings["row"], energy_uj)
        total_uj = total_uj + energy_uj if len(sources) > 1 else energy_uj
        flags.append(flagged)
    return total_uj if is_read.all() else total_uj.set(~is_read, None), pl.concat(flags)


def _energy_of_package(
    counter: str, package: _Package, readings: pl.DataFrame, ending: Ending | None
) -> tuple[pl.Series, pl.DataFrame]:
    """A package's energy at each of its readings; and, by row, what was special.

    A slice of a run goes on from the last reading of the slice before.
    """
    before = ending.readings.get((counter, package.index)) if ending else None
    if before is not None:
        readings = pl.concat([before.select(readings.columns), readings])
    runs = readings["run"].filter(readings["run"].ne_missing(readings["run"].shift()))
    ranges_uj = package.runs[f"{counter}_range_uj"].gather(runs)
    unwrapped = unwrap(readings.select("timestamp_ns", "value", series=readings["run"].rle_id()), ranges_uj)
    energy_uj = unwrapped.energy_uj
    if before is not None:
        energy_uj = energy_uj + before.item(0, "energy_uj")
    if ending is not None and readings.height:
        ending.readings[counter, package.index] = readings.with_columns(energy_uj).tail(1)
    flagged = unwrapped.flagged.select(
        row=readings["row"].gather(unwrapped.flagged["position"]),
        n_wraps=pl.col("is_wrap").cast(pl.Int64),
        n_resets=pl.col("is_reset").cast(pl.Int64),
        n_hidden_wrap_gaps=pl.col("may_hide_wraps").cast(pl.Int64),
    )
    return energy_uj if before is None else energy_uj.slice(1), flagged


_NO_FLAGS: Final = pl.DataFrame(
    schema={"row": pl.Int64, "n_wraps": pl.Int64, "n_resets": pl.Int64, "n_hidden_wrap_gaps": pl.Int64}
)


# ---- gaps ------------------------------------------------------------------------------------------------------------


def _read_times(samples: pl.DataFrame, times: pl.DataFrame, runs: pl.DataFrame, ending: Ending | None) -> pl.DataFrame:
    """The samples that were read: row, run, timestamp_ns, interval_ns since the one before in the run."""
    leading = runs["leading"].gather(times["run"])
    was_read = [(leading == c) & samples[f"{c}_energy_uj"].is_not_null() for c in runs["leading"].unique().drop_nulls()]
    needs_dram = runs["domains"].list.contains("dram") & (runs["leading"] == "pkg")
    lacks_dram = samples["dram_energy_uj"].is_null() & needs_dram.gather(times["run"])
    read = times.select("run", "timestamp_ns", row=pl.int_range(pl.len(), dtype=pl.Int64)).filter(
        pl.any_horizontal(pl.lit(False), *was_read) & ~lacks_dram
    )
    interval_ns: pl.Expr = pl.when(pl.col("run") == pl.col("run").shift()).then(pl.col("timestamp_ns").diff())
    if ending is not None and ending.last_ns is not None:
        first = pl.int_range(pl.len()) == 0
        interval_ns = pl.when(first).then(pl.col("timestamp_ns") - ending.last_ns).otherwise(interval_ns)
    return read.with_columns(interval_ns=interval_ns)


def _special(flagged: pl.DataFrame, times: pl.DataFrame, read: pl.DataFrame, ending: Ending | None) -> pl.DataFrame:
    """Where a reset or a hidden wrap shows: row, is_reset; each at its own sample, or the next that was read."""
    found = flagged.filter((pl.col("n_resets") > 0) | (pl.col("n_hidden_wrap_gaps") > 0))
    found = found.select("row", run=times["run"].gather(found["row"]), is_reset=pl.col("n_resets") > 0)
    if ending is not None and ending.unplaced and times.height:
        carried = pl.DataFrame({"is_reset": ending.unplaced}).select(
            row=pl.lit(0, pl.Int64), run=pl.lit(times.item(0, "run"), times["run"].dtype), is_reset="is_reset"
        )
        found = pl.concat([carried, found])
    reads = read.select("run", "row", at="row")
    placed = found.sort("row").join_asof(reads, on="row", by="run", strategy="forward", check_sortedness=False)
    if ending is not None and times.height:
        ending.unplaced = placed.filter(pl.col("at").is_null())["is_reset"].to_list()
    return placed.drop_nulls("at").group_by(row="at").agg(pl.col("is_reset").any())


def _gaps(read: pl.DataFrame, special: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The intervals over which the counters cannot be trusted to tell how the energy was spent: row, run, interval_ns.

    They are longer than the run's threshold, or hold a reset, or are so long that wraps may be hidden in them.
    """
    is_long = pl.col("interval_ns") > runs["gap_threshold_ns"].gather(read["run"])
    return read.filter(is_long | pl.col("row").is_in(special["row"].implode())).select("row", "run", "interval_ns")


def _of_gaps(samples: pl.DataFrame, gaps: pl.DataFrame, resets: pl.DataFrame) -> pl.DataFrame:
    """The rows of stage.energy_gaps."""
    to_ns = samples["timestamp_ns"].gather(gaps["row"])
    return gaps.select(
        run_id=samples["run_id"].gather(gaps["row"]),
        from_ns=to_ns - pl.col("interval_ns"),
        to_ns=to_ns,
        is_reset=pl.col("row").is_in(resets["row"].implode()),
    ).drop_nulls("from_ns")


def _sampling(
    times: pl.DataFrame, runs: pl.DataFrame, read: pl.DataFrame, gaps: pl.DataFrame, flagged: pl.DataFrame
) -> pl.DataFrame:
    """What these samples of each run add to its line of stage.energy_sampling."""
    is_gap = pl.col("row").is_in(gaps["row"].implode())
    reads = read.group_by("run").agg(
        n_samples=pl.len().cast(_INT),
        first_ns=pl.col("timestamp_ns").min(),
        last_ns=pl.col("timestamp_ns").max(),
        max_interval_ns=pl.col("interval_ns").filter(~is_gap).max(),
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
        pl.concat(samplings)
        .group_by("run_id")
        .agg(
            pl.col(_COUNTS).sum(),
            pl.col("first_ns").min(),
            pl.col("last_ns", "max_interval_ns").max(),
            pl.col(_OF_RUN).first(),
        )
        .select(list(SAMPLING_SCHEMA))
        .sort("run_id")
    )
