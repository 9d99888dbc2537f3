"""Throughput against interactivity: derived metrics, Pareto fronts, monotone interpolation, cost of ownership.

A curve is the points of one composite key (GPU type, framework, speculation, precision) in one run. The forms for
tables of many curves stand in `curve_tables.py`; a test holds the two together.
"""

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from alems_pipeline.keys.values import round_half_up

Direction = Literal["upper_left", "upper_right", "lower_left", "lower_right"]
Point = Mapping[str, Any]

# direction -> (sign of x, sign of y) that make it "both as great as possible"
ORIENTATIONS: Final[Mapping[Direction, tuple[int, int]]] = {
    "upper_left": (1, 1),
    "upper_right": (-1, 1),
    "lower_left": (-1, -1),
    "lower_right": (1, -1),
}
COST_BASES: Final = ("hyperscaler", "neocloud", "rental")
THROUGHPUTS: Final = {
    "total": "tput_per_gpu",
    "output": "output_tput_per_gpu",
    "input": "input_tput_per_gpu",
}
# Metrics that are a constant of the curve over a throughput; the others are splined themselves.
RECIPROCAL_PREFIXES: Final = ("cost", "joules_per")
RATE_TOLERANCE: Final = 1e-3
HALVINGS: Final = 60  # halvings: more than a float64 has bits between two knots


def hw_key(hardware: str, framework: str, spec_method: str) -> str:
    """The name of a curve's hardware: GPU type, framework and speculation, e.g. b200_trt_mtp."""
    parts = [hardware, framework, spec_method if spec_method != "none" else ""]
    return "_".join(part for part in parts if part)


def composite_key(hardware_key: str, precision: str) -> str:
    """hw_key and precision: fp4 and fp8 points of one GPU never share a front. `__` occurs in neither."""
    return f"{hardware_key}__{precision}"


