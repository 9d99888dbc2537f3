"""Curves by the thousand: the functions of `curves.py` for tables of points, without a Python loop over rows."""

from collections.abc import Sequence

import polars as pl

from alems_pipeline.benchmarks.curves import COST_BASES, HALVINGS, ORIENTATIONS, THROUGHPUTS, Direction

_METRIC, _FIRST, _LAST = "metric of spline", "first of curve", "last of curve"


def hw_key(hardware: pl.Expr, framework: pl.Expr, spec_method: pl.Expr) -> pl.Expr:
    """`curves.hw_key`."""
    speculation = pl.when(spec_method != "none").then(spec_method)
    named = [pl.when(part != "").then(part) for part in (hardware, framework, speculation)]
    return pl.concat_str(named, separator="_", ignore_nulls=True)


def composite_key(hardware_key: pl.Expr, precision: pl.Expr) -> pl.Expr:
    """`curves.composite_key`."""
    return pl.concat_str(hardware_key, precision, separator="__")


def derived_metrics() -> list[pl.Expr]:
    """`curves.derived_metrics` as named expressions over columns called like its point's and figures' fields."""
    watts = 1000 * pl.col("power_kw")
    measured = pl.col("measured_power_per_gpu_w")
    expressions = []
    for kind, name in THROUGHPUTS.items():
        throughput = pl.col(name)
        expressions += [
            _finite(1e6 * _over(pl.when(throughput != 0).then(throughput), watts)).alias(f"{kind}_tput_per_mw"),
            *(
                _finite(1e6 / 3600 * _over(pl.col(f"cost_{basis}_usd_h"), throughput)).alias(
                    f"cost_{basis}_{kind}_usd_per_mtok"
                )
                for basis in COST_BASES
            ),
            pl.when(watts != 0).then(_over(watts, throughput)).alias(f"joules_per_{kind}_token"),
            pl.when(measured != 0).then(_over(measured, throughput)).alias(f"measured_joules_per_{kind}_token"),
        ]
    return expressions


def pareto_front(points: pl.DataFrame, by: Sequence[str], x: str, y: str, direction: Direction) -> pl.DataFrame:
    """The rows on the front of each curve (`by`), in order of the curve and x; all columns as they came."""
    x_sign, y_sign = ORIENTATIONS[direction]
    best_first = points.filter(pl.col(x).is_finite() & pl.col(y).is_finite()).sort(
        *by, x, y, descending=[*[False] * len(by), x_sign > 0, y_sign > 0], maintain_order=True
    )
    best_first = best_first.unique([*by, x, y], keep="first", maintain_order=True)
    value = y_sign * pl.col(y)
    best_before = value.cum_max().shift(1).over(by)
    beats = value > best_before
    if direction == "upper_right":
        beats |= value == best_before
    front = best_first.filter(best_before.is_null() | beats)
    return front.sort(*by, x, maintain_order=True)


def interpolate_curves(
    points: pl.DataFrame,
    by: Sequence[str],
    metrics: Sequence[str],
    targets: Sequence[float],
    *,
    interactivity: str = "median_intvty",
    throughput: str = "tput_per_gpu",
) -> pl.DataFrame:
    """Each curve's metrics at the interactivities that lie within its front: columns `by`, interactivity, `metrics`.

    `metrics` are splined on their own knots and null outside them. Leave out what is a constant over a throughput, as
    cost and provisioned J/token: derive it from the result (`derived_metrics`), so that it agrees with the throughput.
    """
    front = pareto_front(points, by, interactivity, throughput, "upper_left")
    columns = list(dict.fromkeys([throughput, *metrics]))
    curve = [*by, _METRIC]
    knots = _knots(front, by, columns, interactivity)
    splined = _at_targets(knots, sorted(set(map(float, targets))))
    values = splined.select(*curve, "target", _hermite().alias("value"))
    if values.is_empty():
        return front.select(
            *by, pl.col(interactivity).cast(pl.Float64), *(pl.col(m).cast(pl.Float64) for m in columns)
        ).clear()
    wide = values.pivot(_METRIC, index=[*by, "target"], values="value").rename({"target": interactivity})
    missing = [pl.lit(None, pl.Float64).alias(m) for m in columns if m not in wide.columns]
    return (
        wide.with_columns(missing)
        .filter(pl.col(throughput).is_not_null())
        .select(*by, interactivity, *columns)
        .sort(*by, interactivity)
    )


