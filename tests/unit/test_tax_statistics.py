"""Statistics of the tax, held to scipy on its own, to worked values, and to what must not change them."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alems_pipeline.tax_statistics import (
    N_RESAMPLES,
    PAIR_SCHEMA,
    RESULT_SCHEMA,
    SEED,
    detectable_effect,
    holm,
    tax_statistics,
)
from tests.unit.sql_fixture import example_rows

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
Pair = dict[str, Any]


def pair(number: int, task: str | None, linear_j: float | None, agentic_j: float | None, **values: Any) -> Pair:
    """A pair of runs of 1 s and 3 s on one baseline; u(idle power) is 0.1 W."""
    return {
        "comparison_id": number,
        "exp_id": 1,
        "task_name": task,
        "model_key": "m",
        "provider": "p",
        "hw_id": 1,
        "energy_source": "rapl",
        "is_estimated": False,
        "linear_j": linear_j,
        "agentic_j": agentic_j,
        "linear_s": 1.0,
        "agentic_s": 3.0,
        "linear_baseline_id": "idle",
        "agentic_baseline_id": "idle",
        "linear_u_idle_w": 0.1,
        "agentic_u_idle_w": 0.1,
        "linear_successes": None,
        "agentic_successes": None,
        "exclusion_reason": None,
        "is_valid": True,
    } | values


def statistics(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    return tax_statistics(pl.DataFrame(pairs, schema=PAIR_SCHEMA, orient="row"), MOMENT).to_dicts()


def of_all(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The only row of scope 'all'."""
    [row] = [row for row in statistics(pairs) if row["scope"] == "all"]
    return row


def tasks_of(n: int, repetitions: int = 3, seed: int = 1) -> list[Pair]:
    """Pairs of n tasks whose true ratio is 1.6, with scatter between and within tasks."""
    rng = np.random.default_rng(seed)
    pairs = []
    for task in range(n):
        level, ratio = rng.uniform(5, 50), 1.6 * np.exp(rng.normal(0, 0.3))
        for _ in range(repetitions):
            linear = float(level * np.exp(rng.normal(0, 0.05)))
            pairs.append(
                pair(len(pairs), f"task {task:02}", linear, float(linear * ratio * np.exp(rng.normal(0, 0.1))))
            )
    return pairs


