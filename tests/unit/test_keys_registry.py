"""The CSV registries say what their sources say, and a registry that contradicts itself is refused."""

import datetime
import json
import shutil
from pathlib import Path

import pytest

from alems_pipeline.keys.names import resolve_name
from alems_pipeline.keys.registry import REGISTRY_ROOT, BrokenRegistry, read_registry

ARTIFACTS = Path(__file__).parents[1] / "data" / "inferencex"
SOURCE = json.loads((ARTIFACTS / "registry.json").read_text())
REGISTRY = read_registry()


def test_every_fact_of_the_source_stands_in_the_csv_files() -> None:
    models = SOURCE["models"]
    assert models["key_to_display"].items() <= REGISTRY.models.items()
    assert models["prefix_aliases"] == REGISTRY.model_aliases
    assert models["model_to_key"].items() <= REGISTRY.model_names.items()
    assert list(REGISTRY.hardware_suffixes) == SOURCE["hardware_suffixes_in_order"]
    assert REGISTRY.hardware_tdp_w == {key: facts["tdp_w"] for key, facts in SOURCE["hardware"].items()}
    assert REGISTRY.frameworks == set(SOURCE["frameworks"]["keys"])
    assert {a: (f.key, f.disagg) for a, f in REGISTRY.framework_aliases.items()} == {
        a["alias"]: (a["canonical"], a.get("disagg")) for a in SOURCE["frameworks"]["aliases"]
    }
    assert REGISTRY.precisions == set(SOURCE["precisions"]["keys"])
    assert REGISTRY.precision_aliases == SOURCE["precisions"]["aliases"]
    assert REGISTRY.metrics == set(SOURCE["metric_keys"])
    assert set(REGISTRY.hot_metrics) == {column["name"] for column in SOURCE["hot_columns"]}
    assert set(SOURCE["non_metric_keys"]) <= REGISTRY.non_metric_keys
    assert list(REGISTRY.config_columns) == SOURCE["config_natural_key"]
    for key, facts in SOURCE["hardware"].items():
        for values in facts["values"]:
            ours = REGISTRY.hardware_values[key, values["epoch"]]
            assert {k: v for k, v in ours.items() if v is not None} == {k: v for k, v in values.items() if k != "epoch"}


def test_the_models_of_the_energy_runs_are_known() -> None:
    for place in json.loads((ARTIFACTS / "alems_models.json").read_text()).values():
        for model in place.values():
            assert {model["name"], model["model_id"]} <= REGISTRY.model_names.keys()


@pytest.mark.parametrize(
    "name",
    [
        "llama-3.3-70b",  # what the README measures with
        "llama-3.3-70b-versatile",
        "meta-llama/Llama-3.3-70B-Instruct",
        "accounts/fireworks/models/llama-v3p3-70b-instruct",
        "meta.llama3-3-70b-instruct-v1:0",
        "llama3.3:70b",
    ],
)
def test_a_model_is_known_by_the_names_that_providers_serve_it_under(name: str) -> None:
    assert resolve_name("model", name, REGISTRY).key == "llama70b"


@pytest.mark.parametrize(
    ("key", "on", "power_kw", "hyperscaler", "neocloud", "rental"),
    [
        ("h100", None, 1.37, 1.17, 1.55, 2.0),  # power from power_fix, neocloud from 2026-07: gaps are inherited
        ("h100", "2026-07-31", 1.37, 1.17, 1.55, 1.78),
        ("h100", "2026-06-30", 1.37, 1.3, 1.69, 1.3),  # the corrected power counts from the start
        ("vr200", None, 3.3, 3.61, None, 3.61),  # nobody gives a neocloud price: none, not 0
        ("vr200", "2026-06-30", None, None, None, None),
        ("a100", None, None, None, None, None),
    ],
)
def test_figures_by_day(
    key: str, on: str | None, power_kw: float, hyperscaler: float, neocloud: float, rental: float
) -> None:
    day = datetime.date.fromisoformat(on) if on else None
    assert list(REGISTRY.hardware_figures(key, day).values()) == [power_kw, hyperscaler, neocloud, rental]


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("model_aliases", "newalias,nosuchmodel", "'newalias': model_key is not registered"),
        ("model_aliases", "GPTOSS,gptoss120b", "'GPTOSS': aliases are lower case"),
        ("models", "dsr1,Another,inferencex", "'dsr1': model_key is unique"),
        ("models", "DSR9,Another,inferencex", "'DSR9': keys are lower case"),
        ("hardware_values", "b999,seed,1,1,1,1", "'b999': needs a line in hardware.csv"),
        ("hardware_values", "b200,2031-01,1,1,1,1", "'2031-01': needs a line in hardware_epochs.csv"),
        ("hardware_values", "b200,seed,much,1,1,1", "'much': must be a number or empty"),
        ("framework_aliases", "vllm-x,vllm,yes,", "'yes': must be true, false or empty"),
    ],
)
def test_a_contradiction_is_refused_with_its_place(tmp_path: Path, file: str, line: str, message: str) -> None:
    shutil.copytree(REGISTRY_ROOT, tmp_path / "registry")
    with (tmp_path / "registry" / f"{file}.csv").open("a") as csv_file:
        csv_file.write(line + "\n")
    with pytest.raises(BrokenRegistry, match=f"{file}.csv: {message}"):
        read_registry(tmp_path / "registry")
