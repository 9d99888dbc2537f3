"""Statistics of the orchestration tax: from pairs of runs to one row per scope.

The task is the unit of replication: repetitions of a task are averaged first, on the log ratio of agentic to linear
dynamic energy, since repeats of one task say nothing of other tasks. Energies of different sources, measured or
estimated, are never put together: each has rows of its own. Tests and resampling are those of scipy.stats, seeded, and
do not depend on the order of the pairs. Importing them takes half a second: that is done where enough tasks are there.
"""

import json
import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy
from scipy import special

from collectors.ids import stable_id

Floats = npt.NDArray[np.float64]
Row = dict[str, Any]

CI_LEVEL: Final = 0.95
POWER: Final = 0.8
N_RESAMPLES: Final = 9999
SEED: Final = 20260101
MIN_TASKS: Final = 6
"""Fewer tasks give descriptive figures only."""
MIN_TASKS_FULL: Final = 10
"""From here on the bootstrap and Wilcoxon's test say something too."""

SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "experiment": ("exp_id",),
    "model × task × provider × hardware": ("model_key", "task_name", "provider", "hw_id"),
    "provider": ("provider",),
    "all": (),
}
"""What a row is about, and the columns that it is grouped by."""

KEYS: Final = ("exp_id", "task_name", "model_key", "provider", "hw_id")

PAIR_SCHEMA: Final = pl.Schema(
    {
        "comparison_id": pl.Int64(),  # NULL of a run that is in no pair
        "exp_id": pl.Int64(),
        "task_name": pl.String(),
        "model_key": pl.String(),
        "provider": pl.String(),
        "hw_id": pl.Int64(),
        "energy_source": pl.String(),
        "is_estimated": pl.Boolean(),
        "linear_j": pl.Float64(),  # dynamic energy
        "agentic_j": pl.Float64(),
        "linear_s": pl.Float64(),  # duration
        "agentic_s": pl.Float64(),
        "linear_baseline_id": pl.String(),
        "agentic_baseline_id": pl.String(),
        "linear_u_idle_w": pl.Float64(),  # standard uncertainty of the mean idle power
        "agentic_u_idle_w": pl.Float64(),
        "linear_successes": pl.Int64(),  # queries answered; NULL where nobody said
        "agentic_successes": pl.Int64(),
        "exclusion_reason": pl.String(),  # why it is in no statistic; NULL where it is
        "is_valid": pl.Boolean(),  # nothing speaks against the figures of its runs
    }
)
"""A row of the input: a pair, or a run that is in none."""

_FLOATS: Final = (
    *(f"{kind}_{figure}_j" for kind in ("linear", "agentic") for figure in ("mean", "median", "sd", "total")),
    *(f"diff_{figure}_j" for figure in ("mean", "sd", "hl", "ci_lo", "ci_hi")),
    "ratio_geo", "ratio_geo_ci_lo", "ratio_geo_ci_hi", "ratio_of_totals", "rot_ci_lo", "rot_ci_hi", "ratio_mean_diag",
    "ratio_median", "tax_pct_of_linear", "tax_share_of_agentic", "log_ratio_sd", "between_task_sd", "within_task_sd",
    "t_stat", "p_t_log", "wilcoxon_w", "p_wilcoxon", "p_perm", "hedges_gz", "p_superiority", "p_holm", "mde_ratio_80",
    "u_baseline_j", "linear_per_success_j", "agentic_per_success_j", "ratio_per_success",
)  # fmt: skip

RESULT_SCHEMA: Final = pl.Schema(
    {
        "tax_stat_id": pl.Int64(),
        "scope": pl.String(),
        "exp_id": pl.Int64(),
        "task_name": pl.String(),
        "model_key": pl.String(),
        "provider": pl.String(),
        "hw_id": pl.Int64(),
        "energy_source": pl.String(),
        "is_estimated": pl.Boolean(),
        "pairing_rule": pl.String(),
        "cluster_unit": pl.String(),
        "n_pairs": pl.Int64(),
        "n_tasks": pl.Int64(),
        "n_excluded": pl.Int64(),
        "exclusion_reasons_json": pl.String(),
        **dict.fromkeys(_FLOATS, pl.Float64()),
        "n_not_valid": pl.Int64(),
        "n_success_known": pl.Int64(),
        "ci_level": pl.Float64(),
        "n_resamples": pl.Int64(),
        "seed": pl.Int64(),
        "scipy_version": pl.String(),
        "computed_at": pl.Datetime("us", "UTC"),
        "quality_flag": pl.String(),
    }
)
"""A row of the result; sql/computed/tax_statistics.sql says what each column means."""