def interactivities_under_costs(
    points: pl.DataFrame,
    by: Sequence[str],
    cost: str,
    cost_limits: Sequence[float],
    *,
    interactivity: str = "median_intvty",
    throughput: str = "tput_per_gpu",
) -> pl.DataFrame:
    """The highest interactivity of each curve at which the cost (a constant over `throughput`) is within each limit.

    Columns `by`, cost_limit, interactivity, throughput and cost; a curve that never is within a limit has no row.
    """
    front = pareto_front(points, by, interactivity, throughput, "upper_left")
    knots = _knots(front, by, [throughput], interactivity)
    rates = (
        front.filter(pl.col(cost) > 0)
        .group_by(by, maintain_order=True)
        .agg((pl.col(cost) * pl.col(throughput)).first().alias("rate"))
    )
    limits = pl.DataFrame({"cost_limit": [float(limit) for limit in cost_limits]}, schema={"cost_limit": pl.Float64})
    # Throughput falls along the front: cost is within the limit up to where it falls below `need`, which lies after the
    # last knot that has as much.
    found = (
        knots.join(rates, on=list(by), how="inner")
        .join(limits, how="cross")
        .with_columns((pl.col("rate") / pl.col("cost_limit")).alias("need"))
        .filter((pl.col("y") >= pl.col("need")) & ~(pl.col("y next") >= pl.col("need")).fill_null(False))
        .with_columns(
            pl.col("x").alias("left"), pl.coalesce(pl.when(pl.col("y next") > 0).then("x next"), "x").alias("right")
        )
    )
    for _ in range(HALVINGS):
        found = found.with_columns(((pl.col("left") + pl.col("right")) / 2).alias("target"))
        is_within = _hermite() >= pl.col("need")
        found = found.with_columns(
            pl.when(is_within).then("target").otherwise("left").alias("left"),
            pl.when(is_within).then("right").otherwise("target").alias("right"),
        )
    at = found.with_columns(pl.col("left").alias("target"), pl.col("left").alias(interactivity))
    at = at.with_columns(pl.coalesce(_hermite(), "y").alias(throughput))
    return at.select(
        *by, "cost_limit", interactivity, throughput, (pl.col("rate") / pl.col(throughput)).alias(cost)
    ).sort(*by, "cost_limit")


def _knots(front: pl.DataFrame, by: Sequence[str], metrics: Sequence[str], interactivity: str) -> pl.DataFrame:
    """The points of each curve's spline of each metric, with slopes, and beside them the next point's."""
    curve = [*by, _METRIC]
    values = [pl.col(metric).cast(pl.Float64) for metric in metrics]
    sorted_knots = (
        front.select(*by, pl.col(interactivity).cast(pl.Float64).alias("x"), *values)
        .unpivot(metrics, index=[*by, "x"], variable_name=_METRIC, value_name="y")
        .filter(pl.col("y").is_finite())
        .sort(*curve, "x")
    )
    # Rows of one curve stand together, so that a neighbour is the row before or after: windows over a hundred thousand
    # curves would take a hundred times as long.
    changes = pl.struct(curve).rle_id()
    marked = sorted_knots.with_columns(
        (changes != changes.shift()).fill_null(True).alias(_FIRST),
        (changes != changes.shift(-1)).fill_null(True).alias(_LAST),
    )
    return (
        marked.with_columns(_next("x"), _next("y"))
        .with_columns((pl.col("x next") - pl.col("x")).alias("width"))
        .with_columns(((pl.col("y next") - pl.col("y")) / pl.col("width")).alias("secant"))
        .with_columns(_previous("width"), _previous("secant"))
        .with_columns(_inner_slope().alias("inner"))
        .with_columns(_slope().alias("m"))
        .with_columns(_next("m"))
    )


