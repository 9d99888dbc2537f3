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
from dataclasses import dataclass
from datetime import UTC, datetime
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
    with_reasons = ordered.with_columns(_exclusion_reason().alias("exclusion_reason"))
    moment = computed_at or datetime.now(UTC)
    rows: list[Row] = []
    for scope, keys in SCOPES.items():
        group_columns = [*keys, "energy_source", "is_estimated"]
        family = []
        for values, group in with_reasons.group_by(group_columns, maintain_order=True):
            group_key = dict(zip(group_columns, values, strict=True))
            family.append(_row(scope, group_key, group) | {"computed_at": moment})
        # One family of hypotheses: what is said of one scope by one way of measuring.
        for source in {row["energy_source"] for row in family}:
            members = [row for row in family if row["energy_source"] == source and row["p_t_log"] is not None]
            for row, p in zip(members, holm([row["p_t_log"] for row in members]), strict=True):
                row["p_holm"] = p
        rows += sorted(family, key=lambda row: int(row["tax_stat_id"]))
    return pl.DataFrame(rows, schema=RESULT_SCHEMA, orient="row")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: the chance of one false claim in the family stays below them."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, (len(p_values) - rank) * p_values[position])
        adjusted[position] = min(highest, 1.0)
    return adjusted


def minimum_detectable_ratio(log_sd: float, n: int, alpha: float = 1 - CI_LEVEL, power: float = POWER) -> float:
    """The geometric mean ratio above 1 that a two-sided t test of n tasks finds with the given power."""
    critical = special.stdtrit(n - 1, 1 - alpha / 2)

    def is_found(effect: float) -> bool:
        # A noncentral t far out gives NaN in its lower tail, where it is 0.
        below = np.nan_to_num(special.nctdtr(n - 1, effect, -critical), nan=0.0)
        return bool(1 - special.nctdtr(n - 1, effect, critical) + below >= power)

    low, high = 0.0, critical + 1.0
    while not is_found(high):
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return float(np.exp(high * log_sd / math.sqrt(n)))


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


def _row(scope: str, group_key: Row, group: pl.DataFrame) -> Row:
    """The row of one group of pairs."""
    used = group.filter(pl.col("exclusion_reason").is_null())
    reasons = Counter(group["exclusion_reason"].drop_nulls().to_list())
    row: Row = dict.fromkeys(RESULT_SCHEMA.names())
    # Of an experiment, what all its pairs have in common is named too.
    named = {key: group[key][0] for key in KEYS if scope == "experiment" and group[key].n_unique() == 1}
    row |= named | group_key
    row |= {
        "tax_stat_id": stable_id(scope, *(str(value) for value in group_key.values())),
        "scope": scope,
        "pairing_rule": "experiment, run number, hardware",
        "cluster_unit": "task",
        "n_pairs": used.height,
        "n_tasks": used["task_name"].n_unique(),
        "n_excluded": reasons.total(),
        "exclusion_reasons_json": json.dumps(dict(sorted(reasons.items())), ensure_ascii=False),
        "ci_level": CI_LEVEL,
        "n_resamples": N_RESAMPLES,
        "seed": SEED,
        "scipy_version": scipy.__version__,
        "quality_flag": _quality(used["task_name"].n_unique()),
        **_per_success(used),
    }
    if used.is_empty():
        return row
    tasks = _by_task(used)
    row |= _description(used, tasks)
    if tasks.n >= MIN_TASKS:
        row |= _inference(tasks)
    return {name: _finite(value) for name, value in row.items()}


def _quality(n_tasks: int) -> str:
    if n_tasks == 0:
        return "no_pairs"
    if n_tasks < MIN_TASKS:
        return "descriptive"
    return "few_tasks" if n_tasks < MIN_TASKS_FULL else "full"


@dataclass(frozen=True)
class _Tasks:
    """Figures of tasks, one element per task, ordered by task name."""

    log_ratios: Floats  # mean over the task's pairs
    differences_j: Floats  # mean over the task's pairs
    linear_totals_j: Floats
    agentic_totals_j: Floats
    n_pairs: npt.NDArray[np.int64]
    within_variance: float | None  # pooled variance of the log ratios within tasks

    @property
    def n(self) -> int:
        return len(self.log_ratios)


def _by_task(used: pl.DataFrame) -> _Tasks:
    linear, agentic = used["linear_j"].to_numpy(), used["agentic_j"].to_numpy()
    names, task = np.unique(used["task_name"].to_numpy(), return_inverse=True)
    n_pairs = np.bincount(task)

    def sums(values: Floats) -> Floats:
        return np.asarray(np.bincount(task, values), np.float64)

    log_ratios = np.log(agentic / linear)
    means = sums(log_ratios) / n_pairs
    freedom = len(task) - len(names)
    return _Tasks(
        log_ratios=means,
        differences_j=sums(agentic - linear) / n_pairs,
        linear_totals_j=sums(linear),
        agentic_totals_j=sums(agentic),
        n_pairs=n_pairs,
        within_variance=math.fsum((log_ratios - means[task]) ** 2) / freedom if freedom > 0 else None,
    )