def tax_statistics(pairs: pl.DataFrame, computed_at: datetime | None = None) -> pl.DataFrame:
    """Rows of RESULT_SCHEMA from pairs of PAIR_SCHEMA, one per scope and energy source."""
    ordered = pairs.select(PAIR_SCHEMA.names()).cast(PAIR_SCHEMA).sort(PAIR_SCHEMA.names(), nulls_last=True)
    known = ordered.with_columns(_exclusion_reason().alias("exclusion_reason"))
    scopes = [_of_scope(scope, keys, known) for scope, keys in SCOPES.items()]
    rows = pl.concat(scopes, how="diagonal_relaxed")  # wider scopes lack keys
    return rows.with_columns(
        pl.lit("experiment, run number, hardware").alias("pairing_rule"),
        pl.lit("task").alias("cluster_unit"),
        pl.lit(CI_LEVEL).alias("ci_level"),
        pl.lit(N_RESAMPLES).alias("n_resamples"),
        pl.lit(SEED).alias("seed"),
        pl.lit(scipy.__version__).alias("scipy_version"),
        pl.lit(computed_at or datetime.now(UTC)).alias("computed_at"),
        *(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in _FLOATS),
    ).select(pl.col(name).cast(dtype) for name, dtype in RESULT_SCHEMA.items())


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: the chance of one false claim in the family stays below them."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, (len(p_values) - rank) * p_values[position])
        adjusted[position] = min(highest, 1.0)
    return adjusted


@cache
def detectable_effect(n: int) -> float:
    """The mean, in standard deviations, that a two-sided t test of n > 1 values tells from 0 with the chance POWER."""
    critical = special.stdtrit(n - 1, (1 + CI_LEVEL) / 2)

    def is_found(effect: float) -> bool:
        # A noncentral t far out gives NaN in its lower tail, where it is 0.
        below = np.nan_to_num(special.nctdtr(n - 1, effect, -critical), nan=0.0)
        return bool(1 - special.nctdtr(n - 1, effect, critical) + below >= POWER)

    low, high = 0.0, critical + 1.0
    while not is_found(high):
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return float(high) / math.sqrt(n)


def _exclusion_reason() -> pl.Expr:
    """Why a row is in no statistic: what it says itself, else an energy of which there is no logarithm."""
    linear, agentic = pl.col("linear_j"), pl.col("agentic_j")
    return (
        pl.when(pl.col("exclusion_reason").is_not_null())
        .then(pl.col("exclusion_reason"))
        .when(pl.col("task_name").is_null())
        .then(pl.lit("no task"))
        .when(linear.is_null() | agentic.is_null() | linear.is_nan() | agentic.is_nan())
        .then(pl.lit("no dynamic energy"))
        .when(linear <= 0)
        .then(pl.lit("linear run not above idle"))
        .when(agentic <= 0)
        .then(pl.lit("agentic run not above idle"))
    )