def _at_targets(knots: pl.DataFrame, targets: Sequence[float]) -> pl.DataFrame:
    """Each knot with the targets from it up to the next one; the last knot of a curve with a target that equals it."""
    wanted = pl.Series("target", targets, pl.Float64)
    here = pl.Series(wanted.search_sorted(knots["x"], side="left"))
    after_here = pl.Series(wanted.search_sorted(knots["x"], side="right"))
    there = pl.Series(wanted.search_sorted(knots["x next"].fill_null(0.0), side="left"))
    end = pl.select(pl.when(knots[_LAST]).then(after_here).otherwise(there)).to_series()
    held = knots.with_columns(here.alias("from"), end.alias("to")).filter(pl.col("to") > pl.col("from"))
    each = held.with_columns(pl.int_ranges("from", "to").alias("place")).explode("place")
    return each.with_columns(wanted.gather(each["place"]).alias("target"))


def _next(name: str) -> pl.Expr:
    return pl.when(~pl.col(_LAST)).then(pl.col(name).shift(-1)).alias(f"{name} next")


def _previous(name: str) -> pl.Expr:
    return pl.when(~pl.col(_FIRST)).then(pl.col(name).shift(1)).alias(f"{name} previous")


def _inner_slope() -> pl.Expr:
    """`curves.monotone_slopes` between two others, of the knot in each row."""
    s0, h0 = pl.col("secant previous"), pl.col("width previous")
    s1, h1 = pl.col("secant"), pl.col("width")
    p = (s0 * h1 + s1 * h0) / (h0 + h1)
    return (_sign(s0) + _sign(s1)) * pl.min_horizontal(s0.abs(), s1.abs(), p.abs() / 2)


def _slope() -> pl.Expr:
    """`curves.monotone_slopes`, of the knot in each row."""
    first, last = pl.col(_FIRST), pl.col(_LAST)
    s0, s1, inner = pl.col("secant previous"), pl.col("secant"), pl.col("inner")
    of_two = (first & last.shift(-1).fill_null(False)) | (last & first.shift(1).fill_null(False))
    return (
        pl.when(first & last)
        .then(0.0)
        .when(of_two)
        .then(pl.coalesce(s1, s0))
        .when(first)
        .then((3 * s1 - inner.shift(-1)) / 2)
        .when(last)
        .then((3 * s0 - inner.shift(1)) / 2)
        .otherwise(inner)
    )


def _hermite() -> pl.Expr:
    """`curves.hermite_interpolate` at `target`, between the knot in each row and the next one."""
    y0, y1, width = pl.col("y"), pl.col("y next"), pl.col("x next") - pl.col("x")
    t = (pl.col("target") - pl.col("x")) / width
    value = (
        (2 * t**3 - 3 * t**2 + 1) * y0
        + (t**3 - 2 * t**2 + t) * width * pl.col("m")
        + (3 * t**2 - 2 * t**3) * y1
        + (t**3 - t**2) * width * pl.col("m next")
    )
    between = pl.max_horizontal(pl.min_horizontal(value, pl.max_horizontal(y0, y1)), pl.min_horizontal(y0, y1))
    return pl.max_horizontal(pl.when(pl.col("target") == pl.col("x")).then(y0).otherwise(between), 0.0)


def _sign(value: pl.Expr) -> pl.Expr:
    return pl.when(value < 0).then(-1).when(value >= 0).then(1)


def _over(value: pl.Expr, divisor: pl.Expr) -> pl.Expr:
    return _finite(pl.when(divisor != 0).then(value / divisor))


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)
