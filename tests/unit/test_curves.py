"""Fronts against a brute-force oracle, splines against d3's published paths and SciPy, tables against scalars."""

import itertools
import json
import math
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline

from alems_pipeline.benchmarks import curve_tables
from alems_pipeline.benchmarks.bulk import map_benchmark_rows
from alems_pipeline.benchmarks.curves import (
    ORIENTATIONS,
    Direction,
    composite_key,
    cost_ranking,
    derived_metrics,
    hermite_interpolate,
    hw_key,
    interactivity_under_cost,
    interpolate_at,
    monotone_slopes,
    pareto_front,
)
from alems_pipeline.benchmarks.mapping import SkipTracker
from alems_pipeline.keys.registry import the_registry

ARTIFACTS = Path(__file__).parents[1] / "data" / "inferencex"
XY = dict[str, float]
DIRECTIONS: list[Direction] = sorted(ORIENTATIONS)
coordinate = st.integers(0, 12).map(lambda n: n / 4)  # few values: ties in x, in y and in both
clouds = st.lists(st.builds(lambda x, y: {"x": x, "y": y}, coordinate, coordinate), max_size=25)
seconds = settings(max_examples=200, deadline=None)


# Keys and derived metrics ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("b200", "trt", "mtp"), "b200_trt_mtp"),
        (("b200", "dynamo-sglang", "none"), "b200_dynamo-sglang"),
        (("h100", "vllm", "eagle"), "h100_vllm_eagle"),
        (("h100", "", "none"), "h100"),
    ],
)
def test_hw_key(parts: tuple[str, str, str], key: str) -> None:
    assert hw_key(*parts) == key
    assert pl.select(curve_tables.hw_key(*(pl.lit(part) for part in parts))).item() == key
    assert composite_key(key, "fp4") == f"{key}__fp4"
    assert pl.select(curve_tables.composite_key(pl.lit(key), pl.lit("fp4"))).item() == f"{key}__fp4"


POINT = {
    "tput_per_gpu": 1000.0, "output_tput_per_gpu": 500.0, "input_tput_per_gpu": None, "measured_power_per_gpu_w": 600.0,
}  # fmt: skip
B200 = the_registry().hardware_figures("b200")  # 1.71 kW; 1.73, 2.07 and 3.70 $/GPU-h


def test_derived_metrics_of_a_worked_point() -> None:
    derived = derived_metrics(POINT, B200)
    assert derived["total_tput_per_mw"] == pytest.approx(1000 / 1.71 * 1000)
    assert derived["cost_rental_total_usd_per_mtok"] == pytest.approx(3.7 / 3.6)  # 3.6 M tokens an hour
    assert derived["cost_hyperscaler_output_usd_per_mtok"] == pytest.approx(1.73 / 1.8)
    assert derived["cost_neocloud_total_usd_per_mtok"] == pytest.approx(2.07 / 3.6)
    assert derived["joules_per_total_token"] == pytest.approx(1.71)
    assert derived["measured_joules_per_output_token"] == pytest.approx(1.2)
    assert {name for name, value in derived.items() if value is None} == {name for name in derived if "input" in name}
    assert len(derived) == 3 * 6


@pytest.mark.parametrize("absent", [0, 0.0, None])
@pytest.mark.parametrize("field", ["tput_per_gpu", "power_kw", "cost_rental_usd_h", "measured_power_per_gpu_w"])
def test_a_zero_or_unknown_figure_gives_nothing_never_infinity(field: str, absent: float | None) -> None:
    point = POINT | {field: absent} if field in POINT else POINT
    figures = B200 | {field: absent} if field in B200 else B200
    derived = derived_metrics(point, figures)
    touched = {
        "tput_per_gpu": [name for name in derived if "total" in name],
        "power_kw": ["total_tput_per_mw", "output_tput_per_mw", "joules_per_total_token", "joules_per_output_token"],
        "cost_rental_usd_h": ["cost_rental_total_usd_per_mtok"] if absent is None else [],  # what costs nothing costs 0
        "measured_power_per_gpu_w": ["measured_joules_per_total_token", "measured_joules_per_output_token"],
    }[field]
    assert all(derived[name] is None for name in touched)
    assert all(value is None or math.isfinite(value) for value in derived.values())
    frame = pl.DataFrame([point | figures], schema=dict.fromkeys([*point, *figures], pl.Float64))
    assert frame.select(curve_tables.derived_metrics()).row(0, named=True) == pytest.approx(derived)


# Fronts ------------------------------------------------------------------------------------------------------------