def _of_scope(scope: str, keys: Sequence[str], pairs: pl.DataFrame) -> pl.DataFrame:
    """The rows of one scope, by tax_stat_id."""
    by = [*keys, "energy_source", "is_estimated"]
    # Of an experiment, what all its pairs have in common is named too.
    named = [key for key in KEYS if key not in by and scope == "experiment"]
    shared = [pl.when(pl.col(key).n_unique() == 1).then(pl.col(key).first()) for key in named]
    groups = (
        pairs.group_by(by, maintain_order=True)
        .agg(*shared, reasons=pl.col("exclusion_reason").drop_nulls())
        .with_row_index("group")
    )
    used = (
        pairs.join(groups.select("group", *by), on=by, nulls_equal=True, maintain_order="left")
        .filter(pl.col("exclusion_reason").is_null())
        .with_columns(
            log_ratio=(pl.col("agentic_j") / pl.col("linear_j")).log(),
            difference_j=pl.col("agentic_j") - pl.col("linear_j"),
        )
    )
    tasks = _of_tasks(used)
    rows = groups
    for figures in (_of_pairs(used), _per_success(used), _spread(tasks), _baseline_uncertainty(used), _claims(tasks)):
        rows = rows.join(figures, on="group", how="left", maintain_order="left")
    ids = [stable_id(scope, *(str(value) for value in key)) for key in rows.select(by).iter_rows()]
    return (
        rows.with_columns(
            pl.lit(scope).alias("scope"),
            pl.Series("tax_stat_id", ids, pl.Int64),
            pl.Series("exclusion_reasons_json", [_counted(reasons) for reasons in rows["reasons"]], pl.String),
            pl.Series("p_holm", _in_families(rows), pl.Float64),
            pl.col("reasons").list.len().alias("n_excluded"),
            pl.col("n_pairs", "n_tasks", "n_not_valid", "n_success_known").fill_null(0),
        )
        .with_columns(_quality(pl.col("n_tasks")).alias("quality_flag"))
        .drop("group", "reasons")
        .sort("tax_stat_id")
    )


def _counted(reasons: pl.Series) -> str:
    return json.dumps(dict(sorted(Counter(reasons.to_list()).items())), ensure_ascii=False)


def _quality(n_tasks: pl.Expr) -> pl.Expr:
    return (
        pl.when(n_tasks == 0)
        .then(pl.lit("no_pairs"))
        .when(n_tasks < MIN_TASKS)
        .then(pl.lit("descriptive"))
        .when(n_tasks < MIN_TASKS_FULL)
        .then(pl.lit("few_tasks"))
        .otherwise(pl.lit("full"))
    )


def _in_families(rows: pl.DataFrame) -> list[float | None]:
    """p_holm of each row. One family of hypotheses: what is said of one scope by one way of measuring."""
    adjusted: dict[int, float] = {}
    for _, family in rows.drop_nulls("p_t_log").drop_nans("p_t_log").group_by("energy_source"):
        adjusted |= zip(family["group"], holm(family["p_t_log"].to_list()), strict=True)
    return [adjusted.get(group) for group in rows["group"]]


# ---- figures, a row per group ----------------------------------------------------------------------------------------


def _of_pairs(used: pl.DataFrame) -> pl.DataFrame:
    """What the pairs were, claiming nothing of others."""
    energies = {
        f"{kind}_{figure}_j": getattr(pl.col(f"{kind}_j"), function)()
        for kind in ("linear", "agentic")
        for figure, function in (("mean", "mean"), ("median", "median"), ("sd", "std"), ("total", "sum"))
    }
    linear, agentic = pl.col("linear_total_j"), pl.col("agentic_total_j")
    return (
        used.group_by("group", maintain_order=True)
        .agg(
            n_pairs=pl.len(),
            n_not_valid=(~pl.col("is_valid")).sum(),
            ratio_mean_diag=(pl.col("agentic_j") / pl.col("linear_j")).mean(),
            **energies,
        )
        .with_columns(
            ratio_of_totals=agentic / linear,
            tax_pct_of_linear=(agentic - linear) / linear * 100,
            tax_share_of_agentic=(agentic - linear) / agentic * 100,
        )
    )


def _per_success(used: pl.DataFrame) -> pl.DataFrame:
    """Energy per query that succeeded, what the failed ones took included; nothing where success is not known."""
    energies = {
        f"{kind}_per_success_j": pl.when(pl.col(f"{kind}_successes").sum() > 0).then(
            pl.col(f"{kind}_j").sum() / pl.col(f"{kind}_successes").sum()
        )
        for kind in ("linear", "agentic")
    }
    return (
        used.drop_nulls(["linear_successes", "agentic_successes"])
        .group_by("group", maintain_order=True)
        .agg(n_success_known=pl.len(), **energies)
        .with_columns(ratio_per_success=pl.col("agentic_per_success_j") / pl.col("linear_per_success_j"))
    )