def _description(used: pl.DataFrame, tasks: _Tasks) -> Row:
    """What the pairs were, claiming nothing of others."""
    linear, agentic = used["linear_j"].to_numpy(), used["agentic_j"].to_numpy()
    linear_total, agentic_total = math.fsum(linear), math.fsum(agentic)
    log_sd = _sd(tasks.log_ratios)
    row: Row = {}
    for kind, energies, total in (("linear", linear, linear_total), ("agentic", agentic, agentic_total)):
        row |= {
            f"{kind}_mean_j": total / len(energies),
            f"{kind}_median_j": float(np.median(energies)),
            f"{kind}_sd_j": _sd(energies),
            f"{kind}_total_j": total,
        }
    return row | {
        "diff_mean_j": float(np.mean(tasks.differences_j)),
        "diff_sd_j": _sd(tasks.differences_j),
        "diff_hl_j": _hodges_lehmann(tasks.differences_j),
        "ratio_geo": float(np.exp(np.mean(tasks.log_ratios))),
        "ratio_of_totals": agentic_total / linear_total,
        "ratio_mean_diag": float(np.mean(agentic / linear)),
        "ratio_median": float(np.median(np.exp(tasks.log_ratios))),
        "tax_pct_of_linear": (agentic_total - linear_total) / linear_total * 100,
        "tax_share_of_agentic": (agentic_total - linear_total) / agentic_total * 100,
        "log_ratio_sd": log_sd,
        "between_task_sd": _between_task_sd(tasks),
        "within_task_sd": None if tasks.within_variance is None else math.sqrt(tasks.within_variance),
        "hedges_gz": _hedges_gz(tasks.log_ratios),
        "p_superiority": float(np.mean(tasks.log_ratios > 0) + np.mean(tasks.log_ratios == 0) / 2),
        "mde_ratio_80": None if log_sd is None else minimum_detectable_ratio(log_sd, tasks.n),
        "u_baseline_j": _baseline_uncertainty(used),
    }


def _per_success(used: pl.DataFrame) -> Row:
    """Energy per query that succeeded, what the failed ones took included; nothing where success is not known."""
    known = used.drop_nulls(["linear_successes", "agentic_successes"])
    row: Row = {"n_success_known": known.height}
    for kind in ("linear", "agentic"):
        successes = int(known[f"{kind}_successes"].sum())
        row[f"{kind}_per_success_j"] = math.fsum(known[f"{kind}_j"]) / successes if successes else None
    linear, agentic = row["linear_per_success_j"], row["agentic_per_success_j"]
    return row | {"ratio_per_success": agentic / linear if linear and agentic else None}


def _inference(tasks: _Tasks) -> Row:
    """What the tasks say of other tasks; nothing where they do not differ among each other."""
    from scipy import stats

    ratios, differences = tasks.log_ratios, tasks.differences_j
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
    if tasks.n < MIN_TASKS_FULL:
        return row
    signed = stats.wilcoxon(ratios, method=_wilcoxon_method(ratios))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # the interval is then NaN, and NULL here
        resampled = stats.bootstrap(
            (tasks.agentic_totals_j, tasks.linear_totals_j), _ratio_of_sums, paired=True, vectorized=True,
            n_resamples=N_RESAMPLES, confidence_level=CI_LEVEL, method="BCa", rng=np.random.default_rng(SEED),
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


def _hodges_lehmann(values: Floats) -> float:
    """The median of all means of two values, each with itself too."""
    first, second = np.triu_indices(len(values))
    return float(np.median((values[first] + values[second]) / 2))


def _hedges_gz(values: Floats) -> float | None:
    """Mean over standard deviation, corrected for its bias in small samples."""
    sd = _sd(values)
    if not sd:
        return None
    freedom = len(values) - 1
    correction = math.sqrt(2 / freedom) * math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2))
    return float(np.mean(values)) / sd * correction if freedom > 1 else None


def _between_task_sd(tasks: _Tasks) -> float | None:
    """How much true log ratios differ between tasks: the spread of the means less what repetition explains of it."""
    if tasks.n < 2 or tasks.within_variance is None:
        return None
    of_means = tasks.within_variance * float(np.mean(1 / tasks.n_pairs))
    return math.sqrt(max(float(np.var(tasks.log_ratios, ddof=1)) - of_means, 0.0))


def _baseline_uncertainty(used: pl.DataFrame) -> float | None:
    """Standard uncertainty of diff_mean_j that idle power causes, J.

    Runs that share a baseline share its error: their idle times add up with their signs before anything is squared.
    """
    weights = 1 / (used["task_name"].n_unique() * used.select(pl.len().over("task_name")).to_series().to_numpy())
    seconds: dict[str, list[float]] = {}
    uncertainty: dict[str, float] = {}
    for kind, sign in (("agentic", 1.0), ("linear", -1.0)):
        columns = used.select(f"{kind}_baseline_id", f"{kind}_s", f"{kind}_u_idle_w")
        for weight, (baseline, duration, watts) in zip(weights, columns.iter_rows(), strict=True):
            if baseline is None or duration is None or watts is None:
                return None
            seconds.setdefault(baseline, []).append(sign * float(weight) * duration)
            uncertainty[baseline] = watts
    return math.hypot(*(math.fsum(seconds[baseline]) * uncertainty[baseline] for baseline in seconds))


def _sd(values: Floats) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
