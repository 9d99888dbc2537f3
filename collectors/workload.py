"""A small real program to measure: questions answered in one pass (linear) and by an agent with tools (agentic).

    python -m collectors.workload linear|agentic --task NAME [--seed N]

Nothing is simulated and nothing is left to chance: the corpus follows from the seed, the "language model" is an
interpolated trigram model trained on it and sampled with the seed, the tools really search, calculate and run code. It
says what it does through collectors.events, as any measured program would.
"""

import argparse
import math
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Final

from collectors.events import condition, llm_call, step

STATIONS: Final = 900
TEMPERATURE: Final = 0.8
CANDIDATES: Final = 4  # answers sampled side by side, of which the likeliest is given
SHOWN_WORDS: Final = 16  # of what the model says in the linear form
SYLLABLES: Final = ("al", "ber", "cor", "dun", "el", "fal", "gor", "hal", "is", "jor", "kel", "lun", "mar", "nor", "os")
Facts = dict[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """A question, what its answer needs, and how long the model talks about it."""

    question: str
    answer: str  # filled from the notes
    linear_tokens: int
    thought_tokens: int  # of each of the agent's model calls
    expression: str = ""  # for the calculator, over the notes
    code: str = ""  # for the code tool: defines solve(notes)


TASKS: Final = {
    "capacity": Task(
        "search the station {name} and calculate the kilowatts that its turbines deliver together",
        "The turbines of station {name} deliver {calculated:.0f} kilowatts together.",
        linear_tokens=1000,
        thought_tokens=480,
        expression="turbines * kilowatts",
    ),
    "ranking": Task(
        "search every station and calculate how many metres the highest stands above the mean",
        "The highest station stands {calculated:.1f} metres above the mean.",
        linear_tokens=1200,
        thought_tokens=560,
        expression="metres_max - metres_sum / stations",
    ),
    "growth": Task(
        "search the station {name} and calculate its kilowatts after ten years of growth by three percent, with losses",
        "Station {name} will deliver {calculated:.2f} kilowatts.",
        linear_tokens=1100,
        thought_tokens=520,
        expression="turbines * kilowatts * (1 + 3 / 100) ^ 10 - (turbines + metres / 1000) * 2",
    ),
    "primes": Task(
        "search the station {name}, then run code that counts the prime numbers below a thousand times its year",
        "There are {computed} primes below {limit:.0f}.",
        linear_tokens=900,
        thought_tokens=430,
        code=(
            "def solve(notes):\n"
            "    limit = int(notes['year'] * 1000)\n"
            "    sieve = bytearray([1]) * limit\n"
            "    sieve[:2] = bytes(2)\n"
            "    for n in range(2, limit):\n"
            "        if sieve[n]:\n"
            "            for multiple in range(n * n, limit, n):\n"
            "                sieve[multiple] = 0\n"
            "    return sum(sieve)\n"
        ),
    ),
    "chains": Task(
        "search every station, run code for the longest Collatz chain that starts below thirty times the metres of "
        "the highest, and calculate its length per metre",
        "The longest chain has {computed} steps, {calculated:.4f} per metre.",
        linear_tokens=950,
        thought_tokens=400,
        expression="computed / metres_max",
        code=(
            "def solve(notes):\n"
            "    longest = 0\n"
            "    for start in range(1, int(notes['metres_max']) * 30):\n"
            "        n, steps = start, 0\n"
            "        while n != 1:\n"
            "            n = n // 2 if n % 2 == 0 else 3 * n + 1\n"
            "            steps += 1\n"
            "        longest = max(longest, steps)\n"
            "    return longest\n"
        ),
    ),
    "unit": Task(
        "calculate the kilowatts of forty turbines of seventy kilowatts each, less a tenth",
        "That makes {calculated:.0f} kilowatts.",
        linear_tokens=1150,
        thought_tokens=700,
        expression="40 * 70 * (1 - 1 / 10)",
    ),
}

TOOLS: Final = {
    "search": {"search", "find", "look"},
    "code": {"run", "code", "execute"},
    "calculator": {"calculate", "compute", "evaluate"},
}
"""The agent's tools, each with the words of a question that speak for it."""

FIGURES: Final = re.compile(
    r"year (?P<year>\d+) .* (?P<metres>\d+) metres .* (?P<turbines>\d+) turbines .* (?P<kilowatts>\d+) kilowatts"
)


class Corpus:
    """Short reports on invented power stations; the same seed gives the same text."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        self.names = [f"{draw.choice(SYLLABLES)}{draw.choice(SYLLABLES)}{n}" for n in range(STATIONS)]
        self.reports = [
            f"station {name} was opened in year {draw.randint(1900, 2020)} and "
            f"stands {draw.randint(5, 1800)} metres above the sea . "
            f"it has {draw.randint(2, 60)} turbines and each delivers {draw.randint(50, 900)} kilowatts . "
            f"its {draw.choice(('northern', 'southern', 'eastern', 'western'))} dam was "
            f"{draw.choice(('renewed', 'raised', 'inspected', 'painted'))} {draw.choice(('last', 'this'))} summer ."
            for name in self.names
        ]


class LanguageModel:
    """Word trigrams, interpolated with bigrams and single words. A token is a word."""

    WEIGHTS: Final = (0.1, 0.3, 0.6)  # of one, two and three words

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        words = " ".join(texts).split()
        counts = Counter(words)
        self.seed = seed
        self.vocabulary = sorted(counts)
        self.number = {word: n for n, word in enumerate(self.vocabulary)}
        self.single = [self.WEIGHTS[0] * counts[word] / len(words) for word in self.vocabulary]
        self.following: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for first, second in pairwise(words):
            self.following[(first,)][second] += 1
        for first, second, third in zip(words, words[1:], words[2:], strict=False):
            self.following[first, second][third] += 1

    def probabilities(self, history: Sequence[str]) -> list[float]:
        """How likely each word of the vocabulary is to come next; likelier than counted, by TEMPERATURE below 1."""
        result = self.single.copy()
        for length in (1, 2):
            following = self.following.get(tuple(history[-length:]))
            if following:
                weight = self.WEIGHTS[length] / following.total()
                for word, count in following.items():
                    result[self.number[word]] += weight * count
        sharpened = [share ** (1 / TEMPERATURE) for share in result]
        total = sum(sharpened)
        return [share / total for share in sharpened]

    def answer(self, prompt: str, tokens: int) -> str:
        """Continue the prompt by so many words: of several samples, the likeliest."""
        started = time.perf_counter()
        read = prompt.split()
        best = max((self._sample(read, tokens, n) for n in range(CANDIDATES)), key=lambda sampled: sampled[0])
        elapsed_ms = (time.perf_counter() - started) * 1000
        llm_call(
            model_name="trigram",
            provider="local",
            prompt_tokens=len(read),
            completion_tokens=tokens,
            total_tokens=len(read) + tokens,
            total_time_ms=elapsed_ms,
            compute_time_ms=elapsed_ms,
            local_compute_ms=elapsed_ms,
            non_local_ms=0.0,
            status="success",
        )
        return " ".join(best[1])

    def _sample(self, prompt: Sequence[str], tokens: int, candidate: int) -> tuple[float, list[str]]:
        draw = random.Random(f"{self.seed} {candidate} {' '.join(prompt)}")
        words = list(prompt)
        likelihood = 0.0
        for _ in range(tokens):
            probabilities = self.probabilities(words)
            cumulative = list(accumulate(probabilities))
            (chosen,) = draw.choices(range(len(cumulative)), cum_weights=cumulative)
            likelihood += math.log(probabilities[chosen])
            words.append(self.vocabulary[chosen])
        return likelihood, words[len(prompt) :]


@dataclass
class Agent:
    """Plans, calls the tools that its plan names, looks at what they brought, and writes the answer."""

    task: Task
    corpus: Corpus
    model: LanguageModel
    question: str
    notes: Facts = field(default_factory=dict)

    def run(self) -> str:
        with step("planning", "llm_call"):
            self.model.answer(f"plan : {self.question}", self.task.thought_tokens)
        with step("planning", "tool_choice"):
            tools = choose_tools(self.question)
        work: dict[str, Callable[[], None]] = {"search": self.search, "calculator": self.calculate, "code": self.code}
        for tool in tools:
            with step("execution", "llm_call", purpose=f"arguments of {tool}"):
                self.model.answer(f"{tool} : {self.question}", self.task.thought_tokens // 2)
            with step("execution", "tool_call", tool=tool):
                work[tool]()
        with step("planning", "llm_call", purpose="reflection"):
            self.model.answer(f"are these enough : {' '.join(self.notes)}", self.task.thought_tokens // 2)
        with step("synthesis", "llm_call"):
            found = " ".join(map(str, self.notes.values()))
            self.model.answer(f"answer : {self.question} {found}", self.task.thought_tokens)
            return self.task.answer.format(name=self.corpus.names[0], **self.notes)

    def search(self) -> None:
        """Index the corpus, find the station asked for (every one where none is named) and note its figures."""
        found = SearchIndex(self.corpus.reports).find(self.question)
        values: dict[str, list[float]] = defaultdict(list)
        for report in found:
            figures = FIGURES.search(report)
            assert figures is not None  # every report is made by the same template
            for name, value in figures.groupdict().items():
                values[name].append(float(value))
        self.notes["stations"] = len(found)
        for name, listed in values.items():
            self.notes |= {name: listed[0], f"{name}_max": max(listed), f"{name}_sum": sum(listed)}
        self.notes["limit"] = self.notes["year"] * 1000

    def calculate(self) -> None:
        self.notes["calculated"] = Calculator(self.task.expression, self.notes).value()

    def code(self) -> None:
        """Run the task's function in an interpreter of its own, as an agent's sandbox does."""
        program = f"{self.task.code}\nprint(solve({self.notes!r}))"
        command = [sys.executable, "-I", "-c", program]
        self.notes["computed"] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def choose_tools(question: str) -> list[str]:
    """The tools that share a word with the question, in the order in which they build on one another."""
    asked = set(question.replace(",", " ").split())
    scores = {tool: len(asked & words) / len(words) for tool, words in TOOLS.items()}
    return [tool for tool, score in scores.items() if score > 0]


class SearchIndex:
    """An inverted index with tf-idf ranking."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.postings: dict[str, dict[int, float]] = defaultdict(dict)
        for n, text in enumerate(texts):
            words = text.split()
            for word, count in Counter(words).items():
                self.postings[word][n] = count / len(words)

    def find(self, question: str) -> list[str]:
        """The reports of the rarest word of the question that the index knows, best first."""
        known = [word for word in question.replace(",", " ").split() if word in self.postings]
        rarest = min(known, key=lambda word: len(self.postings[word]))
        scores: dict[int, float] = defaultdict(float)
        for word in known:
            for n, frequency in self.postings[word].items():
                scores[n] += frequency * math.log(len(self.texts) / len(self.postings[word]) + 1)
        return [self.texts[n] for n in sorted(self.postings[rarest], key=lambda n: (-scores[n], n))]


class Calculator:
    """Evaluates + − * / ^ and parentheses over numbers and noted names; ^ binds tightest and to the right."""

    def __init__(self, expression: str, notes: Facts) -> None:
        self.tokens = re.findall(r"\d+\.?\d*|\w+|[-+*/^()]", expression)
        self.notes = notes

    def value(self) -> float:
        result = self._sum()
        if self.tokens:
            raise ValueError(f"{self.tokens[0]!r}: not expected here")
        return result

    def _sum(self) -> float:
        result = self._product()
        while self._next_is("+-"):
            result = result + self._product() if self.tokens.pop(0) == "+" else result - self._product()
        return result

    def _product(self) -> float:
        result = self._power()
        while self._next_is("*/"):
            result = result * self._power() if self.tokens.pop(0) == "*" else result / self._power()
        return result

    def _power(self) -> float:
        base = self._operand()
        if self._next_is("^"):
            self.tokens.pop(0)
            return float(base ** self._power())
        return base

    def _operand(self) -> float:
        token = self.tokens.pop(0)
        if token == "(":
            result = self._sum()
            self.tokens.pop(0)
            return result
        return self.notes[token] if token in self.notes else float(token)

    def _next_is(self, operators: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in operators


def run(workflow: str, task_name: str, seed: int = 1) -> str:
    """The answer to a task's question, found in the given form."""
    task = TASKS[task_name]
    condition("task", task_name)
    condition("seed", seed)
    corpus = Corpus(seed)
    model = LanguageModel(corpus.reports, seed)
    question = task.question.format(name=corpus.names[0])
    if workflow == "agentic":
        return Agent(task, corpus, model, question).run()
    with step("execution", "llm_call"):
        said = model.answer(f"question : {question} answer :", task.linear_tokens)
    return " ".join(said.split()[:SHOWN_WORDS]) + " …"


def main() -> None:
    parser = argparse.ArgumentParser(description="A small real program to measure.")
    parser.add_argument("workflow", choices=("linear", "agentic"))
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(run(options.workflow, options.task, options.seed))


if __name__ == "__main__":
    main()