def front_by_brute_force(points: list[XY], direction: Direction) -> list[XY]:
    """Every point against every other, straight from the definition."""
    x_sign, y_sign = ORIENTATIONS[direction]

    def beats(q: XY, p: XY) -> bool:
        dx, dy = x_sign * (q["x"] - p["x"]), y_sign * (q["y"] - p["y"])
        flat_tie_is_kept = direction == "upper_right" and dy == 0
        return dx >= 0 and dy >= 0 and (dx > 0 or dy > 0) and not flat_tie_is_kept

    kept = [p for i, p in enumerate(points) if not any(beats(q, p) for q in points) and p not in points[:i]]
    return sorted(kept, key=lambda p: p["x"])


@seconds
@given(points=clouds, direction=st.sampled_from(DIRECTIONS))
def test_a_front_is_what_no_other_point_beats(points: list[XY], direction: Direction) -> None:
    front = pareto_front(points, direction)
    assert front == front_by_brute_force(points, direction)
    assert all(any(kept is point for point in points) for kept in front)  # as they came
    frame = pl.DataFrame(points, schema={"x": pl.Float64, "y": pl.Float64}).with_columns(curve=pl.lit("a"))
    table = curve_tables.pareto_front(frame, ["curve"], "x", "y", direction)
    assert table.select("x", "y").to_dicts() == front


def test_worked_fronts() -> None:
    points = [
        {"x": x, "y": y, "name": name}
        for x, y, name in ((1, 5, "a"), (2, 5, "b"), (2, 3, "c"), (4, 1, "d"), (3, 1, "e"))
    ]
    names = {d: "".join(str(p["name"]) for p in pareto_front(points, d)) for d in DIRECTIONS}
    assert names == {"upper_left": "bd", "upper_right": "ab", "lower_left": "ace", "lower_right": "d"}


def test_points_without_coordinates_are_no_part_of_a_front() -> None:
    points: list[dict[str, object]] = [{"x": 1, "y": None}, {"x": math.nan, "y": 9}, {"y": 9}, {"x": 1, "y": 2}]
    assert pareto_front(points, "upper_left") == [{"x": 1, "y": 2}]
    assert pareto_front([], "lower_left") == []
    with pytest.raises(ValueError, match="'upper': unknown; take one of upper_left"):
        pareto_front(points, "upper")  # type: ignore[arg-type]


# Splines -----------------------------------------------------------------------------------------------------------

# Paths that d3-shape's own tests publish for curveMonotoneX: knots, and the y of each segment's two control points.
D3_PATHS = [
    ([(0, 1), (1, 3)], None),  # a line
    ([(0, 1), (1, 3), (2, 1)], [(2, 3), (3, 2)]),
    ([(0, 1), (1, 3), (2, 1), (3, 3)], [(2, 3), (3, 1), (1, 2)]),
    (
        [(0, 200), (100, 100), (200, 100), (300, 300), (400, 300)],
        [(150, 100), (100, 100), (100, 300), (300, 300)],
    ),
]


@pytest.mark.parametrize(("knots", "controls"), D3_PATHS)
def test_slopes_are_those_of_d3(knots: list[tuple[float, float]], controls: list[tuple[float, float]] | None) -> None:
    xs, ys = [x for x, _ in knots], [y for _, y in knots]
    slopes = monotone_slopes(xs, ys)
    if controls is None:
        assert slopes == [2, 2]
        return
    for i, (first, second) in enumerate(
        controls
    ):  # a Bézier's control points lie a third of the way along the tangents
        third = (xs[i + 1] - xs[i]) / 3
        assert ys[i] + slopes[i] * third == pytest.approx(first)
        assert ys[i + 1] - slopes[i + 1] * third == pytest.approx(second)


def test_slopes_worked_by_hand() -> None:
    # Secants 2, 1/2, 2; inside: 2 x min(2, 1/2, half of (2x2 + .5x1)/3 = 3/4) = 1, 2 x min(1/2, 2, half of 1) = 1.
    assert monotone_slopes([0, 1, 3, 4], [0, 2, 3, 5]) == pytest.approx([2.5, 1, 1, 2.5])
    assert monotone_slopes([1], [7]) == [0]
    assert monotone_slopes([], []) == []
    assert monotone_slopes([0, 1, 2], [5, 5, 9])[1] == 0  # a flat side: sign(0) is +1, its secant 0 decides
    with pytest.raises(ValueError, match="x must ascend strictly"):
        monotone_slopes([1, 1], [0, 1])


