"""The rows of inference.pareto_points, interpolated_metrics and tco: curves over benchmark results, many at a time."""

import csv
import math
from collections.abc import Sequence
from datetime import date
from typing import Final

import duckdb
import polars as pl

from alems_pipeline.benchmarks import curve_tables
from alems_pipeline.benchmarks.curves import COST_BASES, THROUGHPUTS, Direction
from alems_pipeline.keys.columns import round_half_up
from alems_pipeline.keys.registry import FIGURES, REGISTRY_ROOT, Registry, read_registry

CURVE: Final = ("model", "isl", "osl", "composite_key", "hw_key", "hardware", "precision")
MEASURED: Final = ("median_ttft", "median_e2el", "median_tpot", "conc", "measured_power_per_gpu_w")
LIMIT: Final = "cost_limit_usd_per_mtok"
STEP: Final = "interactivity_step_tok_s_user"
GREATEST: Final = "interactivity_limit_tok_s_user"


def pareto_points(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The fronts of the newest curves, one per chart, metric and curve."""
    points = _points(con, "inference.latest_curves")
    if points.is_empty():
        return points
    points = _with_derived(points, read_registry(), by_date=False)
    place = [*CURVE, "date", "config_id", "conc"]
    fronts = []
    for chart, x, y, direction in _rooflines():
        front = curve_tables.pareto_front(points, CURVE, x, y, direction)
        named = {"chart": chart, "x_metric": x, "y_metric": y, "direction": direction}
        labels = [pl.lit(value).alias(name) for name, value in named.items()]
        fronts.append(front.select(*labels, *place, pl.col(x).alias("x"), pl.col(y).alias("y")))
    return pl.concat(fronts)


def interpolated_metrics(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Every curve of every day at each interactivity that it reaches."""
    points = _points(con, "inference.curve_points")
    if points.is_empty():
        return points
    [step] = _targets(STEP)
    by = [*CURVE, "date", "is_latest"]
    metrics = [*THROUGHPUTS.values(), *MEASURED]
    found = _interpolated(points, by, metrics, step)
    return _with_derived(found, read_registry(), by_date=True).with_columns(round_half_up(pl.col("conc")).alias("conc"))


def tco(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Cost at an interactivity, and interactivity under a cost, of the newest curves, ranked."""
    points = _points(con, "inference.latest_curves")
    if points.is_empty():
        return points
    points = _with_derived(points, read_registry(), by_date=False)
    [step] = _targets(STEP)
    at_steps = _with_derived(
        _interpolated(points, CURVE, [*THROUGHPUTS.values(), "measured_power_per_gpu_w"], step),
        read_registry(),
        by_date=False,
    )
    parts = []
    for basis in COST_BASES:
        cost = f"cost_{basis}_total_usd_per_mtok"
        labels: list[pl.Expr | str] = [pl.lit(basis).alias("cost_basis"), *CURVE]
        parts.append(
            at_steps.filter(pl.col(cost).is_not_null()).select(
                pl.lit("cost_at_interactivity").alias("question"),
                *labels,
                pl.col("interactivity").alias("asked"),
                "interactivity",
                "tput_per_gpu",
                pl.col(cost).alias("cost_usd_per_mtok"),
            )
        )
        reached = curve_tables.interactivities_under_costs(points, CURVE, cost, _targets(LIMIT))
        parts.append(
            reached.select(
                pl.lit("interactivity_at_cost").alias("question"),
                *labels,
                pl.col("cost_limit").alias("asked"),
                pl.col("median_intvty").alias("interactivity"),
                "tput_per_gpu",
                pl.col(cost).alias("cost_usd_per_mtok"),
            )
        )
    asked = ["question", "cost_basis", "model", "isl", "osl", "asked"]
    is_cost = pl.col("question") == "cost_at_interactivity"
    # Both ranked with the best at 1: the least cost, or the highest interactivity.
    order = pl.when(is_cost).then("cost_usd_per_mtok").otherwise(-pl.col("interactivity"))
    ranked = pl.concat(parts).with_columns(order.alias("order")).sort(*asked, "order", "composite_key")
    value = pl.when(is_cost).then("cost_usd_per_mtok").otherwise("interactivity")
    return ranked.with_columns(
        pl.int_range(1, pl.len() + 1).over(asked).alias("rank"),
        (value / value.first().over(asked)).alias("ratio_to_best"),
    ).drop("order")


def _points(con: duckdb.DuckDBPyConnection, table: str) -> pl.DataFrame:
    """Points of curves; the measured power only where it can be true."""
    is_latest = ", is_latest" if table.endswith("curve_points") else ""
    frame: pl.DataFrame = con.sql(
        f"SELECT {', '.join(CURVE)}, date, config_id, conc, median_intvty, median_e2el, median_ttft, median_tpot, "
        f"{', '.join(THROUGHPUTS.values())}, CASE WHEN measured_power_valid THEN measured_power_per_gpu_w END "
        f"AS measured_power_per_gpu_w{is_latest} FROM {table} ORDER BY ALL"
    ).pl()
    return frame


def _interpolated(points: pl.DataFrame, by: Sequence[str], metrics: Sequence[str], step: float) -> pl.DataFrame:
    """Curves at multiples of `step`; each curve goes by a number, since joins by eight texts are slow."""
    curves = points.select(by).unique().sort(by).with_row_index("curve")
    numbered = points.join(curves, on=list(by), how="left", nulls_equal=True)
    [limit] = _targets(GREATEST)
    reached = points.select(pl.col("median_intvty").max()).item() or 0.0
    targets = [step * n for n in range(1, math.floor(min(reached, limit) / step) + 1)]
    found = curve_tables.interpolate_curves(numbered, ["curve"], metrics, targets)
    return curves.join(found, on="curve").drop("curve").rename({"median_intvty": "interactivity"})


def _with_derived(points: pl.DataFrame, registry: Registry, *, by_date: bool) -> pl.DataFrame:
    """The points with power and cost of their hardware, of the latest epoch or of their day's, and what follows."""
    places = points.select("hardware", *(["date"] if by_date else [])).unique()
    rows: list[dict[str, object]] = []
    for place in places.iter_rows(named=True):
        day: date | None = place.get("date")
        rows.append(place | registry.hardware_figures(place["hardware"], day))
    figures = pl.DataFrame(rows, schema={**places.schema, **dict.fromkeys(FIGURES, pl.Float64())})
    with_figures = points.join(figures, on=places.columns, how="left", maintain_order="left")
    derived = with_figures.with_columns(curve_tables.derived_metrics())
    return derived.drop(name for name in FIGURES if name != "power_kw")


def _rooflines() -> list[tuple[str, str, str, Direction]]:
    """Chart, x, y and direction of each front: a line of the registry stands for all metrics of its family."""
    kinds = list(THROUGHPUTS)
    families = {
        "throughput": list(THROUGHPUTS.values()),
        "throughput_per_mw": [f"{kind}_tput_per_mw" for kind in kinds],
        "cost": [f"cost_{basis}_{kind}_usd_per_mtok" for basis in COST_BASES for kind in kinds],
        "joules_per_token": [f"{source}joules_per_{kind}_token" for source in ("", "measured_") for kind in kinds],
    }
    return [
        (row["chart"], row["x_metric"], metric, row["direction"])  # type: ignore[misc]
        for row in _rows("rooflines")
        for metric in families[row["y_family"]]
    ]


def _targets(name: str) -> list[float]:
    return [float(row["value"]) for row in _rows("interpolation_targets") if row["target"] == name]


def _rows(name: str) -> list[dict[str, str]]:
    with (REGISTRY_ROOT / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