def _of_tasks(used: pl.DataFrame) -> pl.DataFrame:
    """A row per group and task, ordered by task name: the mean log ratio and difference of its pairs, their totals."""
    log_ratio = pl.col("log_ratio")
    return (
        used.group_by("group", "task_name", maintain_order=True)
        .agg(
            log_ratio.mean(),
            pl.col("difference_j").mean(),
            pl.col("linear_j", "agentic_j").sum(),
            n=pl.len(),
            squares=((log_ratio - log_ratio.mean()) ** 2).sum(),
        )
        .sort("group", "task_name")
    )


def _spread(tasks: pl.DataFrame) -> pl.DataFrame:
    """Means over tasks, how far they scatter, and what ratio so many tasks would show."""
    log_ratio, difference, n = pl.col("log_ratio"), pl.col("difference_j"), pl.col("n")
    freedom = n.sum() - pl.len()
    groups = tasks.group_by("group", maintain_order=True).agg(
        n_tasks=pl.len(),
        differences_j=difference,
        diff_mean_j=difference.mean(),
        diff_sd_j=difference.std(),
        mean_log_ratio=log_ratio.mean(),
        log_ratio_sd=log_ratio.std(),
        ratio_median=log_ratio.exp().median(),
        p_superiority=((log_ratio > 0).mean() + (log_ratio == 0).mean() / 2),
        within_variance=pl.when(freedom > 0).then(pl.col("squares").sum() / freedom),
        mean_share=(1 / n).mean(),
    )
    sizes = groups["n_tasks"].unique().sort()
    by_size = pl.DataFrame(
        {
            "n_tasks": sizes,
            "effect": [detectable_effect(size) if size > 1 else None for size in sizes],
            "correction": [_hedges_correction(size) if size > 2 else None for size in sizes],
        },
        schema_overrides={"effect": pl.Float64(), "correction": pl.Float64()},
    )
    # How much true log ratios differ: the spread of the tasks' means less what repetition explains of it.
    between_variance = pl.col("log_ratio_sd") ** 2 - pl.col("within_variance") * pl.col("mean_share")
    return groups.join(by_size, on="n_tasks", how="left", maintain_order="left").select(
        "group",
        "n_tasks",
        "diff_mean_j",
        "diff_sd_j",
        "log_ratio_sd",
        "ratio_median",
        "p_superiority",
        pl.Series("diff_hl_j", [_hodges_lehmann(values.to_numpy()) for values in groups["differences_j"]], pl.Float64),
        ratio_geo=pl.col("mean_log_ratio").exp(),
        between_task_sd=between_variance.clip(lower_bound=0).sqrt(),
        within_task_sd=pl.col("within_variance").sqrt(),
        # Of tasks that are all alike it would be infinite.
        hedges_gz=pl.when(pl.col("log_ratio_sd") > 0).then(
            pl.col("mean_log_ratio") / pl.col("log_ratio_sd") * pl.col("correction")
        ),
        mde_ratio_80=(pl.col("effect") * pl.col("log_ratio_sd")).exp(),
    )


def _hedges_correction(n: int) -> float:
    """What a standardised mean of n > 2 values has to be multiplied by, since it is too large in small samples."""
    freedom = n - 1
    return math.sqrt(2 / freedom) * math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2))


def _hodges_lehmann(values: Floats) -> float:
    """The median of all means of two values, each with itself too."""
    if len(values) == 1:
        return float(values[0])
    first, second = np.triu_indices(len(values))
    return float(np.median((values[first] + values[second]) / 2))


def _baseline_uncertainty(used: pl.DataFrame) -> pl.DataFrame:
    """Standard uncertainty of diff_mean_j that idle power causes, J; none where a pair's is not known.

    Runs that share a baseline share its error: their idle times add up with their signs before anything is squared.
    """
    weight = 1 / (pl.col("task_name").n_unique().over("group") * pl.len().over("group", "task_name"))
    runs = pl.concat(
        used.select(
            "group",
            baseline=f"{kind}_baseline_id",
            seconds=sign * weight * pl.col(f"{kind}_s"),
            watts=f"{kind}_u_idle_w",
        )
        for kind, sign in (("agentic", 1.0), ("linear", -1.0))
    )
    unknown = pl.any_horizontal(pl.col("baseline", "seconds", "watts").is_null())
    return (
        runs.with_columns(unknown=unknown)
        .group_by("group", "baseline", maintain_order=True)
        .agg(energy_j=pl.col("seconds").sum() * pl.col("watts").last(), unknown=pl.col("unknown").any())
        .group_by("group", maintain_order=True)
        .agg(u_baseline_j=pl.when(~pl.col("unknown").any()).then((pl.col("energy_j") ** 2).sum().sqrt()))
    )