def test_outside_its_knots_a_spline_keeps_its_end_values() -> None:
    xs, ys = [10, 20], [5.0, 3.0]
    slopes = monotone_slopes(xs, ys)
    at = [hermite_interpolate(xs, ys, slopes, x) for x in (0, 10, 12.5, 15, 20, 99)]
    assert at == pytest.approx([5, 5, 4.5, 4, 3, 3])  # two points: the line between them
    assert hermite_interpolate([1], [4.0], [0], 1) == 4
    assert hermite_interpolate(xs, [-5.0, -3.0], slopes, 12) == 0  # never below 0


knot_lists = st.lists(
    st.tuples(st.floats(0.01, 1e3), st.floats(0, 1e5, allow_subnormal=False)), min_size=2, max_size=12,
    unique_by=lambda knot: round(knot[0], 2),
).map(sorted)  # fmt: skip


@seconds
@given(knots=knot_lists, where=st.floats(0, 1))
def test_a_spline_stays_between_the_knots_around_it(knots: list[tuple[float, float]], where: float) -> None:
    xs, ys = [x for x, _ in knots], [y for _, y in knots]
    slopes = monotone_slopes(xs, ys)
    for (x0, y0), (x1, y1) in itertools.pairwise(knots):
        value = hermite_interpolate(xs, ys, slopes, min(x1, x0 + where * (x1 - x0)))
        assert min(y0, y1) <= value <= max(y0, y1)


any_size = st.floats(0, allow_infinity=False)
any_knots = st.lists(st.tuples(any_size, any_size), min_size=2, max_size=6, unique_by=lambda knot: knot[0]).map(sorted)


@seconds
@given(knots=any_knots, where=st.floats(0, 1))
def test_a_spline_stays_between_its_knots_whatever_their_size(knots: list[tuple[float, float]], where: float) -> None:
    """Both forms, up to the ends of float64, where slopes overflow."""
    xs, ys = [x for x, _ in knots], [y for _, y in knots]
    slopes = monotone_slopes(xs, ys)
    for (x0, y0), (x1, y1) in itertools.pairwise(knots):
        value = hermite_interpolate(xs, ys, slopes, min(x1, x0 + where * (x1 - x0)))
        assert min(y0, y1) <= value <= max(y0, y1)
    points = pl.DataFrame({"curve": 1, "median_intvty": xs, "tput_per_gpu": [-x for x in xs], "m": ys})
    targets = [x0 + where * (x1 - x0) for x0, x1 in itertools.pairwise(xs)]
    table = curve_tables.interpolate_curves(points, ["curve"], ["m"], targets)
    assert table.height == len(set(targets))
    for x, value in table.select("median_intvty", "m").iter_rows():
        around = [(y0, y1) for (x0, y0), (x1, y1) in itertools.pairwise(knots) if x0 <= x <= x1]
        assert any(min(pair) <= value <= max(pair) for pair in around)


@seconds
@given(knots=knot_lists, where=st.floats(0, 1))
def test_a_spline_is_the_cubic_that_scipy_draws_through_those_slopes(
    knots: list[tuple[float, float]], where: float
) -> None:
    xs, ys = [x for x, _ in knots], [y for _, y in knots]
    slopes = monotone_slopes(xs, ys)
    x = xs[0] + where * (xs[-1] - xs[0])
    expected = float(CubicHermiteSpline(xs, ys, slopes)(x))
    assert hermite_interpolate(xs, ys, slopes, x) == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(ys))


@seconds
@given(knots=knot_lists)
def test_slopes_never_turn_against_their_segments(knots: list[tuple[float, float]]) -> None:
    """Monotone by the criterion of Fritsch and Carlson: each slope between 0 and 3 times the secant beside it."""
    assume(len(knots) > 2)
    slopes = monotone_slopes([x for x, _ in knots], [y for _, y in knots])
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(knots)):
        secant = (y1 - y0) / (x1 - x0)
        for slope in slopes[i : i + 2]:
            assert slope * secant >= 0
            assert abs(slope) <= 3 * abs(secant) * (1 + 1e-9)


# Interpolation and cost ----------------------------------------------------------------------------------------------


def curve(rate: float = 3.6, dice: random.Random | None = None) -> list[dict[str, object]]:
    """Points whose cost is rate / throughput; with dice, scattered ones, some of them beaten, some metrics missing."""
    if dice is None:
        shape = [(10.0, 1000.0, 256, 2.0), (20.0, 800.0, 128, 1.5), (40.0, 400.0, 32, 1.2), (80.0, 100.0, 4, 1.0)]
    else:
        shape = [
            (dice.uniform(1, 200), dice.uniform(50, 5000), dice.choice([1, 4, 16, 64]), dice.uniform(0.1, 9))
            for _ in range(dice.randint(1, 12))
        ]
    return [
        {
            "interactivity": x, "throughput": t, "concurrency": c, "e2el": None if dice and dice.random() < 0.3 else e,
            "output_throughput": t / 3, "cost": rate / t, "cost_output": 3 * rate / t, "image": "text",
        }
        for x, t, c, e in shape
    ]  # fmt: skip


