"""The built-in workload: its tools compute what they claim, and its answers are right."""

import dataclasses
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import workload
from collectors.workload import TASKS, Agent, Calculator, Corpus, LanguageModel, SearchIndex, choose_tools


def figures(report: str) -> list[int]:
    """Year, metres, turbines, kilowatts: the only whole numbers that stand alone in a report."""
    return [int(word) for word in report.split() if word.isdecimal()]


def answer(task: str, seed: int) -> list[float]:
    """The numbers in the agent's answer; its model thinks two words long, which takes no part in the answer."""
    corpus = Corpus(seed)
    short = dataclasses.replace(TASKS[task], thought_tokens=4)
    model = LanguageModel(corpus.reports[:20], seed)
    said = Agent(short, corpus, model, short.question.format(name=corpus.names[0])).run()
    return [float(number) for number in re.findall(r"(?<!\w)\d+(?:\.\d+)?", said)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_agent_answers_by_the_corpus(seed: int) -> None:
    reports = [figures(report) for report in Corpus(seed).reports]
    year, metres, turbines, kilowatts = reports[0]
    heights = [report[1] for report in reports]
    primes_below = sum(all(n % d for d in range(2, math.isqrt(n) + 1)) for n in range(2, 3000))

    assert answer("capacity", seed) == [turbines * kilowatts]
    assert answer("ranking", seed) == [round(max(heights) - sum(heights) / len(heights), 1)]
    grown = turbines * kilowatts * 1.03**10 - (turbines + metres / 1000) * 2
    assert answer("growth", seed) == [pytest.approx(grown, abs=0.006)]
    assert answer("unit", seed) == [2520]
    (count, limit) = answer("primes", seed)
    assert limit == year * 1000
    scope: dict[str, object] = {}
    exec(TASKS["primes"].code, scope)  # the tool's own code, on a limit that can be checked by hand
    assert scope["solve"]({"year": 3.0}) == primes_below == 430  # type: ignore[operator]
    assert 0.9 < count / (limit / math.log(limit)) < 1.2, "the prime number theorem"


def test_every_task_gets_the_tools_that_it_needs() -> None:
    tools = {name: choose_tools(task.question) for name, task in TASKS.items()}
    for name, task in TASKS.items():
        assert ("calculator" in tools[name]) == bool(task.expression)
        assert ("code" in tools[name]) == bool(task.code)
    assert tools["chains"] == ["search", "code", "calculator"]
    assert tools["unit"] == ["calculator"]


numbers = st.integers(1, 99).map(str)
expressions = st.recursive(
    numbers,
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | st.tuples(inner, st.sampled_from("+-*/"), numbers).map(lambda t: f"{t[0]} {t[1]} {t[2]}")
    ),
    max_leaves=8,
)


@given(expressions)
def test_the_calculator_agrees_with_python(expression: str) -> None:
    try:
        expected = eval(expression)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            Calculator(expression, {}).value()
        return
    assert Calculator(expression, {}).value() == pytest.approx(expected)


def test_powers_bind_tightest_and_to_the_right() -> None:
    assert Calculator("2 * x ^ 3 ^ 2", {"x": 2.0}).value() == 2 * 2 ** (3**2)
    with pytest.raises(ValueError, match="not expected here"):
        Calculator("1 2", {}).value()


def test_search_finds_the_reports_of_the_rarest_word() -> None:
    index = SearchIndex(["a b b", "a c", "a b d", "d e"])
    assert index.find("a b") == ["a b b", "a b d"]
    assert index.find("unknown e") == ["d e"]


def test_the_same_seed_says_the_same() -> None:
    texts = Corpus(5).reports[:30]
    first, again, other = (LanguageModel(texts, seed).answer("station", 30) for seed in (1, 1, 2))
    assert first == again != other
    assert set(first.split()) <= set(" ".join(texts).split())


def test_likelihoods_are_a_distribution_that_follows_the_text() -> None:
    model = LanguageModel(["x y z"] * 5 + ["x y w"], seed=1)
    likely = dict(zip(model.vocabulary, model.probabilities(["x", "y"]), strict=True))
    assert sum(likely.values()) == pytest.approx(1)
    assert likely["z"] > likely["w"] > likely["y"]


def test_the_linear_form_makes_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    short = dataclasses.replace(TASKS["unit"], linear_tokens=5)
    monkeypatch.setitem(workload.TASKS, "unit", short)
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(workload, "llm_call", lambda **fields: calls.append(fields))
    assert len(workload.run("linear", "unit").removesuffix(" …").split()) == 5
    (call,) = calls
    assert (call["completion_tokens"], call["total_tokens"]) == (
        5,
        5 + len(f"question : {short.question} answer :".split()),
    )
