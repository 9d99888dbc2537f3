"""Carbon, water and methane of runs: the worked values of the specification, the registry's figures, time series."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alems_pipeline import sql_files
from tests.unit.sql_fixture import DAY_NS, MS, SECOND, Counters, World

START = datetime.fromtimestamp(DAY_NS / 1e9, UTC)
WORKED_UJ = 32_824_785  # of the specification
US_CARBON_G, US_WATER_ML, US_METHANE_MG = 0.0035104284, 0.0182359917, 0.0045589979


def intensity(region: str, minutes: int, actual: float | None, forecast: float | None = None) -> dict[str, Any]:
    """A window of 30 minutes of a region, `minutes` after the runs' start."""
    begin = START + timedelta(minutes=minutes)
    return {
        "source_system": "test",
        "region": region,
        "window_start": begin,
        "window_end": begin + timedelta(minutes=30),
        "actual_gco2eq_kwh": actual,
        "forecast_gco2eq_kwh": forecast,
        "recorded_at": START + timedelta(days=1),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run per country, each with the dynamic energy of the worked value; the idle power is 0.5 W."""
    world = World(tmp_path_factory.mktemp("sustainability"))
    world.add_baseline(package_power_watts=0.5)
    for number, country in enumerate(("US", " de ", "GH", "CF", "XX", None, "GB", "SE", "FR", "us-ca")):
        experiment = world.add_experiment(str(number), country_code=country)
        run_id = world.add_run(str(country), experiment, baseline_id="idle", start_ns=DAY_NS)
        times = np.arange(DAY_NS, DAY_NS + 10 * SECOND + 1, 10 * MS, dtype=np.int64)
        energies = (times - DAY_NS) * (WORKED_UJ + 5_000_000) // (10 * SECOND)
        world.add_counters(run_id, Counters(times, {"pkg": energies}))
    experiment = world.add_experiment("no length", country_code="GB")
    world.add_run("no length", experiment, start_ns=DAY_NS, duration_ns=0)
    # The run of GB crosses from one window into the next, 5 s in each; that of SE runs out of the series. Two windows
    # of FR hold the same 5 s of its run.
    series = [intensity("GB", -30, 100.0), intensity("GB", 0, None, 300.0), intensity("SE", -30, 999.0),
              intensity("FR", -30, 999.0), intensity("FR", -20, 999.0) | {"window_end": START}]  # fmt: skip
    shift = timedelta(seconds=5)
    for window in series:
        window["window_start"] += shift
        window["window_end"] += shift
    world.add("carbon_intensity", series)
    world.build()
    return world


def run_of(world: World, country: str) -> dict[str, Any]:
    return world.row("FROM runs WHERE source_run_id = ?", country)


def flags(run: dict[str, Any]) -> set[str]:
    return set(json.loads(run["quality_flags"]))


def test_worked_values_of_the_specification(world: World) -> None:
    run = run_of(world, "US")
    assert run["dynamic_energy_uj"] == WORKED_UJ
    assert run["carbon_g"] == pytest.approx(US_CARBON_G, rel=1e-8)
    assert run["water_ml"] == pytest.approx(US_WATER_ML, rel=1e-8)
    assert run["methane_mg"] == pytest.approx(US_METHANE_MG, rel=1e-8)
    assert run["total_carbon_g"] == pytest.approx(US_CARBON_G * 37_824_785 / WORKED_UJ, rel=1e-8)
    assert run["methane_co2e_20y_g"] == pytest.approx(81 * US_METHANE_MG / 1e3, rel=1e-8)
    assert run["methane_co2e_100y_g"] == pytest.approx(28 * US_METHANE_MG / 1e3, rel=1e-8)
    assert flags(run) == set()


def test_country_is_found_however_it_is_written(world: World) -> None:
    assert run_of(world, " de ")["carbon_g"] == pytest.approx(US_CARBON_G * 301 / 385, rel=1e-8)


def test_part_of_a_country_has_the_countrys_figures(world: World) -> None:
    assert run_of(world, "us-ca")["carbon_g"] == pytest.approx(US_CARBON_G, rel=1e-8)


def test_country_that_only_codecarbon_knows_has_carbon_and_no_water(world: World) -> None:
    run = run_of(world, "GH")
    assert run["carbon_g"] == pytest.approx(US_CARBON_G * 484 / 385, rel=1e-8)
    assert run["water_ml"] is run["methane_mg"] is run["methane_co2e_20y_g"] is None
    assert flags(run) == {"no_grid_factor"}


@pytest.mark.parametrize(
    ("country", "flag"), [("CF", "no_grid_factor"), ("XX", "no_grid_factor"), ("None", "no_country")]
)
def test_without_a_figure_nothing_is_made_up(world: World, country: str, flag: str) -> None:
    run = run_of(world, country)
    assert run["carbon_g"] is run["total_carbon_g"] is run["water_ml"] is run["methane_mg"] is None
    assert flags(run) == {flag}


def test_time_series_that_covers_the_run_counts_by_time(world: World) -> None:
    run = run_of(world, "GB")
    assert run["carbon_g"] == pytest.approx(US_CARBON_G * 200 / 385, rel=1e-8)  # 5 s at 100 g, 5 s at 300 g
    assert run["water_ml"] == pytest.approx(US_WATER_ML * 1.5 / 2.0, rel=1e-8)
    assert flags(run) == {"forecast_intensity"}


def test_time_series_that_ends_within_the_run_gives_way_to_the_country(world: World) -> None:
    assert run_of(world, "SE")["carbon_g"] == pytest.approx(US_CARBON_G * 13 / 385, rel=1e-8)


def test_time_that_two_windows_hold_counts_once(world: World) -> None:
    factors = world.row("SELECT f.* FROM run_grid_factors AS f JOIN runs USING (run_id) WHERE source_run_id = 'FR'")
    assert (factors["carbon_source"], factors["carbon_gco2eq_kwh"]) == ("country", 52.0)


def test_run_of_no_length_has_the_factors_of_its_country(world: World) -> None:
    factors = world.row(
        "SELECT f.* FROM run_grid_factors AS f JOIN runs USING (run_id) WHERE source_run_id = 'no length'"
    )
    assert factors["carbon_source"] == "country" and factors["carbon_gco2eq_kwh"] > 0


def test_pue_and_embodied_share_are_parameters(world: World) -> None:
    runs = next(file for file in sql_files.layer_files("core") if file.qualified_name == "main.runs")
    world.con.execute("BEGIN; UPDATE main.sustainability_settings SET pue = 1.5, embodied_share = 0.25")
    try:
        world.con.execute(runs.text)
        run = run_of(world, "US")
        assert run["carbon_g"] == pytest.approx(US_CARBON_G * 1.5 / 0.75, rel=1e-8)
        assert run["water_ml"] == pytest.approx(US_WATER_ML * 1.5, rel=1e-8)
        assert run["methane_mg"] == pytest.approx(US_METHANE_MG * 1.5, rel=1e-8)
    finally:
        world.con.execute("ROLLBACK")


def test_registry_holds_both_collections_and_says_which_counts(world: World) -> None:
    counts = world.rows(
        "SELECT origin, count(*) AS n, count_if(is_used) AS used FROM grid_factors GROUP BY 1 ORDER BY 1"
    )
    assert counts == [{"origin": "alems", "n": 31, "used": 31}, {"origin": "codecarbon", "n": 213, "used": 181}]
    assert (
        world.value("SELECT max(n) FROM (SELECT count_if(is_used) AS n FROM grid_factors GROUP BY country_code)") == 1
    )
    us = world.rows("SELECT year, carbon_gco2eq_kwh FROM grid_factors WHERE iso3 = 'USA' ORDER BY origin")
    assert us == [{"year": 2023, "carbon_gco2eq_kwh": 385.0}, {"year": 2023, "carbon_gco2eq_kwh": 369.473}]
    potentials = world.rows("SELECT gas, horizon_years AS years, kg_co2e_kg FROM global_warming_potentials")
    assert {(row["gas"], row["years"]): row["kg_co2e_kg"] for row in potentials} == {
        ("CH4", 20): 81, ("CH4", 100): 28, ("N2O", 20): 273, ("N2O", 100): 273}  # fmt: skip


def test_change_of_a_registry_is_a_change_of_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gwp = next(file for file in sql_files.layer_files("core") if file.name == "global_warming_potentials")
    before = gwp.code_version, sql_files.code_hash(gwp.path)
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "gwp.csv").write_text("gas,horizon_years,kg_co2e_kg,source\n")
    monkeypatch.setattr(sql_files, "SQL_ROOT", tmp_path)
    after = gwp.code_version, sql_files.code_hash(gwp.path)
    assert before[0] != after[0] and before[1] != after[1]