def test_interpolation_at_a_knot_gives_the_knot() -> None:
    at = interpolate_at(curve(), 20)
    assert at == pytest.approx(
        {
            "interactivity": 20, "throughput": 800, "concurrency": 128, "e2el": 1.5, "output_throughput": 800 / 3,
            "cost": 3.6 / 800, "cost_output": 3 * 3.6 / 800,
        }
    )  # fmt: skip


@pytest.mark.parametrize("target", [0, 9.99, 80.01, 1e9])
def test_outside_the_front_nothing_is_known(target: float) -> None:
    assert interpolate_at(curve(), target) is None
    assert interpolate_at([], target) is None


def test_interpolation_is_on_the_front_only() -> None:
    beaten: list[dict[str, object]] = [
        {"interactivity": 15, "throughput": 1, "concurrency": 9, "e2el": 99.0, "cost": 3.6, "output_throughput": 1}
    ]
    assert interpolate_at(curve() + beaten, 15) == interpolate_at(curve(), 15)


@pytest.mark.parametrize("target", [11, 25, 33.3, 79])
def test_cost_and_throughput_agree_between_the_knots(target: float) -> None:
    at = interpolate_at(curve(), target)
    assert at is not None
    assert at["cost"] * at["throughput"] == pytest.approx(3.6)
    assert at["cost_output"] * at["output_throughput"] == pytest.approx(3.6)
    assert isinstance(at["concurrency"], int)


def test_a_cost_that_is_no_constant_over_throughput_is_splined_itself() -> None:
    points = [dict(point, cost=cost) for point, cost in zip(curve(), (1.0, 2.0, 3.0, 4.0), strict=True)]
    at = interpolate_at(points, 30)
    xs = [10, 20, 40, 80]
    assert at is not None
    assert at["cost"] == pytest.approx(hermite_interpolate(xs, [1, 2, 3, 4], monotone_slopes(xs, [1, 2, 3, 4]), 30))


def test_each_metric_is_splined_on_its_own_knots() -> None:
    points = [dict(point, e2el=e2el) for point, e2el in zip(curve(), (2.0, None, 1.0, None), strict=True)]
    middle, beyond = interpolate_at(points, 25), interpolate_at(points, 60)
    assert middle is not None
    assert beyond is not None
    assert middle["e2el"] == pytest.approx(1.5)  # the line between the two points that have it
    assert beyond["e2el"] is None


@pytest.mark.parametrize(("ends", "rounded"), [((2, 3), 3), ((3, 4), 4), ((1, 2), 2)])
def test_concurrency_is_rounded_half_up(ends: tuple[int, int], rounded: int) -> None:
    points = [
        {"interactivity": x, "throughput": t, "concurrency": c} for x, t, c in ((10, 9, ends[0]), (20, 8, ends[1]))
    ]
    at = interpolate_at(points, 15)
    assert at is not None
    assert at["concurrency"] == rounded


def test_cost_of_ownership_is_cheapest_first() -> None:
    ranking = cost_ranking({"a": curve(7.2), "b": curve(3.6), "short": curve()[:1], "c": curve(3.6)}, 40)
    assert [(row["hw_key"], row["ratio_to_best"]) for row in ranking] == [("b", 1), ("c", 1), ("a", 2)]
    assert ranking[2]["cost"] == pytest.approx(7.2 / 400)
    assert cost_ranking({}, 40) == []


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1.0, 80), (3.6 / 100, 80), (3.6 / 400, 40), (3.6 / 800, 20), (3.6 / 1000, 10), (3.6 / 1001, None)],
)
def test_the_inverse_at_the_knots(limit: float, expected: float | None) -> None:
    assert interactivity_under_cost(curve(), limit * (1 + 1e-12)) == pytest.approx(expected)


