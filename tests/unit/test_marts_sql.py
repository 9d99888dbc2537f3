"""sql/marts: pairs of runs, the orchestration tax, and its parts by event."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from collectors.ids import run_key
from tests.unit.sql_fixture import DAY_NS, MS, RECORDED, SECOND, Counters, World, example_rows, store_rows

IDLE_WATTS = 1.0


class Pairs:
    """Pairs of runs in one experiment each, by a name; 10 s and 20 s long, 1 W idle, their dynamic energy as asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hw_id = world.add_hardware()
        world.add_baseline("idle", hw_id=self.hw_id, core_power_watts=0.5, uncore_power_watts=0.1)
        self.start_ns = DAY_NS
        self.ids: dict[tuple[str, str], int] = {}
        self.experiments: dict[str, int] = {}

    def run(self, pair: str, workflow: str, dynamic_uj: int | None, events: str = "", **values: Any) -> int:
        """A run of a pair; `events` names phases, a letter each, that divide it evenly: p, e, s, and - for a hole."""
        if pair not in self.experiments:
            self.experiments[pair] = self.world.add_experiment(pair, hw_id=self.hw_id)
        seconds = 10 if workflow == "linear" else 20
        defaults: dict[str, Any] = {
            "hw_id": self.hw_id,
            "baseline_id": "idle",
            "run_number": 1,
            "workflow_type": workflow,
        }
        start = self.start_ns
        run_id = self.world.add_run(f"{pair}/{workflow}/{len(self.ids)}", self.experiments[pair], start_ns=start,
                                    duration_ns=seconds * SECOND, **defaults | values)  # fmt: skip
        if dynamic_uj is not None:
            total_uj = dynamic_uj + round(IDLE_WATTS * seconds * 1e6)
            times = start + np.arange(seconds * 100 + 1) * 10 * MS
            package = np.round(np.linspace(0, total_uj, len(times))).astype(np.int64)
            self.world.add_counters(run_id, Counters(times, {"pkg": package, "core": package // 2}))
        length = seconds * SECOND // max(len(events), 1)
        for step, letter in enumerate(events):
            if letter != "-":
                phase = {"p": "planning", "e": "execution", "s": "synthesis"}[letter]
                self.world.add_event(run_id, start + step * length, start + (step + 1) * length, phase=phase,
                                     step_index=step)  # fmt: skip
        self.start_ns += 100 * SECOND
        self.ids[pair, workflow] = run_id
        return run_id

    def tax(self, pair: str) -> dict[str, Any]:
        return self.world.row("FROM orchestration_tax_summary WHERE agentic_run_id = ?", self.ids[pair, "agentic"])

    def events(self, pair: str) -> list[dict[str, Any]]:
        """The agentic run's events, the unattributed one last."""
        return self.world.rows(
            "FROM orchestration_events WHERE run_id = ? ORDER BY event_type = 'unattributed', start_time_ns",
            self.ids[pair, "agentic"],
        )

    def reason(self, run_id: int) -> str | None:
        reason: str | None = self.world.value("SELECT reason FROM run_pairing WHERE run_id = ?", run_id)
        return reason


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    pairs = Pairs(World(tmp_path_factory.mktemp("marts")))
    for name, linear_uj, agentic_uj in (
        ("worked", 1_204_300, 2_594_500),
        ("cheaper agent", 2_000_000, 1_000_000),
        ("agent below idle", 2_000_000, -1_000_000),
        ("linear below idle", -2_000_000, 1_000_000),
    ):
        pairs.run(name, "linear", linear_uj)
        pairs.run(name, "agentic", agentic_uj, events="peees")
    pairs.run("no baseline", "linear", 1_000_000, baseline_id=None)
    pairs.run("no baseline", "agentic", 2_000_000, events="ps")
    pairs.run("no samples", "linear", None)
    pairs.run("no samples", "agentic", 2_000_000)
    pairs.run("both have events", "linear", 4_000_003, events="p-ee")
    pairs.run("both have events", "agentic", 10_000_007, events="ppees")
    pairs.run("with a hole", "linear", 1_000_000)
    pairs.run("with a hole", "agentic", 3_000_000, events="p-s")
    pairs.run("no events", "linear", 1_000_000)
    pairs.run("no events", "agentic", 3_000_000)
    _unpaired(pairs)
    linear, agentic = (run_of(pairs, "worked", workflow) for workflow in ("linear", "agentic"))
    pairs.world.add("reported_tax", [{
        "linear_run_key": linear["run_key"], "agentic_run_key": agentic["run_key"],
        "agentic_run_id": agentic["run_id"],  # the other one started on another day
        "source_system": "alems-store", "host": "lab", "recorded_at": RECORDED,
        "orchestration_tax_uj": 42}])  # fmt: skip
    pairs.world.build()
    yield pairs
    pairs.world.con.close()


def run_of(pairs: Pairs, pair: str, workflow: str) -> dict[str, Any]:
    [row] = [r for r in pairs.world.landed["runs"] if r["run_id"] == pairs.ids[pair, workflow]]
    assert row["run_key"] == run_key("alems-store", "lab", row["source_run_id"], row["start_time_ns"])
    return row


# ---- the tax ---------------------------------------------------------------------------------------------------------


def test_worked_values_of_the_tax(pairs: Pairs) -> None:
    tax = pairs.tax("worked")
    assert (tax["linear_dynamic_uj"], tax["agentic_dynamic_uj"]) == (1_204_300, 2_594_500)
    assert tax["orchestration_tax_uj"] == 1_390_200
    assert tax["tax_percent"] == pytest.approx(53.582579, abs=1e-6)
    assert tax["tax_multiplier"] == pytest.approx(2.154364, abs=1e-6)
    assert tax["tax_pct_of_linear"] == pytest.approx(115.4364, abs=1e-4)
    assert (tax["is_estimated"], tax["reported_orchestration_tax_uj"], tax["run_number"]) == (False, 42, 1)


@pytest.mark.parametrize(
    ("pair", "tax_uj", "percent", "multiplier"),
    [
        ("cheaper agent", -1_000_000, -100.0, 0.5),
        ("agent below idle", -3_000_000, None, -0.5),
        ("linear below idle", 3_000_000, None, None),
    ],
)
def test_ratios_are_null_where_they_mean_nothing(
    pairs: Pairs, pair: str, tax_uj: int, percent: float | None, multiplier: float | None
) -> None:
    tax = pairs.tax(pair)
    assert (tax["orchestration_tax_uj"], tax["tax_percent"], tax["tax_multiplier"]) == (tax_uj, percent, multiplier)
    assert ("negative_tax" in json.loads(tax["quality_flags"])) == (tax_uj < 0)


def test_orchestration_energy_is_package_less_core_where_there_is_no_uncore_domain(pairs: Pairs) -> None:
    tax = pairs.tax("worked")
    # Half of the total, less idle package − core of 0.5 W for 10 s.
    assert tax["linear_orchestration_uj"] == pytest.approx((1_204_300 + 10_000_000) / 2 - 5_000_000, abs=1)
    assert "uncore_is_package_minus_core" in json.loads(tax["quality_flags"])


@pytest.mark.parametrize(("pair", "flag"), [("no baseline", "linear:no_baseline"), ("no samples", "linear:no_samples")])
def test_pair_without_an_energy_is_listed_without_a_tax(pairs: Pairs, pair: str, flag: str) -> None:
    tax = pairs.tax(pair)
    assert tax["orchestration_tax_uj"] is tax["tax_percent"] is tax["tax_multiplier"] is None
    assert flag in json.loads(tax["quality_flags"])
    assert all(event["tax_contribution_uj"] is None for event in pairs.events(pair))


def test_taxes_of_the_example_stores_are_those_of_their_runs() -> None:
    rows = example_rows(
        "SELECT tax.*, linear.source_run_id AS linear_source, agentic.source_run_id AS agentic_source, landed.host "
        "FROM orchestration_tax_summary AS tax JOIN main.runs AS linear ON linear.run_id = linear_run_id "
        "JOIN main.runs AS agentic ON agentic.run_id = agentic_run_id "
        "JOIN stage.runs AS landed ON landed.run_id = agentic_run_id"
    )
    ours = {(row["host"], int(row["linear_source"]), int(row["agentic_source"])): row for row in rows}
    compared = 0
    for name in "ab":
        for theirs in store_rows(name, "SELECT * FROM orchestration_tax_summary"):
            tax = ours.pop((f"lab-laptop-{name}", theirs["linear_run_id"], theirs["agentic_run_id"]))
            assert tax["reported_orchestration_tax_uj"] == theirs["orchestration_tax_uj"]
            # A-LEMS's idle power is lower (it takes spread off the mean): 0.11 W more over the longer run.
            assert tax["orchestration_tax_uj"] == pytest.approx(theirs["orchestration_tax_uj"], abs=1e6)
            compared += 1
    assert (compared, ours) == (20, {})


# ---- pairs -----------------------------------------------------------------------------------------------------------


def _unpaired(pairs: Pairs) -> None:
    other = pairs.world.add_hardware("other")
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "failed": ({"status": "failed"}, {}),
        "partial": ({}, {"status": "partial"}),
        "other number": ({"run_number": 1}, {"run_number": 2}),
        "no number": ({"run_number": None}, {"run_number": None}),
        "other hardware": ({}, {"hw_id": other}),
        "unknown hardware": ({"hw_id": 77}, {"hw_id": 77}),
    }
    for name, (linear, agentic) in cases.items():
        pairs.run(name, "linear", 1_000_000, **linear)
        pairs.run(name, "agentic", 2_000_000, **agentic)
    pairs.run("estimated", "linear", 1_000_000)
    run_id = pairs.run("estimated", "agentic", None)
    times = pairs.start_ns - 100 * SECOND + np.arange(2001) * 10 * MS
    pairs.world.add_counters(run_id, Counters(times, {"model": np.arange(2001) * 120_000}))
    run_id = pairs.run("one with DRAM", "linear", None)
    times = pairs.start_ns - 100 * SECOND + np.arange(1001) * 10 * MS
    pairs.world.add_counters(
        run_id, Counters(times, {"pkg": np.arange(1001) * 20_000, "dram": np.arange(1001) * 5_000})
    )
    pairs.run("one with DRAM", "agentic", 2_000_000)
    pairs.run("three", "linear", 1_000_000)
    pairs.ids["third", "linear"] = pairs.run("three", "linear", 5_000_000)
    pairs.run("three", "agentic", 2_000_000)


@pytest.mark.parametrize(
    ("pair", "linear", "agentic"),
    [
        ("worked", None, None),
        ("failed", "run failed", "partner failed"),
        ("partial", "partner partial", "run partial"),
        ("other number", "no partner", "no partner"),
        ("no number", "no run number", "no run number"),
        ("other hardware", "no partner", "no partner"),
        ("unknown hardware", "hardware unknown", "hardware unknown"),
        ("estimated", "partner measured by other means", "partner measured by other means"),
        ("one with DRAM", "partner measured by other means", "partner measured by other means"),
    ],
)
def test_run_is_paired_or_has_its_reason(pairs: Pairs, pair: str, linear: str | None, agentic: str | None) -> None:
    reasons = tuple(pairs.reason(pairs.ids[pair, workflow]) for workflow in ("linear", "agentic"))
    assert reasons == (linear, agentic)
    n_pairs = pairs.world.value(
        "SELECT count(*) FROM orchestration_tax_summary WHERE agentic_run_id = ?", pairs.ids[pair, "agentic"]
    )
    assert n_pairs == (1 if linear is None else 0)


def test_third_run_with_a_number_is_not_paired(pairs: Pairs) -> None:
    assert pairs.reason(pairs.ids["third", "linear"]) == "another run has its number"
    assert pairs.tax("three")["orchestration_tax_uj"] == 1_000_000


# ---- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pair",
    [
        "worked",
        "cheaper agent",
        "agent below idle",
        "linear below idle",
        "both have events",
        "with a hole",
        "no events",
    ],
)
def test_parts_of_the_events_sum_to_the_tax(pairs: Pairs, pair: str) -> None:
    events = pairs.events(pair)
    assert sum(event["tax_contribution_uj"] for event in events) == pairs.tax(pair)["orchestration_tax_uj"]
    assert sum(event["tax_percent"] for event in events) == pytest.approx(100)
    total = pairs.world.value("SELECT total_energy_uj FROM main.runs WHERE run_id = ?", pairs.ids[pair, "agentic"])
    assert sum(event["event_energy_uj"] for event in events) == total


def test_event_takes_its_share_of_the_tax_where_the_linear_run_has_none(pairs: Pairs) -> None:
    events = pairs.events("worked")
    assert len(events) == 5  # nothing is left over for an unattributed row
    for event in events:  # five equal events of a steady run
        assert event["tax_contribution_uj"] == pytest.approx(1_390_200 / 5, abs=1)
        assert event["tax_percent"] == pytest.approx(20, abs=1e-3)
        assert event["power_watts"] == pytest.approx((2_594_500 + 20_000_000) / 20e6, rel=1e-6)


def test_event_is_held_against_the_linear_run_by_phase(pairs: Pairs) -> None:
    *events, rest = pairs.events("both have events")
    above_idle = 10_000_007 / 5
    # The linear run's planning (a quarter of it) is spread over two planning events, its execution (half) over two.
    quarter = 4_000_003 / 4
    expected = [above_idle - quarter / 2] * 2 + [above_idle - quarter] * 2 + [above_idle]
    assert [event["tax_contribution_uj"] for event in events] == pytest.approx(expected, abs=2)
    # What the linear run spent outside its events is no event's to take off.
    assert rest["event_type"] == "unattributed"
    assert rest["tax_contribution_uj"] == pytest.approx(-quarter, abs=2)


@pytest.mark.parametrize(("pair", "share", "seconds"), [("with a hole", 1 / 3, 20 / 3), ("no events", 1, 20)])
def test_tax_outside_every_event_is_a_row_of_its_own(pairs: Pairs, pair: str, share: float, seconds: float) -> None:
    rest = pairs.events(pair)[-1]
    assert (rest["event_type"], rest["phase"], rest["step_index"]) == ("unattributed", None, None)
    assert rest["duration_ns"] == pytest.approx(seconds * SECOND, abs=10)
    assert rest["tax_contribution_uj"] == pytest.approx(2_000_000 * share, abs=5)
    assert rest["event_energy_uj"] == pytest.approx(23_000_000 * share, abs=5)


def test_events_of_the_example_stores_have_energy_and_sum_to_run_and_tax() -> None:
    rows = example_rows(
        "SELECT tax.orchestration_tax_uj, any_value(runs.total_energy_uj) AS total_uj, count(*) AS n, "
        "sum(event_energy_uj)::BIGINT AS energy_uj, sum(tax_contribution_uj)::BIGINT AS part_uj "
        "FROM orchestration_events AS events JOIN main.runs AS runs ON runs.run_id = events.run_id "
        "JOIN orchestration_tax_summary AS tax ON tax.agentic_run_id = events.run_id GROUP BY ALL"
    )
    assert len(rows) == 20
    for row in rows:  # A-LEMS's six events cover each run from start to end
        assert (row["n"], row["energy_uj"], row["part_uj"]) == (6, row["total_uj"], row["orchestration_tax_uj"])
