"""What the leak-free features are worth: a ridge regression predicts the energy of sessions that it has not seen.

Small on purpose, and computed with every build: figures of it that fall behind guessing the mean say that something is
wrong with the features. Whoever models in earnest takes the exported table.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

TARGET: Final = "dynamic_energy_j"
MAX_RUNS: Final = 1_000  # the newest: more change little and cost time
MIN_RUNS: Final = 20
MIN_GROUPS: Final = 3
MAX_SINGLE_GROUPS: Final = 10
"""Up to so many sessions each is held out alone; more of them fold by fold."""
MAX_WORDS: Final = 50
"""A text with more different values than this says who, not what."""
PENALTIES: Final = np.logspace(-3, 6, 19)

SCHEMA: Final = pl.Schema(
    {
        "target": pl.String(),
        "model": pl.String(),
        "n_runs": pl.Int64(),
        "n_groups": pl.Int64(),
        "n_features": pl.Int64(),
        "target_min_j": pl.Float64(),
        "target_max_j": pl.Float64(),
        "held_out_mae_j": pl.Float64(),
        "mean_mae_j": pl.Float64(),
    }
)


def held_out_error(table: pl.DataFrame, roles: dict[str, str]) -> pl.DataFrame:
    """One row of SCHEMA from ml_feature_table and the role of each of its columns; none of too few runs or sessions."""
    runs = table.filter(pl.col(TARGET).is_not_null() & pl.col("is_estimated").eq(False)).sort("run_id").tail(MAX_RUNS)
    if runs.height < MIN_RUNS or runs["split_group"].n_unique() < MIN_GROUPS:
        return pl.DataFrame(schema=SCHEMA)
    names = [name for name in runs.columns if roles[name] == "feature" and runs[name].null_count() < runs.height]
    features, target = _numbers(runs, names), runs[TARGET].to_numpy()
    predicted, means = np.empty_like(target), np.empty_like(target)
    for held_out in _held_out(runs):
        predicted[held_out] = _predict(features[~held_out], target[~held_out], features[held_out])
        means[held_out] = target[~held_out].mean()
    row: dict[str, Any] = {
        "target": TARGET,
        "model": "ridge",
        "n_runs": runs.height,
        "n_groups": runs["split_group"].n_unique(),
        "n_features": len(names),
        "target_min_j": float(target.min()),
        "target_max_j": float(target.max()),
        # To the µJ: what a processor's linear algebra makes of the last digits is not to change the table.
        "held_out_mae_j": round(float(np.abs(predicted - target).mean()), 6),
        "mean_mae_j": round(float(np.abs(means - target).mean()), 6),
    }
    return pl.DataFrame([row], schema=SCHEMA)


def _held_out(runs: pl.DataFrame) -> Iterator[npt.NDArray[np.bool_]]:
    """Which runs are held out, time after time; sessions are never split."""
    by = "split_group" if runs["split_group"].n_unique() <= MAX_SINGLE_GROUPS else "fold"
    for value in runs[by].unique().sort():
        yield (runs[by] == value).to_numpy()


def _numbers(runs: pl.DataFrame, names: list[str]) -> Floats:
    """A column per number, NaN where it is missing, and one per value of a text."""
    columns = []
    for name in names:
        column = runs[name]
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            columns.append(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
        elif column.dtype == pl.String and column.n_unique() <= MAX_WORDS:
            filled = column.fill_null("")
            columns += [(filled == word).cast(pl.Float64).to_numpy() for word in filled.unique().sort()]
    return np.column_stack(columns) if columns else np.zeros((runs.height, 1))


def _predict(seen: Floats, target: Floats, unseen: Floats) -> Floats:
    """Ridge regression on standardised columns; the penalty with the least error of leaving one run out."""
    known = ~np.isnan(seen).all(axis=0)
    seen, unseen = seen[:, known], unseen[:, known]
    medians = np.nanmedian(seen, axis=0)
    seen, unseen = (np.where(np.isnan(values), medians, values) for values in (seen, unseen))
    center, spread = seen.mean(axis=0), seen.std(axis=0)
    spread[np.ptp(seen, axis=0) == 0] = np.inf  # a column that does not vary says nothing
    standardised = (seen - center) / spread
    sizes, axes = np.linalg.eigh(standardised.T @ standardised)
    rotated = standardised @ axes
    residual = target - target.mean()
    projected = rotated.T @ residual

    def left_out_error(penalty: float) -> float:
        kept = 1 / (np.maximum(sizes, 0) + penalty)
        leverage = (rotated**2 * kept).sum(axis=1) + 1 / len(target)
        return float((((residual - rotated @ (kept * projected)) / np.maximum(1 - leverage, 1e-9)) ** 2).mean())

    penalty = min(PENALTIES, key=left_out_error)
    weights = axes @ (projected / (np.maximum(sizes, 0) + penalty))
    return np.asarray(target.mean() + (unseen - center) / spread @ weights)