def derived_metrics(point: Point, figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """Throughput per MW, cost per million tokens and energy per token of a point; None where a figure is 0 or unknown.

    `point` has tput_per_gpu, output_tput_per_gpu, input_tput_per_gpu (tok/s/GPU) and measured_power_per_gpu_w (W),
    `figures` power_kw (provisioned, per GPU) and cost_<basis>_usd_h ($/GPU-h), as Registry.hardware_figures gives them.
    """
    watts = _times(1000, figures.get("power_kw"))
    derived: dict[str, float | None] = {}
    for kind, name in THROUGHPUTS.items():
        throughput = point.get(name)
        derived[f"{kind}_tput_per_mw"] = _times(1e6, _over(throughput or None, watts))
        for basis in COST_BASES:
            cost = figures.get(f"cost_{basis}_usd_h")
            derived[f"cost_{basis}_{kind}_usd_per_mtok"] = _times(1e6 / 3600, _over(cost, throughput))
        derived[f"joules_per_{kind}_token"] = _over(watts or None, throughput)
        derived[f"measured_joules_per_{kind}_token"] = _over(point.get("measured_power_per_gpu_w") or None, throughput)
    return derived


def pareto_front(points: Sequence[Point], direction: Direction) -> list[Point]:
    """The points that no other one beats, in order of x; each is returned as it came.

    upper_left: max x and max y; upper_right: min x, max y; lower_left: min x, min y; lower_right: max x, min y. Of
    equal points the first stays. upper_right keeps flat ties: equal y at a larger x. Points whose x or y is missing
    are left out. Raises ValueError on another direction.
    """
    if direction not in ORIENTATIONS:
        raise ValueError(f"direction {direction!r}: unknown; take one of {', '.join(ORIENTATIONS)}")
    x_sign, y_sign = ORIENTATIONS[direction]
    known = [point for point in points if _is_known(point.get("x")) and _is_known(point.get("y"))]
    best_first = sorted(known, key=lambda point: (-x_sign * point["x"], -y_sign * point["y"]))
    front: list[Point] = []
    for point in best_first:
        last = front[-1] if front else None
        is_better = last is None or y_sign * point["y"] > y_sign * last["y"]
        is_flat_tie = last is not None and point["y"] == last["y"] and point["x"] > last["x"]
        if is_better or (is_flat_tie and direction == "upper_right"):
            front.append(point)
    return front if x_sign < 0 else front[::-1]


def monotone_slopes(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """Slopes at the knots of a monotone cubic spline (Steffen), as d3.curveMonotoneX; xs strictly ascending."""
    if any(b <= a for a, b in itertools.pairwise(xs)):
        raise ValueError(f"knots {list(xs)}: x must ascend strictly; keep one point of each x")
    if len(xs) < 2:
        return [0.0] * len(xs)
    widths = [b - a for a, b in itertools.pairwise(xs)]
    secants = [(b - a) / width for (a, b), width in zip(itertools.pairwise(ys), widths, strict=True)]
    if len(xs) == 2:
        return secants * 2
    pairs = zip(itertools.pairwise(secants), itertools.pairwise(widths), strict=True)
    inner = [_inner_slope(s0, s1, h0, h1) for (s0, s1), (h0, h1) in pairs]
    return [(3 * secants[0] - inner[0]) / 2, *inner, (3 * secants[-1] - inner[-1]) / 2]


def hermite_interpolate(xs: Sequence[float], ys: Sequence[float], slopes: Sequence[float], x: float) -> float:
    """The spline at x, within the range of the two knots around it and never below 0; outside, the end's value."""
    if x <= xs[0]:
        return max(0.0, ys[0])
    if x >= xs[-1]:
        return max(0.0, ys[-1])
    i = bisect.bisect_right(xs, x) - 1
    width = xs[i + 1] - xs[i]
    t = (x - xs[i]) / width
    value = (
        (2 * t**3 - 3 * t**2 + 1) * ys[i]
        + (t**3 - 2 * t**2 + t) * width * slopes[i]
        + (3 * t**2 - 2 * t**3) * ys[i + 1]
        + (t**3 - t**2) * width * slopes[i + 1]
    )
    # Steffen's slopes cannot leave this range; rounding can, by a last digit.
    return max(0.0, min(ys[i], ys[i + 1]), min(value, max(ys[i], ys[i + 1])))


def interpolate_at(points: Sequence[Point], target_interactivity: float) -> dict[str, Any] | None:
    """All metrics of a curve at an interactivity (tok/s/user); None outside the range of its upper_left front.

    Points have `interactivity`, `throughput` (tok/s/GPU), and any further metrics. Each metric is splined over the
    front's points that have it, and is None outside their range. A metric that starts with `cost` or `joules_per` is
    its rate over the interpolated throughput (`output_throughput`, `input_throughput` where its name says so), so that
    the two agree. `concurrency` is rounded half up.
    """
    curve = _Curve(points)
    if curve.at("throughput", target_interactivity) is None:
        return None
    at = {name: curve.at(name, target_interactivity) for name in curve.metric_names()}
    concurrency = at.get("concurrency")
    rounded = {} if concurrency is None else {"concurrency": round_half_up(concurrency)}
    return {"interactivity": target_interactivity, **at, **rounded}


def cost_ranking(
    curves: Mapping[str, Sequence[Point]], target_interactivity: float, cost: str = "cost"
) -> list[dict[str, Any]]:
    """What each curve costs at an interactivity, cheapest first, with its ratio to the best (`ratio_to_best`).

    Curves that do not reach the interactivity, or whose cost is unknown, are left out.
    """
    found = ((key, interpolate_at(points, target_interactivity)) for key, points in curves.items())
    known = [{"hw_key": key, **at} for key, at in found if at is not None and at.get(cost) is not None]
    ranked = sorted(known, key=lambda at: (at[cost], at["hw_key"]))
    return [at | {"ratio_to_best": _over(at[cost], ranked[0][cost])} for at in ranked]


def interactivity_under_cost(points: Sequence[Point], cost_limit: float, cost: str = "cost") -> float | None:
    """The highest interactivity (tok/s/user) at which the cost stays within the limit; None where it never does."""
    curve = _Curve(points)
    knots = curve.knots(cost)

    def affordable(x: float) -> bool:
        value = curve.at(cost, x)
        return value is not None and value <= cost_limit

    if knots and affordable(knots[-1]):
        return knots[-1]
    # Between two knots the cost is monotone: the last affordable left knot brackets the crossing.
    for left, right in reversed(list(itertools.pairwise(knots))):
        if affordable(left):
            for _ in range(HALVINGS):
                middle = (left + right) / 2
                left, right = (middle, right) if affordable(middle) else (left, middle)
            return left
    return None


class _Spline:
    """One metric over interactivity, on the points that have it."""

    def __init__(self, front: Sequence[Point], name: str) -> None:
        known = [point for point in front if _is_known(point.get(name))]
        self.xs = [float(point["interactivity"]) for point in known]
        self.ys = [float(point[name]) for point in known]
        self.slopes = monotone_slopes(self.xs, self.ys)

    def at(self, x: float) -> float | None:
        if not self.xs or not self.xs[0] <= x <= self.xs[-1]:
            return None
        return hermite_interpolate(self.xs, self.ys, self.slopes, x)


class _Curve:
    """The upper_left front of (interactivity, throughput), and splines of its metrics, each made when asked for."""

    def __init__(self, points: Sequence[Point]) -> None:
        oriented = [{"x": p.get("interactivity"), "y": p.get("throughput"), "point": p} for p in points]
        self.front: list[Point] = [kept["point"] for kept in pareto_front(oriented, "upper_left")]
        self._splines: dict[str, _Spline] = {}

    def metric_names(self) -> list[str]:
        """Names whose values are all numbers or missing."""
        names = dict.fromkeys(name for point in self.front for name in point if name != "interactivity")
        return [n for n in names if all(p.get(n) is None or _is_number(p[n]) for p in self.front)]

    def at(self, name: str, x: float) -> float | None:
        """The metric at x: its rate over the throughput where it is one, else its own spline."""
        value = self._spline(name).at(x)
        rate = self._rate(name)
        return value if value is None or rate is None else _over(rate, self._spline(_throughput_of(name)).at(x))

    def knots(self, name: str) -> list[float]:
        """Where the metric may turn: its own knots, and those of the throughput that it divides by."""
        own = self._spline(name).xs
        others = self._spline(_throughput_of(name)).xs if own and self._rate(name) is not None else []
        return sorted({*own, *(x for x in others if own[0] < x < own[-1])})

    def _spline(self, name: str) -> _Spline:
        if name not in self._splines:
            self._splines[name] = _Spline(self.front, name)
        return self._splines[name]

    def _rate(self, name: str) -> float | None:
        """metric x throughput, where the metric is a reciprocal one and this is the same all along the curve."""
        if not name.startswith(RECIPROCAL_PREFIXES):
            return None
        other = _throughput_of(name)
        rates: list[float] = [
            p[name] * p[other] for p in self.front if _is_known(p.get(name)) and _is_known(p.get(other))
        ]
        if not rates or max(rates) - min(rates) > RATE_TOLERANCE * abs(rates[0]):
            return None
        return rates[0]


def _throughput_of(name: str) -> str:
    return next((f"{kind}_throughput" for kind in ("output", "input") if kind in name), "throughput")


def _inner_slope(s0: float, s1: float, h0: float, h1: float) -> float:
    p = (s0 * h1 + s1 * h0) / (h0 + h1)
    return (_sign(s0) + _sign(s1)) * min(abs(s0), abs(s1), abs(p) / 2)


def _sign(value: float) -> int:
    return -1 if value < 0 else 1


def _over(value: float | None, divisor: float | None) -> float | None:
    return None if value is None or not divisor else _finite(value / divisor)


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None else _finite(factor * value)


def _finite(value: float) -> float | None:
    """The value; None where it is beyond float64."""
    return value if math.isfinite(value) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_known(value: object) -> bool:
    return _is_number(value) and math.isfinite(value)  # type: ignore[arg-type]