@seconds
@given(seed=st.integers(0, 10_000), position=st.floats(0.001, 0.999), cost=st.sampled_from(["cost", "cost_output"]))
def test_the_inverse_undoes_the_interpolation(seed: int, position: float, cost: str) -> None:
    points = curve(3.6, random.Random(seed))
    front = pareto_front([{"x": p["interactivity"], "y": p["throughput"]} for p in points], "upper_left")
    assume(len(front) > 1)
    target = front[0]["x"] + position * (front[-1]["x"] - front[0]["x"])
    at = interpolate_at(points, target)
    assert at is not None
    found = interactivity_under_cost(points, at[cost], cost)
    assert found is not None
    assert found >= target * (1 - 1e-9)
    check = interpolate_at(points, found)
    assert check is not None
    assert check[cost] <= at[cost] * (1 + 1e-9)


# Tables --------------------------------------------------------------------------------------------------------------


def test_tables_of_curves_say_what_the_scalar_form_says() -> None:
    dice = random.Random(11)
    curves = {(f"gpu{i % 7}", f"2026-06-{1 + i // 7:02}"): curve(3.6, dice) for i in range(60)}
    by = ["hw_key", "date"]
    points = pl.DataFrame([dict(zip(by, key, strict=True)) | p for key, ps in curves.items() for p in ps])
    names = {"interactivity": "interactivity", "throughput": "throughput"}
    metrics = ["throughput", "output_throughput", "concurrency", "e2el"]
    targets = range(10, 210, 10)
    table = curve_tables.interpolate_curves(points, by, metrics, targets, **names)
    expected = []
    for key, ps in sorted(curves.items()):
        for target in targets:
            at = interpolate_at(ps, target)
            if at is not None:
                expected.append((*key, float(target), *(at[m] for m in metrics)))
    assert len(expected) > 200
    got = table.with_columns((pl.col("concurrency") + 0.5).floor()).rows()
    assert [row[:3] for row in got] == [row[:3] for row in expected]
    for ours, theirs in zip(got, expected, strict=True):
        assert [value is None for value in ours] == [value is None for value in theirs]
        known = [value is not None for value in ours]
        assert list(itertools.compress(ours, known))[2:] == pytest.approx(list(itertools.compress(theirs, known))[2:])

    limits = (0.0005, 0.001, 0.002, 0.004)
    inverse = curve_tables.interactivities_under_costs(points, by, "cost", limits, **names)
    alone = [(*k, limit, interactivity_under_cost(ps, limit)) for k, ps in sorted(curves.items()) for limit in limits]
    expected = [row for row in alone if row[-1] is not None]
    assert 20 < len(expected) < len(alone)
    for ours, theirs in zip(inverse.iter_rows(), expected, strict=True):
        assert ours[:3] == theirs[:3]
        assert ours[3] == pytest.approx(theirs[3], rel=1e-9)
        assert ours[5] <= theirs[2] * (1 + 1e-9)  # the cost there is within the limit


def test_tables_without_points() -> None:
    schema = {"hw_key": pl.String, "median_intvty": pl.Float64, "tput_per_gpu": pl.Float64, "median_e2el": pl.Float64}
    none = pl.DataFrame(schema=schema)
    table = curve_tables.interpolate_curves(none, ["hw_key"], ["median_e2el"], [10, 20])
    assert table.columns == ["hw_key", "median_intvty", "tput_per_gpu", "median_e2el"]
    assert table.is_empty()
    assert curve_tables.pareto_front(none, ["hw_key"], "median_intvty", "tput_per_gpu", "upper_left").is_empty()


def test_real_measured_rows_give_a_curve() -> None:
    rows = [row["data"] for row in json.loads((ARTIFACTS / "together_baselines_real.json").read_text())["rows"]]
    mapped = map_benchmark_rows(pl.DataFrame({"raw": [json.dumps(row) for row in rows[:4]]}), SkipTracker())
    figures = {name: pl.lit(value) for name, value in B200.items()}
    points = mapped.with_columns(**figures).with_columns(
        curve_tables.hw_key(pl.col("hardware"), pl.col("framework"), pl.col("spec_method")).alias("hw_key")
    )
    front = curve_tables.pareto_front(points, ["hw_key"], "median_intvty", "tput_per_gpu", "upper_left")
    assert front["conc"].to_list() == [256, 128, 64, 16]
    table = curve_tables.interpolate_curves(
        points.with_columns(curve_tables.derived_metrics()),
        ["hw_key"],
        ["measured_joules_per_total_token"],
        range(10, 100, 10),
    )
    # 28.3 tok/s/user with 256 users, 75.2 with 16
    assert table["median_intvty"].to_list() == [30, 40, 50, 60, 70]
    # At 40 between 256 users (4369.4 W for 13490.3 tok/s) and 128 (40.8 tok/s/user; 4461.8 W for 9669.8 tok/s).
    assert 4369.4 / 13490.3 < table["measured_joules_per_total_token"][1] < 4461.8 / 9669.8