def _claims(tasks: pl.DataFrame) -> pl.DataFrame:
    """What the tasks say of other tasks, in the groups that have enough of them: intervals and tests."""
    enough = tasks.filter(pl.len().over("group") >= MIN_TASKS)
    claims = [{"group": group} | _claims_of(of_group) for (group,), of_group in enough.group_by("group")]
    return pl.DataFrame(claims, {"group": tasks.schema["group"], **dict.fromkeys(_CLAIMS, pl.Float64())}, orient="row")


_CLAIMS: Final = (
    "diff_ci_lo_j", "diff_ci_hi_j", "ratio_geo_ci_lo", "ratio_geo_ci_hi", "rot_ci_lo", "rot_ci_hi", "t_stat", "p_t_log",
    "wilcoxon_w", "p_wilcoxon", "p_perm",
)  # fmt: skip


def _claims_of(tasks: pl.DataFrame) -> Row:
    """Those of one group; none where its tasks do not differ among each other."""
    from scipy import stats

    ratios, differences = tasks["log_ratio"].to_numpy(), tasks["difference_j"].to_numpy()
    if np.ptp(ratios) == 0:
        return {}
    tested = stats.ttest_1samp(ratios, 0.0)
    low, high = tested.confidence_interval(CI_LEVEL)
    difference_low, difference_high = stats.ttest_1samp(differences, 0.0).confidence_interval(CI_LEVEL)
    permuted = stats.permutation_test(
        (ratios,), _mean, permutation_type="samples", n_resamples=N_RESAMPLES, vectorized=True,
        rng=np.random.default_rng(SEED),
    )  # fmt: skip
    row: Row = {
        "diff_ci_lo_j": float(difference_low),
        "diff_ci_hi_j": float(difference_high),
        "ratio_geo_ci_lo": float(np.exp(low)),
        "ratio_geo_ci_hi": float(np.exp(high)),
        "t_stat": float(tested.statistic),
        "p_t_log": float(tested.pvalue),
        "p_perm": float(permuted.pvalue),
    }
    if len(ratios) < MIN_TASKS_FULL:
        return row
    signed = stats.wilcoxon(ratios, method=_wilcoxon_method(ratios))
    totals_j = (tasks["agentic_j"].to_numpy(), tasks["linear_j"].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # the interval is then NaN, and NULL here
        resampled = stats.bootstrap(
            totals_j, _ratio_of_sums, paired=True, vectorized=True, n_resamples=N_RESAMPLES,
            confidence_level=CI_LEVEL, method="BCa", rng=np.random.default_rng(SEED),
        )  # fmt: skip
    return row | {
        "rot_ci_lo": float(resampled.confidence_interval.low),
        "rot_ci_hi": float(resampled.confidence_interval.high),
        "wilcoxon_w": float(signed.statistic),
        "p_wilcoxon": float(signed.pvalue),
    }


def _wilcoxon_method(ratios: Floats) -> Any:
    """Exact; where ties or zeros forbid the exact distribution, all signs or many random ones."""
    from scipy import stats

    sizes = np.abs(ratios)
    if len(np.unique(sizes)) == len(sizes) and np.all(sizes > 0):
        return "exact"
    return stats.PermutationMethod(n_resamples=N_RESAMPLES, rng=np.random.default_rng(SEED))


def _mean(values: Floats, axis: int) -> Floats:
    return np.asarray(np.mean(values, axis=axis))


def _ratio_of_sums(agentic: Floats, linear: Floats, axis: int) -> Floats:
    return np.asarray(np.sum(agentic, axis=axis) / np.sum(linear, axis=axis))