def log_ratios(pairs: Sequence[Pair]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean log ratio per task, computed apart."""
    tasks = sorted({p["task_name"] for p in pairs})
    return np.array(
        [np.mean([math.log(p["agentic_j"] / p["linear_j"]) for p in pairs if p["task_name"] == t]) for t in tasks]
    )


def test_a_single_pair_by_hand() -> None:
    row = of_all([pair(1, "t", 1.2043, 2.5945)])  # of the specification
    assert row["ratio_geo"] == row["ratio_of_totals"] == row["ratio_mean_diag"] == pytest.approx(2.154364, abs=5e-7)
    assert row["tax_share_of_agentic"] == pytest.approx(53.582579, abs=5e-7)
    assert row["tax_pct_of_linear"] == pytest.approx(115.4364, abs=5e-5)
    assert row["diff_mean_j"] == row["diff_hl_j"] == pytest.approx(1.3902)
    assert (row["n_pairs"], row["n_tasks"], row["quality_flag"]) == (1, 1, "descriptive")
    for name in (
        "diff_sd_j",
        "diff_ci_lo_j",
        "ratio_geo_ci_lo",
        "rot_ci_lo",
        "t_stat",
        "p_t_log",
        "p_perm",
        "mde_ratio_80",
    ):
        assert row[name] is None


def test_energy_per_success_charges_failed_queries_to_those_that_succeeded() -> None:
    """Agents that fail half of the time are cheap by run (1.5 times) and dear by answer (3 times)."""
    known = [pair(n, f"t{n}", 2.0, 3.0, linear_successes=1, agentic_successes=n % 2) for n in range(4)]
    unknown = pair(4, "t4", 100.0, 100.0, linear_successes=1)
    row = of_all([*known, unknown])
    assert (row["n_pairs"], row["n_success_known"]) == (5, 4)
    assert (row["linear_per_success_j"], row["agentic_per_success_j"]) == (2.0, 6.0)
    assert row["ratio_per_success"] == 3.0
    none = of_all([pair(1, "t", 2.0, 3.0, linear_successes=0, agentic_successes=0), pair(2, "t", 2.0, 3.0)])
    assert none["n_success_known"] == 1
    assert none["linear_per_success_j"] is none["ratio_per_success"] is None


def test_repetitions_of_one_task_are_one_observation() -> None:
    """A hundred repeats of five tasks say nothing more of other tasks than five tasks do."""
    row = of_all(tasks_of(5, repetitions=20))
    assert (row["n_pairs"], row["n_tasks"], row["quality_flag"]) == (100, 5, "descriptive")
    assert row["p_t_log"] is row["ratio_geo_ci_lo"] is row["p_perm"] is row["p_holm"] is None
    assert row["mde_ratio_80"] > 1


@pytest.mark.parametrize("n", [6, 9, 10, 14])
def test_figures_are_those_of_scipy(n: int) -> None:
    pairs = tasks_of(n)
    row, ratios = of_all(pairs), log_ratios(pairs)
    tested = stats.ttest_1samp(ratios, 0)
    low, high = tested.confidence_interval(0.95)
    assert row["ratio_geo"] == pytest.approx(stats.gmean(np.exp(ratios)))
    assert (row["t_stat"], row["p_t_log"]) == pytest.approx((tested.statistic, tested.pvalue))
    assert (row["ratio_geo_ci_lo"], row["ratio_geo_ci_hi"]) == pytest.approx((math.exp(low), math.exp(high)))
    assert row["log_ratio_sd"] == pytest.approx(stats.tstd(ratios))
    assert row["mde_ratio_80"] == pytest.approx(math.exp(detectable_effect(n) * stats.tstd(ratios)))
    assert row["p_superiority"] == pytest.approx(np.mean(ratios > 0))
    flips = stats.permutation_test(
        (ratios,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=N_RESAMPLES, rng=np.random.default_rng(SEED),
    )  # fmt: skip
    assert row["p_perm"] == pytest.approx(flips.pvalue)
    if n < 10:
        assert row["quality_flag"] == "few_tasks"
        assert row["p_wilcoxon"] is row["rot_ci_lo"] is row["rot_ci_hi"] is None
        return
    assert row["quality_flag"] == "full"
    signed = stats.wilcoxon(ratios, method="exact")
    assert (row["wilcoxon_w"], row["p_wilcoxon"]) == pytest.approx((signed.statistic, signed.pvalue))
    totals = [
        np.array(
            [sum(p[f"{kind}_j"] for p in pairs if p["task_name"] == t) for t in sorted({p["task_name"] for p in pairs})]
        )
        for kind in ("agentic", "linear")
    ]
    resampled = stats.bootstrap(
        totals, lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis), paired=True, vectorized=True,
        n_resamples=N_RESAMPLES, rng=np.random.default_rng(SEED),
    )  # fmt: skip
    assert (row["rot_ci_lo"], row["rot_ci_hi"]) == pytest.approx(tuple(resampled.confidence_interval))
    assert row["rot_ci_lo"] < row["ratio_of_totals"] < row["rot_ci_hi"]


def test_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    held = 0
    for seed in range(100):
        row = of_all(tasks_of(8, repetitions=2, seed=seed))
        held += row["ratio_geo_ci_lo"] <= 1.6 <= row["ratio_geo_ci_hi"]
    assert 88 <= held <= 100


def test_all_signs_of_six_tasks_are_tried() -> None:
    row = of_all([pair(n, f"t{n}", 1.0, 2.0 + n / 10) for n in range(6)])
    assert row["p_perm"] == pytest.approx(2 / 2**6)


def test_spread_between_and_within_tasks_is_told_apart() -> None:
    pairs = tasks_of(200, repetitions=4)
    row = of_all(pairs)
    assert row["within_task_sd"] == pytest.approx(0.1, rel=0.1)
    assert row["between_task_sd"] == pytest.approx(0.3, rel=0.1)
    assert of_all(tasks_of(8, repetitions=1))["within_task_sd"] is None


def test_hedges_gz_is_cohens_with_the_tabled_correction() -> None:
    row = of_all(tasks_of(5))
    cohens = math.log(row["ratio_geo"]) / row["log_ratio_sd"]
    assert row["hedges_gz"] == pytest.approx(cohens * 0.797885, rel=1e-5)  # J(4) of Hedges (1981)


@pytest.mark.parametrize(("log_sd", "n"), [(0.3, 6), (0.05, 10), (1.0, 4), (0.3, 2), (0.2, 60)])
def test_minimum_detectable_ratio_is_found_four_times_in_five(log_sd: float, n: int) -> None:
    effect = detectable_effect(n) * log_sd
    drawn = np.random.default_rng(5).normal(effect, log_sd, size=(20_000, n))
    found = stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.012)


def test_minimum_detectable_ratio_is_that_of_the_noncentral_t() -> None:
    for n in (2, 6, 60):
        effect = detectable_effect(n) * math.sqrt(n)
        critical = stats.t.ppf(0.975, n - 1)
        below = np.nan_to_num(stats.nct.cdf(-critical, n - 1, effect), nan=0.0)  # so far out it is 0
        assert stats.nct.sf(critical, n - 1, effect) + below == pytest.approx(0.8)


def test_error_of_a_shared_baseline_is_not_averaged_away() -> None:
    """Each pair is 2 s longer in its agentic run: 0.1 W of idle power makes 0.2 J, however many pairs there are."""
    assert of_all(tasks_of(10))["u_baseline_j"] == pytest.approx(0.2)


def test_errors_of_different_baselines_average() -> None:
    own = [pair(n, f"t{n}", 1.0, 2.0 + n, linear_baseline_id=f"b{n}", agentic_baseline_id=f"b{n}") for n in range(4)]
    assert of_all(own)["u_baseline_j"] == pytest.approx(0.2 / 2)
    apart = pair(1, "t", 1.0, 2.0, agentic_baseline_id="other")
    assert of_all([apart])["u_baseline_j"] == pytest.approx(math.hypot(0.1, 0.3))
    assert of_all([*own, pair(9, "t9", 1.0, 2.0, linear_u_idle_w=None)])["u_baseline_j"] is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_is_among_the_rows_of_one_scope_and_source() -> None:
    pairs = []
    for provider, seed in (("a", 1), ("b", 2), ("c", 3)):
        pairs += [
            p | {"provider": provider, "comparison_id": len(pairs) + i} for i, p in enumerate(tasks_of(6, seed=seed))
        ]
    pairs += [p | {"energy_source": "model:cpu_time", "is_estimated": True} for p in tasks_of(7)]
    rows = [row for row in statistics(pairs) if row["scope"] == "provider"]
    measured = [row for row in rows if not row["is_estimated"]]
    assert [row["p_holm"] for row in measured] == pytest.approx(holm([row["p_t_log"] for row in measured]))
    [estimated] = [row for row in rows if row["is_estimated"]]
    assert estimated["p_holm"] == estimated["p_t_log"]


def test_estimated_and_measured_never_meet() -> None:
    pairs = [
        pair(1, "t", 1.0, 2.0),
        pair(2, "t", 100.0, 900.0, energy_source="model:cpu_time", is_estimated=True),
        pair(3, "t", 10.0, 40.0, energy_source="rapl+nvml"),
    ]
    rows = statistics(pairs)
    assert len(rows) == 4 * 3  # scopes × sources
    found = {(row["energy_source"], row["is_estimated"], row["ratio_geo"]) for row in rows}
    assert {(source, estimated) for source, estimated, _ in found} == {
        ("rapl", False), ("model:cpu_time", True), ("rapl+nvml", False)}  # fmt: skip
    assert {round(ratio, 9) for _, _, ratio in found} == {2.0, 9.0, 4.0}


def test_what_has_no_ratio_is_counted_with_its_reason() -> None:
    pairs = [
        pair(1, "t", 1.0, 2.0),
        pair(2, "t", -0.5, 2.0),
        pair(3, "t", 1.0, 0.0),
        pair(4, "t", None, 2.0),
        pair(5, None, 1.0, 2.0),
        pair(6, "t", None, None, exclusion_reason="no partner"),
        pair(7, "t", None, None, exclusion_reason="no partner"),
    ]
    row = of_all(pairs)
    assert (row["n_pairs"], row["n_excluded"]) == (1, 6)
    assert json.loads(row["exclusion_reasons_json"]) == {
        "agentic run not above idle": 1,
        "linear run not above idle": 1,
        "no dynamic energy": 1,
        "no partner": 2,
        "no task": 1,
    }
    lost = of_all([pair(1, "t", None, None, exclusion_reason="run failed")])
    assert (lost["n_pairs"], lost["quality_flag"], lost["ratio_geo"]) == (0, "no_pairs", None)


def test_pairs_whose_figures_should_not_be_used_are_counted() -> None:
    row = of_all(
        [pair(1, "t", 1.0, 2.0), pair(2, "t", 1.0, 4.0, is_valid=False), pair(3, "t", None, 2.0, is_valid=False)]
    )
    assert (row["n_pairs"], row["n_not_valid"], row["n_excluded"]) == (2, 1, 1)


def test_scopes_and_their_keys() -> None:
    pairs = [
        pair(1, "s", 1.0, 2.0),
        pair(2, "t", 1.0, 2.0, exp_id=2, hw_id=2),
        pair(3, "t", 1.0, 2.0, exp_id=2, hw_id=2),
    ]
    rows = statistics(pairs)
    keys = {
        (r["scope"], r["exp_id"], r["task_name"], r["model_key"], r["provider"], r["hw_id"], r["n_pairs"]) for r in rows
    }
    assert keys == {
        ("experiment", 1, "s", "m", "p", 1, 1),
        ("experiment", 2, "t", "m", "p", 2, 2),
        ("model × task × provider × hardware", None, "s", "m", "p", 1, 1),
        ("model × task × provider × hardware", None, "t", "m", "p", 2, 2),
        ("provider", None, None, None, "p", None, 3),
        ("all", None, None, None, None, None, 3),
    }
    assert len({row["tax_stat_id"] for row in rows}) == len(rows)


def test_each_row_says_how_it_was_computed() -> None:
    row = of_all(tasks_of(2))
    assert (row["seed"], row["n_resamples"], row["ci_level"]) == (SEED, N_RESAMPLES, 0.95)
    assert (row["scipy_version"], row["computed_at"], row["cluster_unit"]) == (scipy.__version__, MOMENT, "task")


def test_tasks_that_are_all_alike_claim_nothing() -> None:
    row = of_all([pair(n, f"t{n}", 1.0, 2.0) for n in range(12)])
    assert row["ratio_geo"] == 2.0
    assert row["p_t_log"] is row["ratio_geo_ci_lo"] is row["rot_ci_lo"] is row["hedges_gz"] is None


def test_tied_tasks_are_tested_too() -> None:
    row = of_all([pair(n, f"t{n}", 1.0, 2.0 + n // 2) for n in range(12)])
    assert row["p_wilcoxon"] == pytest.approx(2 / 2**12, abs=3 / N_RESAMPLES)


def test_nothing_gives_no_rows() -> None:
    assert tax_statistics(pl.DataFrame(schema=PAIR_SCHEMA), MOMENT).schema == RESULT_SCHEMA


some_pairs = st.lists(
    st.builds(
        lambda task, linear, ratio, exp, source: pair(
            0, f"t{task}", linear, linear * ratio, exp_id=exp, energy_source=source, is_estimated=source != "rapl"
        ),
        st.integers(0, 11),
        st.floats(0.1, 1e4),
        st.floats(0.2, 9.0),
        st.integers(1, 3),
        st.sampled_from(["rapl", "model:cpu_time"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=25)
@given(some_pairs, st.randoms(use_true_random=False))
def test_order_of_pairs_changes_nothing(pairs: list[Pair], random: Any) -> None:
    numbered = [p | {"comparison_id": number} for number, p in enumerate(pairs)]
    shuffled = list(numbered)
    random.shuffle(shuffled)
    assert statistics(shuffled) == statistics(numbered)


@settings(deadline=None, max_examples=25)
@given(some_pairs, st.sampled_from([0.001, 1000.0]))
def test_unit_of_energy_changes_no_ratio(pairs: list[Pair], factor: float) -> None:
    scaled = [p | {"linear_j": p["linear_j"] * factor, "agentic_j": p["agentic_j"] * factor} for p in pairs]
    for row, other in zip(statistics(pairs), statistics(scaled), strict=True):
        for name in ("ratio_geo", "ratio_of_totals", "tax_share_of_agentic", "p_superiority"):
            assert other[name] == pytest.approx(row[name], rel=1e-9)
        assert other["diff_mean_j"] == pytest.approx(row["diff_mean_j"] * factor, rel=1e-6, abs=1e-9 * factor * 1e4)


# In the warehouse


def test_stores_have_a_row_in_each_scope() -> None:
    rows = example_rows("FROM tax_statistics")
    counts = {scope: sum(row["scope"] == scope for row in rows) for scope in {row["scope"] for row in rows}}
    assert counts == {"experiment": 4, "model × task × provider × hardware": 4, "provider": 2, "all": 1}
    assert {row["quality_flag"] for row in rows} == {"descriptive"}  # two tasks
    [whole] = [row for row in rows if row["scope"] == "all"]
    assert (whole["n_pairs"], whole["n_tasks"], whole["n_excluded"]) == (20, 2, 0)
    taxes = example_rows(
        "SELECT linear_dynamic_uj AS linear, agentic_dynamic_uj AS agentic FROM orchestration_tax_summary"
    )
    agentic, linear = sum(tax["agentic"] for tax in taxes), sum(tax["linear"] for tax in taxes)
    assert whole["ratio_of_totals"] == pytest.approx(agentic / linear)
    assert whole["u_baseline_j"] > 0


def test_table_has_the_columns_of_the_statistics() -> None:
    names = [row["column_name"] for row in example_rows("DESCRIBE tax_statistics")]
    assert names == RESULT_SCHEMA.names()
